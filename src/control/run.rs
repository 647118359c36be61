//! The loop of the control plane: changes and reports in, rounds of decisions on one view, guarded writes out.
//!
//! It sleeps until something changed or a recheck is due; a cluster at rest makes it do nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use masthead_api::key::STORE_ROOT;
use masthead_plan::cluster::event::Changed;
use masthead_plan::round::{self, Round, Task};
use masthead_store::kv::{self, KeyRange, LeaseId, Revision, WatchRequest, WatchStream};
use masthead_store::objects::{self, Batch, Objects};
use tokio::sync::mpsc;

use crate::clock;
use crate::control::dispatch::Dispatch;
use crate::control::events;
use crate::control::report::{Pending, Reports};
use crate::control::view::View;
use crate::nodes::dispatcher::{Handle as Nodes, Report};

/// How long a failed store is left alone before the next try.
const STORE_AGAIN: Duration = Duration::from_millis(500);

/// How many batches of the watch, and how many reports, are taken in before a round.
const INTAKE_MAX: usize = 1024;

/// A lease of events is used for this share of its life, so that events live at least the rest.
const EVENT_LEASE_USED_S: u64 = events::TTL_S / 4;

/// The loop and what it holds.
pub struct Control {
    view: Arc<View>,
    store: Objects,
    nodes: Nodes,
    reports: mpsc::Receiver<Report>,
    pending: Reports,
    dispatch: Dispatch,
    /// The zero of the dispatch's clock.
    started: Instant,
    tasks: BTreeSet<Task>,
    due: BTreeMap<Task, Instant>,
    event_lease: Option<(LeaseId, Instant)>,
    applied: Option<String>,
}

/// What woke the loop.
enum Woken {
    Batch(Option<kv::Result<kv::WatchBatch>>),
    Report(Option<Box<Report>>),
    Due,
    Tasks,
}

impl Control {
    /// A loop over a store; `view` is fed by it.
    pub fn new(view: Arc<View>, store: Objects, nodes: Nodes, reports: mpsc::Receiver<Report>, born_s: i64) -> Control {
        Control {
            view,
            store,
            nodes,
            reports,
            pending: Reports::new(born_s),
            dispatch: Dispatch::holding_back(),
            started: Instant::now(),
            tasks: BTreeSet::new(),
            due: BTreeMap::new(),
            event_lease: None,
            applied: None,
        }
    }

