//! The tip of a branch of a repository on this machine, whenever it changes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::git::commit::CommitId;
use crate::git::error::Error;
use crate::git::names;
use crate::git::reader::Reader;
use crate::git::ref_events::RefEvents;

/// Seconds between looks without any event: for file systems whose changes the kernel doesn't tell.
const SLOW_LOOK_S: u64 = 60;
/// Seconds until a repository that can't be read is tried again.
const RETRY_S: u64 = 1;

/// The tip of a branch whenever it changes, for a repository that is written by others: also the hosted one, where it
/// catches what a killed hook did not tell.
#[derive(Debug)]
pub struct TipWatch {
    path: PathBuf,
    branch: String,
    events: Option<RefEvents>,
    last: Option<CommitId>,
}

impl TipWatch {
    /// Watches a branch from `last` on.
    pub fn new(path: &Path, branch: &str, last: Option<CommitId>) -> Result<Self, Error> {
        names::branch(branch)?;
        Ok(Self { path: path.to_owned(), branch: branch.to_owned(), events: None, last })
    }

    /// Waits until the branch has another tip than the last one given. A branch or repository that is missing or
    /// unreadable is waited out, never given.
    pub async fn next(&mut self) -> (Option<CommitId>, CommitId) {
        loop {
            if !self.events.as_ref().is_some_and(RefEvents::is_current) {
                // Watched before it is read: a change in between is an event.
                self.events = RefEvents::new(&self.path).ok();
            }
            let tip = self.look().await;
            if let Ok(Some(new)) = tip
                && self.last != Some(new)
            {
                tracing::debug!(branch = self.branch, commit = %new.short(), "another tip");
                return (self.last.replace(new), new);
            }
            let wait = Duration::from_secs(if tip.is_ok() { SLOW_LOOK_S } else { RETRY_S });
            let alive = match &mut self.events {
                Some(events) => tokio::time::timeout(wait, events.changed()).await.unwrap_or(true),
                None => {
                    tokio::time::sleep(Duration::from_secs(RETRY_S)).await;
                    false
                }
            };
            if !alive {
                self.events = None;
            }
        }
    }

    async fn look(&self) -> Result<Option<CommitId>, Error> {
        let (path, branch) = (self.path.clone(), self.branch.clone());
        tokio::task::spawn_blocking(move || Reader::open(&path)?.tip(&branch))
            .await
            .map_err(|e| Error::Protocol(e.to_string()))?
    }
}
