//! What changed → one batch of writes: every decider that is concerned runs once on the same view.
//!
//! The control plane and the simulation drive the deciders through this, so they decide alike.

use std::collections::{BTreeMap, BTreeSet};

use masthead_api::change::{Change, EventNote};
use masthead_api::core::namespace::Namespace;
use masthead_api::core::node::Node;
use masthead_api::core::pod::Pod;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;

use crate::cluster::event::Changed;
use crate::cluster::view::Cluster;
use crate::context::{Context, Reaction};
use crate::{control, node, schedule, system};

/// Something to decide.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    /// What every cluster has: its namespaces.
    System,
    /// One object, by the controller of its kind.
    Object(ObjectKey),
    /// The health of a node.
    Node(String),
    /// All pods that have no node.
    Schedule,
}

/// What a round decided.
#[derive(Debug, Default, PartialEq)]
pub struct Round {
    /// The writes, in order; no two of one object.
    pub changes: Vec<Change>,
    /// What to tell users.
    pub events: Vec<EventNote>,
    /// When to decide again, in milliseconds from now, even when nothing changes.
    pub rechecks: BTreeMap<Task, u64>,
    /// What must be decided again after these writes, for two deciders wanted the same object.
    pub again: BTreeSet<Task>,
    /// Objects that could not be decided on, and why; they never stop the others.
    pub faults: Vec<(Task, String)>,
    written: BTreeSet<ObjectKey>,
}

impl Round {
    /// Takes in what one decider wants; when it wants an object that another already writes, it must decide again.
    pub fn collect(&mut self, task: Option<&Task>, reaction: Reaction) {
        if let (Some(task), Some(after_ms)) = (task, reaction.recheck_after_ms) {
            let due = self.rechecks.entry(task.clone()).or_insert(after_ms);
            *due = (*due).min(after_ms);
        }
        // The writes of one reaction stand on each other and its events tell of them all: it counts as a whole.
        if reaction.changes.iter().any(|change| self.written.contains(change.key())) {
            self.again.extend(task.cloned());
            return;
        }
        self.written.extend(reaction.changes.iter().map(|change| change.key().clone()));
        self.changes.extend(reaction.changes);
        self.events.extend(reaction.events);
    }

    /// Whether nothing is to be written or told.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.events.is_empty()
    }
}

/// The tasks that one change of the view makes.
pub fn tasks(cluster: &Cluster, changed: &Changed) -> BTreeSet<Task> {
    let mut tasks: BTreeSet<Task> = control::affected(cluster, changed).into_iter().map(Task::Object).collect();
    for side in changed.sides() {
        let kind = side.kind();
        if kind == Pod::KIND || kind == Node::KIND {
            tasks.insert(Task::Schedule);
        }
        if kind == Node::KIND {
            tasks.insert(Task::Node(side.key().name.clone()));
        }
    }
    tasks
}

/// The tasks of a view that was just loaded: all of them.
pub fn all_tasks(cluster: &Cluster) -> BTreeSet<Task> {
    let mut tasks = BTreeSet::from([Task::System, Task::Schedule]);
    for object in cluster.objects() {
        tasks.extend(self::tasks(cluster, &Changed { old: None, new: Some(object.clone()) }));
    }
    tasks
}

/// The tasks that the end of a commit's writes makes: what was recovered from nodes and adopted by nothing may go.
pub fn commit_tasks(cluster: &Cluster) -> BTreeSet<Task> {
    control::affected_by_commit(cluster).into_iter().map(Task::Object).collect()
}

/// Decides all tasks on one view.
pub fn decide(cluster: &Cluster, tasks: &BTreeSet<Task>, cx: &mut Context, round: &mut Round) {
    for task in tasks {
        let reaction = match task {
            Task::System => Ok(system::bootstrap(cluster, cx)),
            Task::Object(key) => control::reconcile(cluster, key, cx).map(|mut reaction| {
                if key.kind == Namespace::KIND && cluster.get(key).is_some() {
                    reaction.append(system::default_account(cluster, &key.name, cx));
                }
                reaction
            }),
            Task::Node(name) => node::health::health(cluster, name, cx),
            Task::Schedule => Ok(schedule::bind::bind(cluster, cx)),
        };
        match reaction {
            Ok(reaction) => round.collect(Some(task), reaction),
            Err(error) => round.faults.push((task.clone(), error.to_string())),
        }
    }
}
