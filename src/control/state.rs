//! What came in and is not decided on yet → what to write and what to tell nodes: the turns of the control loop without
//! its store, its channel and its clock.
//!
//! A turn is: take in what changed and what nodes said, tell nodes, decide on one view, and, when that is written and seen
//! again, tell nodes once more. `run.rs` takes these turns, in production and in the simulation.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use masthead_api::change::EventNote;
use masthead_api::core::node::Node;
use masthead_api::core::pod::Pod;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::object::Object;
use masthead_plan::cluster::event::Changed;
use masthead_plan::cluster::view::Cluster;
use masthead_plan::context::Context;
use masthead_plan::round::{self, Round, Task};
use masthead_store::kv::{self, LeaseId};
use masthead_store::objects::{self, Batch, Stored};
use masthead_wire::manifest::NodeContent;

use crate::control::dispatch::Dispatch;
use crate::control::events;
use crate::control::report::{Pending, Reports};
use crate::control::view::View;
use crate::nodes::plan::Tables;
use crate::nodes::report::{Report, What};

/// How many tasks one turn decides on. Nothing is taken in meanwhile, so whoever waits to see what was written waits for
/// the turn: after a large commit it would take a quarter of a second.
const TASKS_MAX: usize = 256;

/// What is open.
pub struct State {
    view: Arc<View>,
    reports: Reports,
    dispatch: Dispatch,
    open: BTreeSet<Task>,
    /// The last task of a turn that left others open.
    last: Option<Task>,
    /// When what is not open yet will be, in milliseconds of the loop's clock.
    due: BTreeMap<Task, u64>,
    /// Nodes that may be gone for good: a session, the object or a pod of theirs ended.
    ended: BTreeSet<String>,
    /// The commit that was applied last, as the last decisions saw it.
    applied: Option<String>,
}

/// What a report asks of the channel at once.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// The term of this control plane must be this one or later.
    Term(u64),
    /// This node is to give back these pods.
    Recall(String, Vec<String>),
}

/// What one turn decided: to be written as a whole, on the view it was decided on.
pub struct Decided {
    batch: Batch,
    events: Vec<EventNote>,
    cluster: Cluster,
    cx: Context,
    /// What was decided on: open again when it cannot be written.
    tasks: BTreeSet<Task>,
}

impl State {
    /// Nothing open, over a store that was made at `born_s` Unix seconds.
    pub fn new(view: Arc<View>, born_s: i64) -> State {
        State {
            view,
            reports: Reports::new(born_s),
            dispatch: Dispatch::holding_back(),
            open: BTreeSet::new(),
            last: None,
            due: BTreeMap::new(),
            ended: BTreeSet::new(),
            applied: None,
        }
    }

    /// Takes in all that is stored, in place of what was known before: everything is decided anew, all nodes are told.
    pub fn replace(&mut self, stored: Vec<Stored>, revision: u64, now_ms: u64) {
        let touched = self.view.replace(stored, revision);
        self.dispatch = Dispatch::holding_back();
        self.touched(&touched, now_ms);
        self.open.extend(round::all_tasks(&self.view.read()));
        for node in self.reports.admitted() {
            self.dispatch.touch(&node);
        }
    }

    /// Takes what one batch of the store's watch tells into the view; what that changed is for [`State::touched`].
    pub fn see(&mut self, batch: &kv::WatchBatch) -> Vec<Changed> {
        let read = |event: &kv::Event| {
            let value = (event.kind == kv::EventKind::Put).then_some(&event.kv.value);
            objects::read(&event.kv.key, value, event.kv.mod_revision)
        };
        self.view.take(batch.events.iter().filter_map(read).collect(), batch.revision.0)
    }

    /// Opens what changes of the view ask for.
    pub fn touched(&mut self, touched: &[Changed], now_ms: u64) {
        self.dispatch.at(now_ms);
        let cluster = self.view.read().clone();
        for changed in touched {
            self.open.extend(round::tasks(&cluster, changed));
            self.dispatch.take(&cluster, changed);
            if let Some(ended) = changed.ended() {
                self.ended.extend(node_of(ended));
            }
        }
        if self.applied.as_deref() != cluster.applied_commit() {
            self.applied = cluster.applied_commit().map(str::to_owned);
            self.open.extend(round::commit_tasks(&cluster));
        }
    }

