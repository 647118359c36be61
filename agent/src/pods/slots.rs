//! The node's turns at making things → one turn for a pod's sandbox and the first container in it.
//!
//! A pod that has its sandbox goes on at once, ahead of pods that have nothing yet: pods come up one after the other
//! rather than all at the end.

use std::sync::Arc;

use crate::pods::site::Shared;

/// A turn; given back when it is dropped.
pub struct Slot(Arc<Shared>);

impl Slot {
    /// Waits for a turn; nothing when the agent ends.
    pub async fn take(shared: &Arc<Shared>) -> Option<Slot> {
        shared.slots.acquire().await.ok()?.forget();
        Some(Slot(shared.clone()))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.slots.add_permits(1);
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Slot")
    }
}