    /// Loads the view and returns the watch that keeps it up to date.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn load(&mut self) -> Result<WatchStream, objects::Error> {
        let (stored, revision) = self.store.load().await?;
        let watch = WatchRequest::new(KeyRange::prefix(STORE_ROOT), revision.next()).progress();
        let watch = self.store.kv().watch(watch).await?;
        let touched = self.view.replace(stored, revision.0);
        self.dispatch = Dispatch::holding_back();
        self.touched(&touched);
        self.tasks.extend(round::all_tasks(&self.view.read()));
        for node in self.pending.admitted() {
            self.dispatch.touch(&node);
        }
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
                Woken::Batch(Some(Ok(batch))) => self.take(batch),
                Woken::Batch(ended) => {
                    tracing::warn!(why = ?ended.and_then(Result::err), "the watch of the store ended; reading it anew");
                    watch = self.reload().await;
                }
                Woken::Report(Some(report)) => self.report(*report),
                Woken::Report(None) => return Ok(()),
                Woken::Due | Woken::Tasks => {}
            }
            self.drain(&mut watch);
            self.tell_nodes();
            match self.round().await {
                Ok(Some(revision)) => self.catch_up(&mut watch, revision).await,
                Ok(None) => {}
                Err(error @ objects::Error::Fenced) => return Err(error),
                Err(error) => {
                    tracing::error!(%error, "the store does not take writes; trying again");
                    tokio::time::sleep(STORE_AGAIN).await;
                }
            }
            self.tell_nodes();
        }
    }

    async fn woken(&mut self, watch: &mut WatchStream) -> Woken {
        if !self.tasks.is_empty() || self.pending.is_ready() {
            return Woken::Tasks;
        }
        let release = self.dispatch.due_ms().map(|at_ms| self.started + Duration::from_millis(at_ms + 1));
        let next = self.due.values().copied().chain(release).min();
        let due = async {
            match next {
                Some(at) => tokio::time::sleep_until(at.into()).await,
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
    fn drain(&mut self, watch: &mut WatchStream) {
        for _ in 0..INTAKE_MAX {
            match futures::FutureExt::now_or_never(watch.next()) {
                Some(Some(Ok(batch))) => self.take(batch),
                _ => break,
            }
        }
        for _ in 0..INTAKE_MAX {
            match self.reports.try_recv() {
                Ok(report) => self.report(report),
                Err(_) => break,
            }
        }
        let now = Instant::now();
        let due: Vec<Task> = self.due.iter().filter(|(_, at)| **at <= now).map(|(task, _)| task.clone()).collect();
        for task in due {
            self.due.remove(&task);
            self.tasks.insert(task);
        }
    }

    fn take(&mut self, batch: kv::WatchBatch) {
        let revision = batch.revision;
        let stored = batch
            .events
            .iter()
            .filter_map(|event| {
                let value = (event.kind == kv::EventKind::Put).then_some(&event.kv.value);
                objects::read(&event.kv.key, value, event.kv.mod_revision)
            })
            .collect();
        let touched = self.view.take(stored, revision.0);
        self.touched(&touched);
    }

    fn touched(&mut self, touched: &[Changed]) {
        self.dispatch.at(self.now_ms());
        let cluster = self.view.read().clone();
        for changed in touched {
            self.tasks.extend(round::tasks(&cluster, changed));
            self.dispatch.take(&cluster, changed);
        }
        if self.applied.as_deref() != cluster.applied_commit() {
            self.applied = cluster.applied_commit().map(str::to_owned);
            self.tasks.extend(round::commit_tasks(&cluster));
        }
    }

    fn report(&mut self, report: Report) {
        let cluster = self.view.read().clone();
        match self.pending.take(&cluster, report) {
            Pending::Nothing => {}
            Pending::Admit(node) => self.dispatch.touch(&node),
            Pending::Ahead(term) => self.nodes.set_term(term + 1),
            Pending::Ask(node, uids) => {
                let nodes = self.nodes.clone();
                // The answer comes as a report; a node that goes away says hello again when it is back.
                tokio::spawn(async move {
                    if let Err(error) = nodes.recall(&node, uids).await {
                        tracing::warn!(node, %error, "the node was asked for its pods");
                    }
                });
            }
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Hands each node that is concerned what it must run now; a node whose own pods are not known yet waits.
    fn tell_nodes(&mut self) {
        let cluster = self.view.read().clone();
        self.dispatch.release(&cluster, self.now_ms(), || self.nodes.tables());
        for (node, content) in self.dispatch.drain(&cluster) {
            if self.pending.is_admitted(&node) {
                self.nodes.set_node(&node, content);
            } else {
                self.pending.later(&node);
            }
        }
        for node in self.pending.newly_admitted() {
            self.dispatch.touch(&node);
        }
    }

    /// Decides everything that is open on one view and writes it; returns the revision to catch up with.
    async fn round(&mut self) -> Result<Option<Revision>, objects::Error> {
        let tasks = std::mem::take(&mut self.tasks);
        let cluster = self.view.read().clone();
        let mut cx = clock::context();
        let mut round = Round::default();
        self.pending.decide(&cluster, &mut cx, &mut round);
        round::decide(&cluster, &tasks, &mut cx, &mut round);
        for (task, after_ms) in std::mem::take(&mut round.rechecks) {
            let at = Instant::now() + Duration::from_millis(after_ms);
            self.due.entry(task).and_modify(|due| *due = (*due).min(at)).or_insert(at);
        }
        self.tasks.extend(round.again.iter().cloned());
        for (task, why) in &round.faults {
            tracing::error!(?task, why, "not decided; everything else goes on");
        }
        if round.is_empty() {
            self.pending.done();
            return Ok(None);
        }
        for change in &round.changes {
            tracing::debug!(key = %change.key(), reason = change.reason(), "write");
        }
        let mut batch = Batch { changes: std::mem::take(&mut round.changes), ..Batch::default() };
        if !round.events.is_empty() {
            let lease = self.lease_of_events().await?;
            match events::record(&cluster, &round.events, lease, &mut cx) {
                Ok(ops) => batch.notes = ops,
                Err(error) => tracing::error!(%error, "events are not recorded"),
            }
        }
        match self.store.apply(batch).await {
            Ok(revision) => {
                self.pending.done();
                Ok(Some(revision))
            }
            Err(objects::Error::Conflict { keys }) => {
                tracing::debug!(?keys, "deciding anew");
                self.tasks.extend(tasks);
                Ok(Some(self.store.kv().revision().await?))
            }
            Err(error) => {
                self.tasks.extend(tasks);
                Err(error)
            }
        }
    }

    /// Takes in the watch up to a revision, so that the next round sees what this one wrote.
    async fn catch_up(&mut self, watch: &mut WatchStream, revision: Revision) {
        while self.view.revision() < revision.0 {
            match watch.next().await {
                Some(Ok(batch)) => self.take(batch),
                ended => {
                    tracing::warn!(why = ?ended.and_then(Result::err), "the watch of the store ended; reading it anew");
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
                    tokio::time::sleep(STORE_AGAIN).await;
                }
            }
        }
    }

    /// The lease that events of this quarter of an hour die with.
    async fn lease_of_events(&mut self) -> Result<LeaseId, objects::Error> {
        match self.event_lease {
            Some((lease, until)) if Instant::now() < until => Ok(lease),
            _ => {
                let lease = self.store.kv().lease_grant(events::TTL_S + EVENT_LEASE_USED_S, None).await?;
                self.event_lease = Some((lease.id, Instant::now() + Duration::from_secs(EVENT_LEASE_USED_S)));
                Ok(lease.id)
            }
        }
    }
}
