//! What a plan found, and what has changed since → the objects that the next plan has to look at.
//!
//! An object is as asked when it lives and git asked for the same, at the same place, when it was written last. That stays
//! so until git asks for something else, the record of what it asked for changes, or the object goes: all others need not
//! be looked at again. So a plan costs what changed, and not what the repository holds.

use std::collections::BTreeSet;

use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::SERVICE;
use masthead_api::object::Object;

use crate::cluster::event::Changed;
use crate::cluster::view::Cluster;
use crate::sync::journal::{Journal, Mark};

/// The objects that a plan looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All.
    #[default]
    All,
    /// Those that may not be as asked.
    Open(Open),
}

impl Scope {
    /// Whether addresses and ports of services may clash that did not.
    pub fn has_services(&self) -> bool {
        match self {
            Scope::All => true,
            Scope::Open(open) => open.services || open.keys.iter().any(|key| key.kind == SERVICE),
        }
    }
}

/// What may not be as asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// The objects.
    pub keys: BTreeSet<ObjectKey>,
    /// Whether services of the cluster may stand in the way of those that are asked for.
    pub services: bool,
}

impl Open {
    /// Takes in what else is open.
    pub fn extend(&mut self, more: Open) {
        self.keys.extend(more.keys);
        self.services |= more.services;
    }
}

/// What changes of the cluster mean for plans.
#[derive(Clone, Debug, Default)]
pub struct Touched {
    journal: Journal,
    /// How often a service changed.
    services: u64,
}

/// A moment of [`Touched`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    mark: Mark,
    services: u64,
}

impl Touched {
    /// Takes in a change of an object. What it holds is git's alone to write: whether it lives is what counts.
    pub fn object(&mut self, cluster: &Cluster, changed: &Changed) {
        let lives = |object: &Object| object.meta().deletion_timestamp.is_none();
        let (was, is) = (changed.old.as_deref().is_some_and(lives), changed.new.as_deref().is_some_and(lives));
        let Some(key) = changed.sides().next().map(|object| object.key()) else { return };
        self.services += u64::from(key.kind == SERVICE);
        if was != is && cluster.applied_of(key).is_some() {
            self.journal.note(key);
        }
    }

    /// Takes in a change of the record of what git asked for.
    pub fn record(&mut self, key: &ObjectKey) {
        self.journal.note(key);
    }

    /// Now.
    pub fn seen(&self) -> Seen {
        Seen { mark: self.journal.mark(), services: self.services }
    }

    /// What may be another since then; `None` when that is not remembered.
    pub fn since(&self, seen: Seen) -> Option<Open> {
        Some(Open { keys: self.journal.since(seen.mark)?, services: self.services != seen.services })
    }

    /// Everything may be another.
    pub fn forget(&mut self) {
        self.journal.forget();
    }
}
