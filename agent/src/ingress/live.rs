//! The table in use, and that another has taken its place.

use std::sync::Arc;

use tokio::sync::watch;

use crate::ingress::table::Table;

/// The table in use; another takes its place while requests run.
#[derive(Debug)]
pub struct Live(watch::Sender<Arc<Table>>);

impl Default for Live {
    fn default() -> Self {
        Self(watch::Sender::new(Arc::default()))
    }
}

impl Live {
    /// The table as it is now.
    pub fn get(&self) -> Arc<Table> {
        self.0.borrow().clone()
    }

    /// Puts another in its place.
    pub fn set(&self, table: Table) {
        self.0.send_replace(Arc::new(table));
    }

    /// The tables from now on.
    pub fn follow(&self) -> watch::Receiver<Arc<Table>> {
        self.0.subscribe()
    }
}
