//! The plan that was made last → what the next one has to look at: what was not as asked, and what has changed since.

use std::sync::{Mutex, MutexGuard, PoisonError};

use masthead_plan::sync::scope::{Open, Scope, Seen};

use crate::control::view::View;
use crate::source::tree::Version;

/// What is known of the last plan.
#[derive(Debug, Default)]
pub struct Memo(Mutex<Option<Last>>);

#[derive(Debug)]
struct Last {
    desired: Version,
    seen: Seen,
    open: Open,
}

impl Memo {
    fn last(&self) -> MutexGuard<'_, Option<Last>> {
        // A panic while it is held leaves a whole one: it is exchanged in one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a plan of a desired state has to look at; all where it is not known what has changed.
    pub fn scope(&self, desired: &Version, view: &View) -> Scope {
        let last = self.last();
        let since = |last: &Last| {
            let mut open = last.open.clone();
            open.keys.extend(last.desired.differing(desired)?);
            open.extend(view.touched_since(last.seen)?);
            Some(open)
        };
        last.as_ref().and_then(since).map_or(Scope::All, Scope::Open)
    }

    /// Keeps what a plan found on the view of a moment.
    pub fn keep(&self, desired: Version, seen: Seen, open: Open) {
        *self.last() = Some(Last { desired, seen, open });
    }
}
