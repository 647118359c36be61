//! Hands each published commit to the watchers it concerns, in order and without waiting for any.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::stream::{self, StreamExt};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::kv::{Error, Event, KeyRange, Revision, WatchBatch, WatchRequest, WatchStream};
use crate::mvcc::command::Commit;

#[derive(Debug)]
struct Watcher {
    keys: KeyRange,
    from: Revision,
    prev_kv: bool,
    progress: bool,
    queue: Sender<WatchBatch>,
    slow: Arc<AtomicBool>,
}

/// All watchers of a store.
#[derive(Debug)]
pub struct Hub {
    watchers: Vec<Watcher>,
    queue_max: usize,
}

impl Hub {
    /// A hub whose watchers have at most `queue_max` batches waiting.
    #[must_use]
    pub fn new(queue_max: usize) -> Self {
        Self { watchers: Vec::new(), queue_max: queue_max.max(1) }
    }

    /// Adds a watcher that has been given `past` and sees the revisions from `from` on next.
    pub fn add(&mut self, request: WatchRequest, from: Revision, past: VecDeque<WatchBatch>) -> WatchStream {
        let (queue, feed) = mpsc::channel(self.queue_max);
        let slow = Arc::new(AtomicBool::new(false));
        let WatchRequest { keys, prev_kv, progress, .. } = request;
        let watcher = Watcher { keys, from, prev_kv, progress, queue, slow: slow.clone() };
        self.watchers.push(watcher);
        let max = self.queue_max;
        stream::unfold(Some(Feed { past, feed, slow, max }), Feed::next).boxed()
    }

    /// Hands `commits` out.
    pub fn broadcast<'a>(&mut self, commits: impl Iterator<Item = &'a Arc<Commit>> + Clone) {
        self.watchers.retain(|watcher| {
            let new = commits.clone().filter(|commit| commit.revision >= watcher.from);
            new.filter_map(|commit| batch(commit, &watcher.keys, watcher.prev_kv)).all(|batch| watcher.send(batch))
                && !watcher.queue.is_closed()
        });
    }

    /// Tells who asked for it that nothing before `revision` is still to come.
    pub fn progress(&mut self, revision: Revision) {
        self.watchers.retain(|watcher| {
            !watcher.progress || watcher.from > revision || watcher.send(WatchBatch { revision, events: Vec::new() })
        });
    }

    /// Whether anybody asked to be told of progress.
    #[must_use]
    pub fn wants_progress(&self) -> bool {
        self.watchers.iter().any(|watcher| watcher.progress && !watcher.queue.is_closed())
    }
}

impl Watcher {
    /// Whether the watcher stays.
    fn send(&self, batch: WatchBatch) -> bool {
        match self.queue.try_send(batch) {
            Ok(()) => true,
            Err(TrySendError::Closed(_)) => false,
            Err(TrySendError::Full(_)) => {
                self.slow.store(true, Ordering::Release);
                false
            }
        }
    }
}

/// The watcher's end: what was before it came, what comes, and then why it ended.
struct Feed {
    past: VecDeque<WatchBatch>,
    feed: Receiver<WatchBatch>,
    slow: Arc<AtomicBool>,
    max: usize,
}

impl Feed {
    async fn next(feed: Option<Self>) -> Option<(crate::kv::Result<WatchBatch>, Option<Self>)> {
        let mut feed = feed?;
        if let Some(batch) = feed.past.pop_front() {
            return Some((Ok(batch), Some(feed)));
        }
        match feed.feed.recv().await {
            Some(batch) => Some((Ok(batch), Some(feed))),
            None if feed.slow.load(Ordering::Acquire) => Some((Err(Error::SlowWatcher { max: feed.max }), None)),
            None => Some((Err(Error::Closed), None)),
        }
    }
}

/// What of `commit` concerns `keys`; `None` if nothing does.
#[must_use]
pub fn batch(commit: &Commit, keys: &KeyRange, prev_kv: bool) -> Option<WatchBatch> {
    let mut concerned = commit.events.iter().filter(|event| keys.contains(&event.kv.key));
    let first = concerned.next()?;
    let events = std::iter::once(first)
        .chain(concerned)
        .map(|event| Event {
            kind: event.kind,
            kv: event.kv.clone(),
            prev: if prev_kv { event.prev.clone() } else { None },
        })
        .collect();
    Some(WatchBatch { revision: commit.revision, events })
}
