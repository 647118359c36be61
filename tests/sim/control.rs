//! The control plane as one process: the loops of `src/control/run.rs` and `src/sync/run.rs`, told when to go on.
//!
//! It decides by the code of production and holds nothing that a crash may not take.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::Poll;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use masthead::control::dispatch::Dispatch;
use masthead::control::events;
use masthead::control::record;
use masthead::control::report::{Pending, Reports};
use masthead::control::view::View;
use masthead::nodes::dispatcher::{Report, What};
use masthead::nodes::plan::{Action, Event, Sender};
use masthead::sync::apply::waits;
use masthead::sync::progress::{self, Assessed};
use masthead::sync::record::AppliedCommit;
use masthead_api::key::{ObjectKey, STORE_ROOT};
use masthead_plan::cluster::event::Changed;
use masthead_plan::context::{Context, Ids};
use masthead_plan::round::{self, Round, Task};
use masthead_plan::sync::entry::{Record, SyncPlan};
use masthead_plan::sync::guard::Confirmed;
use masthead_plan::sync::plan::{self, Rules};
use masthead_store::kv::{self, KeyRange, Kv, Op, Revision, WatchRequest, WatchStream};
use masthead_store::objects::{self, Batch, Objects};
use masthead_wire::manifest::{Generation, Manifest};
use masthead_wire::object::PodEntry;
use masthead_wire::pb::from_agent::Message;

use super::git::Git;
use super::store::{Store, now, poll};
use super::trace;

const STORE_AGAIN_MS: i64 = 500;
const READ_AGAIN_MS: i64 = 5000;

type Write = BoxFuture<'static, Result<Revision, objects::Error>>;

/// What goes to agents.
#[derive(Clone, Debug)]
pub enum ToAgent {
    Step(Manifest),
    Recall(Vec<String>),
}

struct Node {
    sender: Sender,
    session: Option<u64>,
}

/// Where the sync of the newest commit stands.
enum Stage {
    Idle,
    Plan {
        not_before_ms: i64,
        at_least: u64,
    },
    Write {
        write: Write,
        plan: Box<SyncPlan>,
    },
    /// All is written; planned again at the next change when something waits for an old object to go.
    Follow {
        waits: bool,
        since: u64,
        keys: Vec<ObjectKey>,
    },
}

pub struct Control {
    pub view: Arc<View>,
    store: Objects,
    watch: WatchStream,
    inbox: VecDeque<Report>,
    reports: Reports,
    dispatch: Dispatch,
    tasks: BTreeSet<Task>,
    due: BTreeMap<Task, i64>,
    applied: Option<String>,
    writing: Option<(Write, BTreeSet<Task>)>,
    behind: u64,
    not_before_ms: i64,
    nodes: BTreeMap<String, Node>,
    term: u64,
    rng: Ids,
    /// The commit that is synced.
    pub commit: Option<usize>,
    stage: Stage,
    pub healthy: bool,
    /// To be sent: node, session, what.
    pub sent: Vec<(String, u64, ToAgent)>,
}

impl Control {
    /// Starts over a store that was made at `born_s`.
    pub fn start(store: &Arc<Store>, born_s: i64, now_ms: i64, seed: u64) -> Control {
        let kv: Arc<dyn Kv> = store.clone();
        let store = Objects::new(kv, None);
        let (view, watch) = (Arc::new(View::default()), futures::stream::pending().boxed());
        let mut control = Control {
            view,
            store,
            watch,
            inbox: VecDeque::new(),
            reports: Reports::new(born_s),
            dispatch: Dispatch::default(),
            tasks: BTreeSet::new(),
            due: BTreeMap::new(),
            applied: None,
            writing: None,
            behind: 0,
            not_before_ms: 0,
            nodes: BTreeMap::new(),
            term: u64::try_from(now_ms).unwrap_or(0),
            rng: Ids::new(seed),
            commit: None,
            stage: Stage::Idle,
            healthy: false,
            sent: Vec::new(),
        };
        control.load();
        control
    }

    fn load(&mut self) {
        let (stored, revision) = now(self.store.load()).expect("the memory store answers");
        let request = WatchRequest::new(KeyRange::prefix(STORE_ROOT), revision.next());
        self.watch = now(self.store.kv().watch(request)).expect("the memory store answers");
        let touched = self.view.replace(stored, revision.0);
        self.dispatch = Dispatch::default();
        self.touched(&touched);
        self.tasks.extend(round::all_tasks(&self.view.read()));
        for node in self.reports.admitted() {
            self.dispatch.touch(&node);
        }
        self.tell_nodes();
    }

