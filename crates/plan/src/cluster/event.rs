//! What the store's watch tells → what changed in the view.

use std::sync::Arc;

use masthead_api::key::ObjectKey;
use masthead_api::object::Object;

/// One change of the store.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The object is now this; its revision is that of the change.
    Put(Arc<Object>),
    /// The object is gone since this revision.
    Gone(ObjectKey, u64),
}

/// One object before and after an event that was taken in; at least one side is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// As it was; `None` when it is new.
    pub old: Option<Arc<Object>>,
    /// As it is; `None` when it is gone.
    pub new: Option<Arc<Object>>,
}

impl Changed {
    /// The object before, when the identity under its key ended: it is gone, or another object took its name.
    pub fn ended(&self) -> Option<&Arc<Object>> {
        let old = self.old.as_ref()?;
        let goes_on = self.new.as_ref().is_some_and(|new| new.meta().uid == old.meta().uid);
        (!goes_on).then_some(old)
    }

    /// Both sides that are there.
    pub fn sides(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.old.iter().chain(&self.new)
    }
}

/// An object that does not decode as its kind: it stays in the view by its metadata, and typed readers skip it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The revision that has the fault.
    pub revision: u64,
    /// What is wrong.
    pub message: String,
}
