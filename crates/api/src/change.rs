//! What a decision wants written: creates, updates and deletes of objects, each with its guard and its reason.

use std::sync::Arc;

use crate::key::ObjectKey;
use crate::object::Object;

/// One write to the cluster's state.
///
/// A write is refused when what it was decided on is no longer there: a create when the key exists, an update and a
/// delete when the object's revision is no longer `base`.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A new object.
    Create {
        /// The object, with `metadata.uid` and `creationTimestamp` set by whoever decided.
        object: Arc<Object>,
        /// Why, in words a user reads.
        reason: String,
    },
    /// A new content of an object: spec, status, metadata, or the mark of a graceful deletion.
    Update {
        /// The whole object after the change.
        object: Arc<Object>,
        /// The revision it was decided on.
        base: u64,
        /// Why, in words a user reads.
        reason: String,
    },
    /// The object leaves the store.
    Delete {
        /// Which object.
        key: ObjectKey,
        /// The revision it was decided on.
        base: u64,
        /// Why, in words a user reads.
        reason: String,
    },
}

impl Change {
    /// The object it is about.
    pub fn key(&self) -> &ObjectKey {
        match self {
            Change::Create { object, .. } | Change::Update { object, .. } => object.key(),
            Change::Delete { key, .. } => key,
        }
    }

    /// Why it is wanted.
    pub fn reason(&self) -> &str {
        match self {
            Change::Create { reason, .. } | Change::Update { reason, .. } | Change::Delete { reason, .. } => reason,
        }
    }
}

/// Whether an event tells of the ordinary or of trouble (`type` of a Kubernetes Event).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventKind {
    /// `Normal`.
    Normal,
    /// `Warning`.
    Warning,
}

/// Something a controller tells about an object; the control loop folds repeats into one Event with a count.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventNote {
    /// The object it is about.
    pub about: ObjectKey,
    /// That object's uid.
    pub uid: String,
    /// Normal or Warning.
    pub kind: EventKind,
    /// One CamelCase word, as Kubernetes has it (`ScalingReplicaSet`).
    pub reason: String,
    /// The sentence.
    pub message: String,
    /// Who says it (`deployment-controller`).
    pub source: String,
}