    fn context(&mut self, now_ms: i64) -> Context {
        let mut cx = Context::new(now_ms.div_euclid(1000), self.rng.bits());
        cx.micros = u32::try_from(now_ms.rem_euclid(1000)).unwrap_or(0) * 1000;
        cx
    }

    /// When it has to go on even if nothing comes in.
    pub fn due_ms(&self, now_ms: i64) -> Option<i64> {
        let soon = now_ms + 1;
        if self.writing.is_some() || matches!(self.stage, Stage::Write { .. }) {
            return Some(soon);
        }
        let plan = match &self.stage {
            Stage::Plan { not_before_ms, .. } => Some((*not_before_ms).max(soon)),
            _ => None,
        };
        let tasks = (!self.tasks.is_empty() || self.reports.is_ready() || !self.inbox.is_empty())
            .then_some(self.not_before_ms.max(soon));
        [plan, tasks, self.due.values().min().map(|at| (*at).max(soon))].into_iter().flatten().min()
    }

    /// Goes on by one step.
    pub fn step(&mut self, git: &Git, now_ms: i64) {
        if self.rng.below(2) == 0 {
            self.round_step(now_ms);
            self.sync_step(git, now_ms);
        } else {
            self.sync_step(git, now_ms);
            self.round_step(now_ms);
        }
    }

    fn round_step(&mut self, now_ms: i64) {
        if now_ms < self.not_before_ms {
            return;
        }
        if let Some((write, _)) = &mut self.writing {
            let Poll::Ready(result) = poll(write) else { return };
            let (_, tasks) = self.writing.take().expect("it was just polled");
            match result {
                Ok(revision) => {
                    self.reports.done();
                    self.behind = revision.0;
                }
                Err(objects::Error::Conflict { keys }) => {
                    trace::line(|| format!("  control: conflict on {keys:?}"));
                    self.tasks.extend(tasks);
                    self.behind = now(self.store.kv().revision()).expect("the memory store answers").0;
                }
                Err(error) => {
                    trace::line(|| format!("  control: {error}"));
                    self.tasks.extend(tasks);
                    self.not_before_ms = now_ms + STORE_AGAIN_MS;
                }
            }
            self.take_watch();
            assert!(self.view.revision() >= self.behind, "the watch does not reach what was written");
            self.tell_nodes();
            return;
        }
        self.take_watch();
        while let Some(report) = self.inbox.pop_front() {
            self.report(report);
        }
        let due: Vec<Task> = self.due.iter().filter(|(_, at)| **at <= now_ms).map(|(task, _)| task.clone()).collect();
        for task in due {
            self.due.remove(&task);
            self.tasks.insert(task);
        }
        self.tell_nodes();
        self.round(now_ms);
    }

    fn take_watch(&mut self) {
        while let Some(Some(batch)) = self.watch.next().now_or_never() {
            let batch = batch.expect("the memory store keeps its watch");
            let read = |event: &kv::Event| {
                let value = (event.kind == kv::EventKind::Put).then_some(&event.kv.value);
                objects::read(&event.kv.key, value, event.kv.mod_revision)
            };
            let touched = self.view.take(batch.events.iter().filter_map(read).collect(), batch.revision.0);
            self.touched(&touched);
        }
    }

    fn touched(&mut self, touched: &[Changed]) {
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
        match self.reports.take(&cluster, report) {
            Pending::Nothing => {}
            Pending::Admit(node) => self.dispatch.touch(&node),
            Pending::Ahead(term) => {
                self.term = self.term.max(term + 1);
                let nodes: Vec<String> = self.nodes.keys().cloned().collect();
                nodes.iter().for_each(|node| self.link(node, Event::Term(term + 1)));
            }
            Pending::Ask(node, uids) => {
                if let Some(session) = self.nodes.get(&node).and_then(|n| n.session) {
                    self.sent.push((node, session, ToAgent::Recall(uids)));
                }
            }
        }
    }

