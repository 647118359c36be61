//! What a loop waits for and may not come: a change that nobody tells of, a moment that is not set.

use std::future::pending;

use tokio::time::{Instant, sleep_until};

use crate::network::error::Result;
use crate::network::rules::watch::Watch;

/// Waits for a change of nftables, for ever where that is not known.
///
/// # Errors
/// The kernel.
pub async fn heard(watch: Option<&mut Watch>) -> Result<()> {
    match watch {
        Some(watch) => watch.changed().await,
        None => pending().await,
    }
}

/// Waits for a moment, for ever when there is none.
pub async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}
