//! The running watch of a repository into what others may see of it and ask from it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::task::JoinHandle;

use crate::git::commit::CommitId;
use crate::git::mirror::fault::Fault;

/// Events kept for a slow subscriber; one that falls behind gets the newest state instead.
pub(in crate::git) const EVENTS_MAX: usize = 64;

/// The branch has a new good tip, readable from [`Handle::repository`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefEvent {
    /// The branch.
    pub branch: String,
    /// The last good tip before.
    pub old: Option<CommitId>,
    /// The tip now.
    pub new: CommitId,
    /// Whether `new` does not contain `old`: somebody pushed with force.
    pub rewritten: bool,
}

impl RefEvent {
    /// `rewritten: old..new` when history was replaced, for logs and status.
    pub fn rewritten_text(&self) -> Option<String> {
        let old = self.old.filter(|_| self.rewritten)?;
        Some(format!("rewritten: {}..{}", old.short(), self.new.short()))
    }
}

/// What a watch tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A new good tip.
    Ref(RefEvent),
    /// The repository can't be followed; the last good tip stays.
    Fault(Fault),
    /// It can be followed again.
    Recovered,
}

/// A watch as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The branch, once known.
    pub branch: Option<String>,
    /// The last good tip.
    pub tip: Option<CommitId>,
    /// When the source was last seen to be at `tip`.
    pub checked: Option<SystemTime>,
    /// Why and since when it can't be followed.
    pub fault: Option<Fault>,
    /// A tip that is held back until [`Handle::confirm`]: it shares no history with `tip`.
    pub held: Option<CommitId>,
    /// `rewritten: old..new` when the last move was a forced one.
    pub rewritten: Option<String>,
}

#[derive(Debug)]
pub(in crate::git) enum Ask {
    Confirm(CommitId),
    Rebuild,
}

/// A running watch; it ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Handle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(in crate::git) struct Inner {
    pub repository: PathBuf,
    pub events: broadcast::Sender<Event>,
    pub status: watch::Receiver<Status>,
    pub poke: Arc<Notify>,
    pub asks: mpsc::Sender<Ask>,
    pub task: JoinHandle<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Handle {
    pub(in crate::git) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// The mirror, to be opened with [`crate::git::reader::Reader::open`]. Only good commits are on its branch; its
    /// notes are ours. It is replaced as a whole when damaged, so open it anew for each piece of work.
    pub fn repository(&self) -> &Path {
        &self.inner.repository
    }

    /// The state now.
    pub fn status(&self) -> Status {
        self.inner.status.borrow().clone()
    }

    /// The state and its changes.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.inner.status.clone()
    }

    /// Events from now on; ask [`Handle::status`] after subscribing for what was before.
    pub fn subscribe(&self) -> Subscription {
        Subscription { events: self.inner.events.subscribe(), status: self.inner.status.clone(), last: None }
    }

    /// Polls now, or as soon as the gap between polls allows. Any number of calls cost one poll.
    pub fn poke(&self) {
        self.inner.poke.notify_one();
    }

    /// Accepts a tip that is held back.
    pub async fn confirm(&self, held: CommitId) {
        // The task ends only with the last handle.
        let _ = self.inner.asks.send(Ask::Confirm(held)).await;
    }

    /// Says that reading the mirror failed with [`crate::git::error::Error::is_corrupt`]: it is made anew beside and
    /// swapped in.
    pub async fn report_corrupt(&self) {
        let _ = self.inner.asks.send(Ask::Rebuild).await;
    }
}

/// A subscriber's end.
#[derive(Debug)]
pub struct Subscription {
    events: broadcast::Receiver<Event>,
    status: watch::Receiver<Status>,
    last: Option<CommitId>,
}

impl Subscription {
    /// The next event; None when the watch has ended. A subscriber that fell behind gets one event with the newest tip.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.events.recv().await {
                Ok(event) => {
                    if let Event::Ref(e) = &event {
                        self.last = Some(e.new);
                    }
                    return Some(event);
                }
                Err(broadcast::error::RecvError::Closed) => return None,
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    let now = self.status.borrow().clone();
                    if let (Some(branch), Some(new)) = (now.branch, now.tip)
                        && self.last != Some(new)
                    {
                        let old = self.last.replace(new);
                        return Some(Event::Ref(RefEvent { branch, old, new, rewritten: now.rewritten.is_some() }));
                    }
                }
            }
        }
    }
}