    /// Takes in what a node said.
    pub fn report(&mut self, report: Report) -> Option<Ask> {
        let cluster = self.view.read().clone();
        if matches!(report.what, What::Disconnected { .. }) {
            self.ended.insert(report.node.clone());
        }
        match self.reports.take(&cluster, report) {
            Pending::Nothing => None,
            Pending::Admit(node) => {
                self.dispatch.touch(&node);
                None
            }
            Pending::Ahead(term) => Some(Ask::Term(term.saturating_add(1))),
            Pending::Ask(node, uids) => Some(Ask::Recall(node, uids)),
        }
    }

    /// Opens what has become due.
    pub fn open_due(&mut self, now_ms: u64) {
        let due: Vec<Task> = self.due.iter().filter(|(_, at)| **at <= now_ms).map(|(task, _)| task.clone()).collect();
        for task in due {
            self.due.remove(&task);
            self.open.insert(task);
        }
    }

    /// Whether there is something to decide now.
    pub fn is_open(&self) -> bool {
        !self.open.is_empty() || self.reports.is_ready()
    }

    /// How many tasks are open.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// When there will be something to do even if nothing comes in.
    pub fn due_ms(&self) -> Option<u64> {
        let release = self.dispatch.due_ms().map(|at_ms| at_ms + 1);
        self.due.values().copied().chain(release).min()
    }

    /// Nodes of which nothing is left but, perhaps, a session: those without one are to be forgotten.
    pub fn ended(&mut self) -> Vec<String> {
        let cluster = self.view.read();
        let is_gone = |node: &String| {
            cluster.get(&ObjectKey::new(Node::KIND, "", node.as_str())).is_none() && cluster.pod_count_on(node) == 0
        };
        std::mem::take(&mut self.ended).into_iter().filter(is_gone).collect()
    }

    /// Forgets a node that is gone.
    pub fn forget(&mut self, node: &str) {
        self.reports.forget(node);
        self.dispatch.forget(node);
    }

    /// What each node that is concerned must hold now; a node whose own pods are not known yet waits.
    pub fn tell(&mut self, now_ms: u64, tables: impl FnOnce() -> Vec<Tables>) -> Vec<(String, Arc<NodeContent>)> {
        let cluster = self.view.read().clone();
        self.dispatch.release(&cluster, now_ms, tables);
        let mut told = Vec::new();
        for (node, content) in self.dispatch.drain(&cluster) {
            if self.reports.is_admitted(&node) {
                told.push((node, content));
            } else {
                self.reports.later(&node);
            }
        }
        for node in self.reports.newly_admitted() {
            self.dispatch.touch(&node);
        }
        told
    }

    /// Decides what is open, or [`TASKS_MAX`] of it, on one view; none when that is as it should be.
    pub fn decide(&mut self, now_ms: u64, mut cx: Context) -> Option<Decided> {
        let tasks = turn(&mut self.open, &mut self.last);
        let cluster = self.view.read().clone();
        let mut round = Round::default();
        self.reports.decide(&cluster, &mut cx, &mut round);
        round::decide(&cluster, &tasks, &mut cx, &mut round);
        for (task, after_ms) in std::mem::take(&mut round.rechecks) {
            let at = now_ms.saturating_add(after_ms);
            self.due.entry(task).and_modify(|due| *due = (*due).min(at)).or_insert(at);
        }
        self.open.extend(round.again.iter().cloned());
        for (task, why) in &round.faults {
            tracing::error!(?task, why, "not decided; everything else goes on");
        }
        if round.is_empty() {
            self.reports.done();
            return None;
        }
        for change in &round.changes {
            tracing::debug!(key = %change.key(), reason = change.reason(), "write");
        }
        let batch = Batch { changes: round.changes, ..Batch::default() };
        Some(Decided { batch, events: round.events, cluster, cx, tasks })
    }

    /// What was decided is written: the reports that it answers are done.
    pub fn written(&mut self) {
        self.reports.done();
    }

    /// What was decided is not written, or not all of it: it is decided anew.
    pub fn refused(&mut self, tasks: BTreeSet<Task>) {
        self.open.extend(tasks);
    }
}

