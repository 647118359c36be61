//! The one thread that writes: takes what waits, makes it durable as one frame, then lets it be seen.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};

use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

use crate::embedded::disk::Disk;
use crate::embedded::log::Log;
use crate::embedded::snapshot::Plan;
use crate::embedded::{frame, record};
use crate::kv::{Op, Result};
use crate::mvcc::command::{Command, Effect, Reply};
use crate::mvcc::engine::Engine;

/// Commands of one frame, at most.
const GROUP_COMMANDS_MAX: usize = 1024;
/// Bytes of values of one frame, give or take one command.
const GROUP_BYTES_MAX: usize = 4 << 20;
/// A buffer that grew beyond this is given back.
const BUFFER_BYTES_KEPT: usize = 8 << 20;

/// A command that waits, and who waits for it.
#[derive(Debug)]
pub struct Job {
    /// The command.
    pub command: Command,
    /// Where its reply goes; nobody may be there any more.
    pub reply: oneshot::Sender<Result<Reply>>,
}

/// Everything the thread owns.
pub struct Committer {
    /// What it changes.
    pub engine: Arc<Engine>,
    /// What makes it durable.
    pub log: Log,
    /// The store's directory.
    pub dir: PathBuf,
    /// Its disk.
    pub disk: Arc<dyn Disk>,
    /// Bytes of log after which a snapshot replaces it.
    pub log_bytes_max: u64,
    /// The size of the newest snapshot.
    pub snapshot_bytes: u64,
    /// Whether the last write failed: an outage is told once, not with every write.
    pub failing: bool,
}

impl Committer {
    /// Runs until the last sender is gone and all that waited is done.
    pub fn run(mut self, mut jobs: Receiver<Job>) {
        let stop = Arc::new(AtomicBool::new(false));
        let mut compaction: Option<JoinHandle<Option<u64>>> = None;
        let mut next_try_bytes = 0;
        let (mut group, mut buffer) = (Vec::new(), Vec::new());
        while let Some(first) = jobs.blocking_recv() {
            gather(first, &mut jobs, &mut group);
            self.commit(&mut group, &mut buffer);
            if compaction.as_ref().is_some_and(JoinHandle::is_finished) {
                let written = compaction.take().and_then(|thread| thread.join().ok().flatten());
                self.snapshot_bytes = written.unwrap_or(self.snapshot_bytes);
            }
            let limit = self.log_bytes_max.max(self.snapshot_bytes).max(next_try_bytes);
            if compaction.is_none() && self.log.bytes() > limit {
                compaction = self.start_compaction(&stop);
                next_try_bytes = match compaction {
                    Some(_) => 0,
                    None => self.log.bytes() + self.log_bytes_max / 4,
                };
            }
        }
        stop.store(true, Ordering::Relaxed);
        if let Some(thread) = compaction {
            drop(thread.join());
        }
    }

    /// Makes `group` durable and answers it; `group` is empty afterwards.
    fn commit(&mut self, group: &mut Vec<Job>, buffer: &mut Vec<u8>) {
        let now_ms = self.engine.clock().now_ms();
        let mut effects: Vec<Effect> = Vec::with_capacity(group.len());
        let mut answers = Vec::with_capacity(group.len());
        let mut space = self.engine.write();
        for Job { command, reply } in group.drain(..) {
            let answer = space.execute(command, now_ms).map(|(answer, done)| {
                effects.extend(done);
                answer
            });
            answers.push((reply, answer));
        }
        drop(space);
        if !effects.is_empty() {
            frame::begin(buffer);
            record::put_effects(buffer, &effects);
            if let Err(error) = self.log.append(buffer) {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "store cannot write");
                }
                self.engine.write().undo(effects);
                // Whatever else was answered may rest on what is undone.
                for (reply, _) in answers {
                    drop(reply.send(Err(error.clone())));
                }
                return;
            }
            if std::mem::take(&mut self.failing) {
                tracing::info!("store writes again");
            }
            self.engine.publish(self.engine.write(), &effects);
            if buffer.capacity() > BUFFER_BYTES_KEPT {
                *buffer = Vec::new();
            }
        }
        for (reply, answer) in answers {
            drop(reply.send(answer));
        }
    }

    /// Begins a new part of the log and writes a snapshot of what was before it, beside the writes.
    fn start_compaction(&mut self, stop: &Arc<AtomicBool>) -> Option<JoinHandle<Option<u64>>> {
        if let Err(error) = self.log.rotate() {
            tracing::warn!(%error, "store cannot begin a new log");
            return None;
        }
        let (engine, disk) = (Arc::clone(&self.engine), Arc::clone(&self.disk));
        let (dir, stop) = (self.dir.clone(), Arc::clone(stop));
        let seq = self.log.next_seq();
        // Fixed here, before the next commit, and not in the thread: it is what the old parts made.
        let plan = Plan::of(&self.engine, seq);
        let thread = Builder::new().name("store-snapshot".into()).spawn(move || {
            let written = plan.write(&engine, &dir, disk.as_ref(), &stop);
            engine.write().unpin();
            written.inspect_err(|error| tracing::warn!(%error, seq, "store cannot write a snapshot")).ok()
        });
        thread
            .inspect_err(|error| {
                tracing::warn!(%error, "store cannot start a thread");
                self.engine.write().unpin();
            })
            .ok()
    }
}

fn gather(first: Job, jobs: &mut Receiver<Job>, group: &mut Vec<Job>) {
    let mut bytes = weight(&first.command);
    group.push(first);
    while group.len() < GROUP_COMMANDS_MAX && bytes < GROUP_BYTES_MAX {
        let Ok(job) = jobs.try_recv() else { break };
        bytes += weight(&job.command);
        group.push(job);
    }
}

fn weight(command: &Command) -> usize {
    let Command::Txn(txn) = command else { return 0 };
    let value = |op: &Op| if let Op::Put { value, .. } = op { value.len() } else { 0 };
    txn.success.iter().chain(&txn.failure).map(value).sum()
}