    fn tell_nodes(&mut self) {
        let cluster = self.view.read().clone();
        for (node, content) in self.dispatch.drain(&cluster) {
            if self.reports.is_admitted(&node) {
                self.link(&node, Event::Wanted(Arc::new(content)));
            } else {
                self.reports.later(&node);
            }
        }
        for node in self.reports.newly_admitted() {
            self.dispatch.touch(&node);
        }
    }

    fn round(&mut self, now_ms: i64) {
        let tasks = std::mem::take(&mut self.tasks);
        let cluster = self.view.read().clone();
        let mut cx = self.context(now_ms);
        let mut round = Round::default();
        self.reports.decide(&cluster, &mut cx, &mut round);
        round::decide(&cluster, &tasks, &mut cx, &mut round);
        for (task, after_ms) in std::mem::take(&mut round.rechecks) {
            let at = now_ms + i64::try_from(after_ms).unwrap_or(i64::MAX / 2);
            self.due.entry(task).and_modify(|due| *due = (*due).min(at)).or_insert(at);
        }
        self.tasks.extend(round.again.iter().cloned());
        assert!(round.faults.is_empty(), "{:?}", round.faults);
        if round.is_empty() {
            self.reports.done();
            return;
        }
        for change in &round.changes {
            trace::line(|| format!("  control: {} {}: {}", verb(change), change.key(), change.reason()));
        }
        let mut batch = Batch { changes: std::mem::take(&mut round.changes), ..Batch::default() };
        if !round.events.is_empty() {
            batch.notes =
                events::record(&cluster, &round.events, kv::LeaseId::NONE, &mut cx).expect("events have a JSON form");
        }
        self.writing = Some((self.apply(batch), tasks));
    }

    fn apply(&self, batch: Batch) -> Write {
        let store = self.store.clone();
        async move { store.apply(batch).await }.boxed()
    }

    fn sync_step(&mut self, git: &Git, now_ms: i64) {
        let tip = git.commits.len().checked_sub(1);
        if !matches!(self.stage, Stage::Write { .. }) && tip != self.commit {
            (self.commit, self.healthy) = (tip, false);
            self.stage = Stage::Plan { not_before_ms: 0, at_least: 0 };
        }
        let Some(commit) = self.commit.map(|place| &git.commits[place]) else { return };
        let caught_up =
            |control: &Control| control.view.revision() >= now(control.store.kv().revision()).map_or(0, |r| r.0);
        match &mut self.stage {
            Stage::Idle => {}
            Stage::Plan { not_before_ms, at_least } if now_ms < *not_before_ms || self.view.revision() < *at_least => {}
            Stage::Plan { .. } => {
                let mut cx = self.context(now_ms);
                let rules = Rules { confirmed: Confirmed { delete: true, replace: true }, ..Rules::default() };
                let cluster = self.view.read().clone();
                let (plan, problems) = plan::plan(&commit.desired, &cluster, rules, &mut cx);
                assert!(problems.is_empty() && plan.refusals.is_empty(), "{problems:?} {:?}", plan.refusals);
                trace::line(|| format!("  sync: {} {}", plan.commit.short(), plan.summary()));
                let done = AppliedCommit { commit: commit.desired.commit.id.clone(), branch: "main".to_owned() };
                let done = done.put().expect("it has a JSON form");
                self.stage = Stage::Write { write: self.apply(batch(&plan, done)), plan: Box::new(plan) };
            }
            Stage::Write { write, plan } => {
                let Poll::Ready(result) = poll(write) else { return };
                self.stage = match result {
                    Ok(revision) => {
                        Stage::Follow { waits: waits(plan), since: revision.0, keys: progress::watched(plan).collect() }
                    }
                    Err(objects::Error::Conflict { keys }) => {
                        trace::line(|| format!("  sync: conflict on {keys:?}"));
                        Stage::Plan {
                            not_before_ms: now_ms + 1,
                            at_least: now(self.store.kv().revision()).map_or(0, |r| r.0),
                        }
                    }
                    Err(_) => Stage::Plan { not_before_ms: now_ms + READ_AGAIN_MS, at_least: 0 },
                };
                if self.writing.is_none() {
                    self.take_watch();
                }
            }
            Stage::Follow { waits, since, keys } => {
                let (waits, since) = (*waits, *since);
                if self.view.revision() < since {
                    return;
                }
                let (_, assessed) = progress::assess(&self.view.read(), &*keys);
                self.healthy = assessed == Assessed::Healthy && !waits;
                if waits && self.view.revision() > since && caught_up(self) {
                    self.stage = Stage::Plan { not_before_ms: 0, at_least: 0 };
                }
            }
        }
    }