/// Takes what the next turn decides on out of what is open: all, or what comes after the last turn's, round and round, so
/// that what is open again and again keeps nothing else waiting.
fn turn(open: &mut BTreeSet<Task>, last: &mut Option<Task>) -> BTreeSet<Task> {
    if open.len() <= TASKS_MAX {
        *last = None;
        return std::mem::take(open);
    }
    let after = last.take().map_or(Bound::Unbounded, Bound::Excluded);
    let tasks: Vec<Task> = open.range((after, Bound::Unbounded)).chain(open.iter()).take(TASKS_MAX).cloned().collect();
    for task in &tasks {
        open.remove(task);
    }
    *last = tasks.last().cloned();
    tasks.into_iter().collect()
}

/// The node that an object is, or is bound to.
fn node_of(object: &Object) -> Option<String> {
    if object.kind() == Node::KIND {
        return Some(object.key().name.clone());
    }
    if object.kind() != Pod::KIND {
        return None;
    }
    let pod = object.typed::<Pod>().ok()?;
    (!pod.spec.node_name.is_empty()).then(|| pod.spec.node_name.clone())
}

impl Decided {
    /// Whether it tells users something, for which the write needs a lease.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// The write, its events under a lease, and what it decided on, for [`State::refused`].
    pub fn into_parts(mut self, lease: LeaseId) -> (Batch, BTreeSet<Task>) {
        if !self.events.is_empty() {
            match events::record(&self.cluster, &self.events, lease, &mut self.cx) {
                Ok(ops) => self.batch.notes = ops,
                Err(error) => tracing::error!(%error, "events are not recorded"),
            }
        }
        (self.batch, self.tasks)
    }

    /// What it decided on, when nothing of it can be written.
    pub fn into_tasks(self) -> BTreeSet<Task> {
        self.tasks
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_node_of_which_nothing_is_left_is_forgotten() {
        let view = Arc::new(View::default());
        let mut state = State::new(view.clone(), 0);
        let store = |state: &mut State, key: &str, value: Option<Value>| {
            let revision = view.revision() + 1;
            let body = value.map(|value| value.to_string().into());
            let stored = objects::read(key.as_bytes(), body.as_ref(), kv::Revision(revision)).expect("a key of ours");
            let touched = view.take(vec![stored], revision);
            state.touched(&touched, 0);
            state.ended()
        };
        let (n1, pod) = ("/masthead/core/nodes//n1", "/masthead/core/pods/d/p");
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "n1"}});
        store(&mut state, n1, Some(node));
        store(
            &mut state,
            pod,
            Some(json!({"apiVersion": "v1", "kind": "Pod", "spec": {"nodeName": "n1", "containers": []},
            "metadata": {"name": "p", "namespace": "d", "uid": "p"}})),
        );
        let report = |what| Report { node: "n1".to_owned(), what };
        assert_eq!(state.report(report(What::Disconnected { why: String::new() })), None);
        assert!(state.ended().is_empty(), "it has an object and a pod");
        assert!(store(&mut state, n1, None).is_empty(), "it has a pod");
        assert_eq!(store(&mut state, pod, None), ["n1"]);
        assert!(state.ended().is_empty(), "told once");
        state.reports.later("n1");
        state.dispatch.touch("n1");
        state.forget("n1");
        assert!(state.tell(0, Vec::new).is_empty() && state.reports.newly_admitted().is_empty());
    }

    fn tasks(names: impl Iterator<Item = usize>) -> BTreeSet<Task> {
        names.map(|name| Task::Node(format!("{name:06}"))).collect()
    }

    #[test]
    fn a_turn_is_short_and_what_is_open_again_keeps_nothing_waiting() {
        let check = |open: usize, again: usize, turns: usize| {
            let (mut open, mut last) = (tasks(0..open), None);
            let (all, again) = (open.clone(), tasks(0..again));
            let mut done = BTreeSet::new();
            for _ in 0..turns {
                assert!(!all.iter().all(|task| done.contains(task)), "earlier than expected");
                let now = turn(&mut open, &mut last);
                assert!(now.len() <= TASKS_MAX && now.is_disjoint(&open));
                assert_eq!(last.is_some(), !open.is_empty());
                done.extend(now);
                open.extend(again.iter().cloned());
            }
            assert_eq!(done, all);
        };
        check(TASKS_MAX, 0, 1);
        check(TASKS_MAX + 1, 0, 2);
        check(10 * TASKS_MAX, 0, 10);
        // The first of them are open again after each turn.
        check(10 * TASKS_MAX, TASKS_MAX, 10);
        check(10 * TASKS_MAX, 3 * TASKS_MAX, 10);
    }
}
