//! Locks that outlive a panic, and blocking work beside the async threads.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::runtime::error::{Error, Result};

/// Nothing that holds these locks can panic half-way through a change, so a poisoned one is whole.
pub fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs blocking work beside the async threads.
pub async fn blocking<T: Send + 'static>(what: &'static str, act: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(act).await.map_err(|error| Error::internal(what, error))
}
