//! The loop of the control plane: changes and reports in, rounds of decisions on one view, guarded writes out.
//!
//! It sleeps until something changed or a recheck is due; a cluster at rest makes it do nothing. The simulation runs this
//! very loop, on a clock and a channel of its own.

use std::sync::Arc;

use futures::{FutureExt, StreamExt};
use masthead_api::key::STORE_ROOT;
use masthead_store::kv::{self, KeyRange, LeaseId, Revision, WatchRequest, WatchStream};
use masthead_store::objects::{self, Objects};
use tokio::sync::mpsc;

use crate::control::clock::Clock;
use crate::control::events;
use crate::control::state::{Ask, Decided, State};
use crate::control::view::View;
use crate::nodes::channel::Channel;
use crate::nodes::report::Report;

/// How long a failed store is left alone before the next try.
const STORE_AGAIN_MS: u64 = 500;

/// How long the watch may take to tell of what was written; then everything is read anew.
const CATCH_UP_MAX_MS: u64 = 30_000;

/// How many changes are taken in, or tasks decided on, in so short a time that nobody minds.
const SHORT: usize = 32;

/// How many batches of the watch, and how many reports, are taken in before a round.
const INTAKE_MAX: usize = 1024;

/// A lease of events is used for this share of its life, so that events live at least the rest.
const EVENT_LEASE_USED_S: u64 = events::TTL_S / 4;

/// The loop and what it holds.
pub struct Control {
    state: State,
    view: Arc<View>,
    store: Objects,
    nodes: Arc<dyn Channel>,
    clock: Arc<dyn Clock>,
    reports: mpsc::Receiver<Report>,
    /// The lease that events are written under, and until when.
    event_lease: Option<(LeaseId, u64)>,
}

/// What woke the loop.
enum Woken {
    Batch(Option<kv::Result<kv::WatchBatch>>),
    Report(Option<Box<Report>>),
    Due,
}

impl Control {
    /// A loop over a store that was made at `born_s` Unix seconds; `view` is fed by it.
    pub fn new(
        view: Arc<View>,
        store: Objects,
        nodes: Arc<dyn Channel>,
        clock: Arc<dyn Clock>,
        reports: mpsc::Receiver<Report>,
        born_s: i64,
    ) -> Control {
        let state = State::new(view.clone(), born_s);
        Control { state, view, store, nodes, clock, reports, event_lease: None }
    }