    /// A session of a node begins.
    pub fn admit(&mut self, name: &str, session: u64, hello: masthead_wire::report::Hello) {
        let term = self.term;
        let node =
            self.nodes.entry(name.to_owned()).or_insert_with(|| Node { sender: Sender::new(term), session: None });
        node.session = Some(session);
        let begin = Event::Hello { held: hello.held, holding: hello.holding.clone() };
        self.inbox.push_back(Report { node: name.to_owned(), what: What::Hello(hello) });
        self.link(name, begin);
    }

    /// A session ends.
    pub fn leave(&mut self, name: &str, session: u64) {
        if let Some(node) = self.nodes.get_mut(name).filter(|node| node.session == Some(session)) {
            node.session = None;
            self.link(name, Event::Down);
            self.inbox
                .push_back(Report { node: name.to_owned(), what: What::Disconnected { why: "simulated".to_owned() } });
        }
    }

    /// An agent says something.
    pub fn hear(&mut self, name: &str, session: u64, message: Message) {
        if self.nodes.get(name).and_then(|node| node.session) != Some(session) {
            return;
        }
        let generation =
            |g: Option<masthead_wire::pb::Generation>| Generation::from(g.expect("agents name generations"));
        let (event, what) = match message {
            Message::Status(status) => (None, Some(What::PodStatus(status.try_into().expect("a status")))),
            Message::Gone(gone) => (None, Some(What::PodGone(gone.try_into().expect("an end")))),
            Message::Heartbeat(beat) => {
                let held = beat.held.map(Generation::from);
                (Some(Event::Heartbeat { held }), Some(What::Heartbeat(beat.into())))
            }
            Message::Ack(ack) => (Some(Event::Ack(generation(ack.generation))), None),
            Message::Refused(refused) => {
                let held = refused.held.map(Into::into).unwrap_or_default();
                (Some(Event::Refused { generation: generation(refused.generation), held, why: refused.why }), None)
            }
            Message::Resync(resync) => (Some(Event::Resync { generation: generation(resync.generation) }), None),
            Message::Recalled(recalled) => {
                let pods = recalled.pods.into_iter().map(|b| Arc::new(PodEntry::parse(b).expect("a pod"))).collect();
                (None, Some(What::Recalled { pods, last: recalled.last }))
            }
            Message::Hello(_) | Message::Pong(_) | Message::Events(_) => (None, None),
            // The simulation holds no end of a pod back, and its agents have no tables.
            Message::Applied(_) | Message::Problems(_) => (None, None),
        };
        let node = name.to_owned();
        self.inbox.extend(what.map(|what| Report { node, what }));
        if let Some(event) = event {
            self.link(name, event);
        }
    }

    fn link(&mut self, name: &str, event: Event) {
        let term = self.term;
        let node =
            self.nodes.entry(name.to_owned()).or_insert_with(|| Node { sender: Sender::new(term), session: None });
        for action in node.sender.step(event) {
            match (action, node.session) {
                (Action::Send(step), Some(session)) => self.sent.push((name.to_owned(), session, ToAgent::Step(step))),
                (Action::Send(_), None) => panic!("something is sent to {name}, which has no session"),
                (Action::Ahead(held), _) => {
                    self.inbox.push_back(Report { node: name.to_owned(), what: What::Ahead(held) })
                }
                (Action::Rejected { why, .. }, _) => panic!("good content was rejected: {why}"),
            }
        }
    }
}

fn verb(change: &masthead_api::change::Change) -> &'static str {
    use masthead_api::change::Change;
    match change {
        Change::Create { .. } => "create",
        Change::Update { .. } => "update",
        Change::Delete { .. } => "delete",
    }
}

fn batch(plan: &SyncPlan, done: Op) -> Batch {
    let mut batch = Batch { notes: vec![done], ..Batch::default() };
    for entry in &plan.entries {
        batch.changes.extend(entry.changes.iter().cloned());
        let record = match &entry.record {
            Record::Set(wanted) => Some(record::write(&plan.commit.id, wanted).expect("a record has a JSON form")),
            Record::Clear => None,
        };
        batch.records.push((entry.key.clone(), record));
    }
    batch
}
