//! Turns a stream that was asked for, and the call with which the agent dials it, into one pair of ends.

use masthead_wire::limits::STREAM_OPEN_TIMEOUT;
use masthead_wire::pb;
use masthead_wire::stream::{ControlFeed, StreamIo, control_end};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// What waits for an agent's answer. Bounded by time: each entry goes with the one who waits.
#[derive(Clone, Default)]
pub struct Pending(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    streams: BTreeMap<String, Ends>,
    pings: BTreeMap<u64, oneshot::Sender<()>>,
}

struct Ends {
    node: String,
    feed: ControlFeed,
    frames: mpsc::Receiver<pb::Frame>,
    dialled: oneshot::Sender<()>,
}

/// Waits for an agent; gone, it takes its entry along.
pub struct Answer {
    pending: Pending,
    key: Key,
    answer: oneshot::Receiver<()>,
}

enum Key {
    Stream(String),
    Ping(u64),
}

/// The agent did not answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late;

impl Answer {
    /// Waits, for a bounded time.
    pub async fn wait(mut self) -> Result<(), Late> {
        match tokio::time::timeout(STREAM_OPEN_TIMEOUT, &mut self.answer).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Late),
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let mut waiting = self.pending.lock();
        match &self.key {
            Key::Stream(id) => drop(waiting.streams.remove(id)),
            Key::Ping(nonce) => drop(waiting.pings.remove(nonce)),
        }
    }
}

impl Pending {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream that `node` is about to dial: its id, our end, and the wait for it.
    pub fn add(&self, node: &str) -> (String, StreamIo, Answer) {
        // Nobody can guess it; that it is the right node that dials is checked besides.
        let id = format!("{:032x}", rand::random::<u128>());
        let (io, feed, frames) = control_end();
        let (dialled, answer) = oneshot::channel();
        let ends = Ends { node: node.to_owned(), feed, frames, dialled };
        self.lock().streams.insert(id.clone(), ends);
        let answer = Answer { pending: self.clone(), key: Key::Stream(id.clone()), answer };
        (id, io, answer)
    }

    /// `node` dials the stream `id`.
    pub fn dialled(&self, node: &str, id: &str) -> Option<(ControlFeed, mpsc::Receiver<pb::Frame>)> {
        let mut waiting = self.lock();
        if waiting.streams.get(id)?.node != node {
            return None;
        }
        let ends = waiting.streams.remove(id)?;
        // Who waited may have left just now; then the stream ends by itself.
        let _ = ends.dialled.send(());
        Some((ends.feed, ends.frames))
    }

    /// A ping that is about to be sent: its nonce and the wait for the answer.
    pub fn await_pong(&self) -> (u64, Answer) {
        let nonce = rand::random();
        let (pong, answer) = oneshot::channel();
        self.lock().pings.insert(nonce, pong);
        let pending = self.clone();
        let key = Key::Ping(nonce);
        (nonce, Answer { pending, key, answer })
    }

    /// A ping was answered.
    pub fn pong(&self, nonce: u64) {
        if let Some(pong) = self.lock().pings.remove(&nonce) {
            let _ = pong.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_is_taken_once_and_by_its_node() {
        let pending = Pending::default();
        let (id, _io, answer) = pending.add("one");
        assert!(pending.dialled("two", &id).is_none(), "another node");
        assert!(pending.dialled("one", "guess").is_none(), "another id");
        assert!(pending.dialled("one", &id).is_some());
        assert!(pending.dialled("one", &id).is_none(), "twice");
        assert_eq!(answer.wait().await, Ok(()));
    }

    #[tokio::test]
    async fn who_does_not_wait_leaves_nothing_behind() {
        let pending = Pending::default();
        drop(pending.add("one"));
        drop(pending.await_pong());
        let waiting = pending.lock();
        assert!(waiting.streams.is_empty() && waiting.pings.is_empty());
    }
}
