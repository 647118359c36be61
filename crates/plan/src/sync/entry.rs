//! The plan as data: one entry an object, with what is done, why, where it was asked for, and the exact writes.

use std::fmt;
use std::sync::Arc;

use masthead_api::change::Change;
use masthead_api::key::ObjectKey;
use masthead_api::object::Object;
use serde::{Deserialize, Serialize};

use crate::desired::{CommitFacts, Wanted};
use crate::origin::Origin;
use crate::sync::hooks::State;
use crate::sync::rollout::{HookState, HookStep, Rollout};

/// What a plan does with one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It does not exist and is made.
    Create,
    /// It exists and differs.
    Change,
    /// It exists and cannot become what is asked; it is deleted and made anew.
    Replace,
    /// The commit removed it.
    Delete,
    /// Nothing about it changes but where it is written.
    Move,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Create => "create",
            Action::Change => "change",
            Action::Replace => "replace",
            Action::Delete => "delete",
            Action::Move => "move",
        })
    }
}

/// What happens to the record of what git last asked for, kept beside each object that came from git.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// It is now this.
    Set(Wanted),
    /// Git asks for the object no more.
    Clear,
}

/// One object of the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Which object.
    pub key: ObjectKey,
    /// What is done with it.
    pub action: Action,
    /// Why, in words a user reads.
    pub reason: String,
    /// Where the commit asks for it; for a delete, where it was asked for before.
    pub origin: Option<Origin>,
    /// The live object.
    pub before: Option<Arc<Object>>,
    /// The object after the plan.
    pub after: Option<Arc<Object>>,
    /// The writes, in order.
    pub changes: Vec<Change>,
    /// The record beside it.
    pub record: Record,
    /// Hooks of its release have to run first: it is not written yet.
    pub is_held: bool,
}

/// Why a plan may not be executed, although the tree is valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What the plan would do that needs a confirmation.
    pub what: String,
    /// The trailer that confirms it.
    pub trailer: String,
}

/// All that a commit changes, decided on the state at `base`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SyncPlan {
    /// The commit.
    pub commit: CommitFacts,
    /// The revision of the state that was read.
    pub base: u64,
    /// The entries in the order of execution.
    pub entries: Vec<Entry>,
    /// Releases that change, are on their way, or are left alone.
    pub releases: Vec<Rollout>,
    /// How many objects of the commit are as asked already.
    pub unchanged: usize,
    /// What must be confirmed first; empty when the plan may run.
    pub refusals: Vec<Refusal>,
}

impl SyncPlan {
    /// How many entries have an action.
    pub fn count(&self, action: Action) -> usize {
        self.entries.iter().filter(|entry| entry.action == action).count()
    }

    /// Whether the plan writes nothing to objects now (moves of text aside).
    pub fn is_empty(&self) -> bool {
        self.entries.iter().all(|entry| entry.changes.is_empty() || entry.is_held)
            && self.releases.iter().all(|release| release.step.changes.is_empty())
    }

    /// The hooks that the plan is going to run, each with its release.
    pub fn hooks(&self) -> impl Iterator<Item = (&Rollout, &HookStep)> {
        self.releases.iter().flat_map(|release| release.hooks.iter().map(move |hook| (release, hook)))
    }

    /// How many hooks have yet to come to their end.
    pub fn hooks_open(&self) -> usize {
        self.hooks().filter(|(_, hook)| hook.state != HookState::Done).count()
    }

    /// Releases that are left alone.
    pub fn suspended(&self) -> impl Iterator<Item = &Rollout> {
        self.releases.iter().filter(|release| release.step.state == State::Suspended)
    }

    /// One line: `2 to create, 1 to change, 14 unchanged`; counts of nothing are left out.
    pub fn summary(&self) -> String {
        let counts = [
            (self.count(Action::Create), "to create"),
            (self.count(Action::Change), "to change"),
            (self.count(Action::Replace), "to replace"),
            (self.count(Action::Delete), "to delete"),
            (self.unchanged + self.count(Action::Move), "unchanged"),
        ];
        let mut said: Vec<String> =
            counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        match self.hooks_open() {
            0 => {}
            1 => said.push("1 hook to run".to_owned()),
            n => said.push(format!("{n} hooks to run")),
        }
        if said.is_empty() { "nothing is asked for".to_owned() } else { said.join(", ") }
    }
}