    /// Loads the view and returns the watch that keeps it up to date.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn load(&mut self) -> Result<WatchStream, objects::Error> {
        let (stored, revision) = self.store.load().await?;
        let watch = WatchRequest::new(KeyRange::prefix(STORE_ROOT), revision.next()).progress();
        let watch = self.store.kv().watch(watch).await?;
        self.state.replace(stored, revision.0, self.clock.now_ms());
        self.tell_nodes();
        Ok(watch)
    }

    /// Runs until the program ends.
    ///
    /// # Errors
    /// Another control plane leads.
    pub async fn run(mut self, mut watch: WatchStream) -> Result<(), objects::Error> {
        loop {
            match self.woken(&mut watch).await {
                Woken::Batch(Some(Ok(batch))) => self.take(&batch).await,
                Woken::Batch(ended) => {
                    tracing::warn!(why = ?ended.and_then(Result::err), "the watch of the store ended; reading it anew");
                    watch = self.reload().await;
                }
                Woken::Report(Some(report)) => self.report(*report),
                Woken::Report(None) => return Ok(()),
                Woken::Due => {}
            }
            self.drain(&mut watch).await;
            self.tell_nodes();
            match self.round().await {
                Ok(Some(revision)) => self.catch_up(&mut watch, revision).await,
                Ok(None) => {}
                Err(error @ objects::Error::Fenced) => return Err(error),
                Err(error) => {
                    tracing::error!(%error, "the store does not take writes; trying again");
                    self.pause().await;
                }
            }
            self.tell_nodes();
        }
    }

    async fn woken(&mut self, watch: &mut WatchStream) -> Woken {
        if self.state.is_open() {
            return Woken::Due;
        }
        let (clock, next) = (&self.clock, self.state.due_ms());
        let due = async {
            match next {
                Some(at_ms) => clock.until(at_ms).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            batch = watch.next() => Woken::Batch(batch),
            report = self.reports.recv() => Woken::Report(report.map(Box::new)),
            () = due => Woken::Due,
        }
    }

    /// Takes in what is there already, without waiting, so that one round decides on all of it.
    async fn drain(&mut self, watch: &mut WatchStream) {
        for _ in 0..INTAKE_MAX {
            match watch.next().now_or_never() {
                Some(Some(Ok(batch))) => self.take(&batch).await,
                // Its end is seen again when the loop waits for it.
                _ => break,
            }
        }
        for _ in 0..INTAKE_MAX {
            match self.reports.try_recv() {
                Ok(report) => self.report(report),
                Err(_) => break,
            }
        }
        self.state.open_due(self.clock.now_ms());
    }

    async fn take(&mut self, batch: &kv::WatchBatch) {
        let touched = self.state.see(batch);
        // Who waited for the view to see it goes on first: a task that this one wakes waits for this one, though other
        // threads are free.
        if touched.len() > SHORT {
            tokio::task::yield_now().await;
        }
        self.state.touched(&touched, self.clock.now_ms());
    }

    fn report(&mut self, report: Report) {
        match self.state.report(report) {
            None => {}
            Some(Ask::Term(term)) => self.nodes.set_term(term),
            Some(Ask::Recall(node, uids)) => self.nodes.recall(&node, uids),
        }
    }

    /// Hands each node that is concerned what it must run now, and forgets those that are gone.
    fn tell_nodes(&mut self) {
        for node in self.state.ended() {
            if self.nodes.forget_node(&node) {
                self.state.forget(&node);
            }
        }
        for (node, content) in self.state.tell(self.clock.now_ms(), || self.nodes.tables()) {
            self.nodes.set_node(&node, content);
        }
    }

    /// Decides everything that is open on one view and writes it; returns the revision to catch up with.
    async fn round(&mut self) -> Result<Option<Revision>, objects::Error> {
        // So does who carries to nodes what they were told.
        if self.state.open() > SHORT {
            tokio::task::yield_now().await;
        }
        let Some(decided) = self.state.decide(self.clock.now_ms(), self.clock.context()) else { return Ok(None) };
        let lease = match self.lease(&decided).await {
            Ok(lease) => lease,
            Err(error) => {
                self.state.refused(decided.into_tasks());
                return Err(error);
            }
        };
        let (batch, tasks) = decided.into_parts(lease);
        match self.store.apply(batch).await {
            Ok(revision) => {
                self.state.written();
                Ok(Some(revision))
            }
            Err(objects::Error::Conflict { keys }) => {
                tracing::debug!(?keys, "deciding anew");
                self.state.refused(tasks);
                Ok(Some(self.store.kv().revision().await?))
            }
            Err(error) => {
                self.state.refused(tasks);
                Err(error)
            }
        }
    }

    /// Takes in the watch up to a revision, so that the next round sees what this one wrote.
    async fn catch_up(&mut self, watch: &mut WatchStream, revision: Revision) {
        while self.view.revision() < revision.0 {
            let late = self.clock.until(self.clock.now_ms().saturating_add(CATCH_UP_MAX_MS));
            let next = tokio::select! {
                biased;
                next = watch.next() => next,
                () = late => None,
            };
            match next {
                Some(Ok(batch)) => self.take(&batch).await,
                ended => {
                    let why = ended.and_then(Result::err);
                    tracing::warn!(?why, "the watch of the store ended or is silent; reading it anew");
                    *watch = self.reload().await;
                }
            }
        }
    }

    /// Reads everything anew, however long the store is away.
    async fn reload(&mut self) -> WatchStream {
        loop {
            match self.load().await {
                Ok(watch) => return watch,
                Err(error) => {
                    tracing::error!(%error, "the store cannot be read; trying again");
                    self.pause().await;
                }
            }
        }
    }

    /// Leaves a store alone that has failed.
    async fn pause(&self) {
        self.clock.until(self.clock.now_ms().saturating_add(STORE_AGAIN_MS)).await;
    }

    /// The lease that the events of what was decided die with: one for each quarter of an hour.
    async fn lease(&mut self, decided: &Decided) -> Result<LeaseId, objects::Error> {
        match self.event_lease {
            _ if !decided.has_events() => Ok(LeaseId::NONE),
            Some((lease, until_ms)) if self.clock.now_ms() < until_ms => Ok(lease),
            _ => {
                let lease = self.store.kv().lease_grant(events::TTL_S + EVENT_LEASE_USED_S, None).await?;
                self.event_lease = Some((lease.id, self.clock.now_ms().saturating_add(EVENT_LEASE_USED_S * 1000)));
                Ok(lease.id)
            }
        }
    }
}
