//! What changed → one batch of writes: every decider that is concerned runs once on the same view.
//!
//! The control plane and the simulation drive the deciders through this, so they decide alike.

use std::collections::{BTreeMap, BTreeSet};

use masthead_api::change::{Change, EventNote};
use masthead_api::coordination::lease::Lease;
use masthead_api::core::namespace::Namespace;
use masthead_api::core::node::Node;
use masthead_api::core::pod::Pod;
use masthead_api::core::service::Service;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;

use crate::cluster::event::Changed;
use crate::cluster::view::Cluster;
use crate::context::{Context, Reaction};
use crate::node::register::LEASE_NAMESPACE;
use crate::service::{allocate, claims};
use crate::{control, node, schedule, service, system};

/// Something to decide.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    /// What every cluster has: its namespaces, services and ingress class.
    System,
    /// All services that lack an address or a port.
    Allocate,
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
        if kind == Service::KIND && cluster.is_claimed(claims::OPEN) {
            tasks.insert(Task::Allocate);
        }
        if changed.new.is_none() && service::system::is_made_here(side.key()) {
            tasks.insert(Task::System);
        }
        if kind == Pod::KIND || kind == Node::KIND {
            tasks.insert(Task::Schedule);
        }
        if kind == Node::KIND {
            tasks.insert(Task::Node(side.key().name.clone()));
        }
        if kind == Lease::KIND && side.key().namespace == LEASE_NAMESPACE {
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
        if let Task::Node(name) = task
            && round.written.contains(&ObjectKey::new(Lease::KIND, LEASE_NAMESPACE, name.as_str()))
        {
            // It is heard of in this very round: how old its lease is in the view says nothing any more.
            round.again.insert(task.clone());
            continue;
        }
        let reaction = match task {
            Task::System => Ok(system::bootstrap(cluster, cx)),
            Task::Allocate => allocate::allocate(cluster),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::event::Event;
    use crate::network::nodes::Blocks;
    use crate::node::facts::Facts;
    use crate::node::register::register;
    use crate::node::{beat, taints};
    use masthead_api::object::Object;
    use std::sync::Arc;

    const START_S: i64 = 1_800_000_000;

    #[derive(Default)]
    struct World {
        cluster: Cluster,
        tasks: BTreeSet<Task>,
    }

    impl World {
        /// Writes what a round wants; what follows from it is decided in the next.
        fn write(&mut self, round: Round) {
            self.tasks = round.again;
            for change in round.changes {
                let revision = self.cluster.revision() + 1;
                let event = match change {
                    Change::Create { object, .. } | Change::Update { object, .. } => {
                        Event::Put(Arc::new(Object::clone(&object).at(revision)))
                    }
                    Change::Delete { key, .. } => Event::Gone(key, revision),
                };
                if let Some(changed) = self.cluster.apply(event) {
                    self.tasks.extend(tasks(&self.cluster, &changed));
                }
            }
        }

        /// One round with what an agent says, and with a look at the node's health.
        fn round(&mut self, at_s: i64, said: impl FnOnce(&Cluster, &mut Context) -> Reaction) {
            let mut cx = Context::new(START_S + at_s, at_s.unsigned_abs());
            let mut round = Round::default();
            round.collect(None, said(&self.cluster, &mut cx));
            let mut tasks = std::mem::take(&mut self.tasks);
            tasks.insert(Task::Node("n1".to_owned()));
            decide(&self.cluster, &tasks, &mut cx, &mut round);
            self.write(round);
        }

        fn is_ready(&self) -> bool {
            let node = self.cluster.typed::<Node>(&ObjectKey::new(Node::KIND, "", "n1")).unwrap();
            let silent = node.spec.taints.iter().any(|t| taints::SILENT_TAINTS.contains(&t.key.as_str()));
            assert_eq!(silent, !node.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True"));
            !silent
        }
    }

    fn hello(cluster: &Cluster, cx: &mut Context) -> Reaction {
        register(cluster, "n1", &Facts::default(), &mut Blocks::of(cluster), cx).unwrap()
    }

    fn beats(cluster: &Cluster, cx: &mut Context) -> Reaction {
        beat::beat(cluster, "n1", cx).unwrap()
    }

    fn nothing(_: &Cluster, _: &mut Context) -> Reaction {
        Reaction::default()
    }

    /// Found by the simulation: a node that came back after a minute stayed tainted for ever, for its lease was old.
    #[test]
    fn a_node_that_is_heard_of_again_is_ready_and_stays_so() {
        let mut world = World::default();
        world.round(0, hello);
        assert!(world.is_ready());
        world.round(60, nothing);
        assert!(!world.is_ready(), "it is silent");
        world.round(90, hello);
        assert!(world.is_ready(), "it says hello");
        world.round(90, nothing);
        assert!(world.is_ready(), "and its old lease does not count");
        // The store was away for a minute: the beat and the look at the node's health come together.
        world.round(150, beats);
        assert!(world.is_ready(), "it was heard of in this very round");
        world.round(210, nothing);
        assert!(!world.is_ready());
        world.round(211, beats);
        world.round(211, nothing);
        assert!(world.is_ready(), "a beat in an old session is enough");
    }
}
