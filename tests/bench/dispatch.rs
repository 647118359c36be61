//! 5,000 services with ten pods each on 500 nodes → what one endpoint's change costs the control plane, stage by stage; and
//! what one pod's change costs on nodes of 50, 250 and 1,000 pods.
//!
//! `cargo bench --bench dispatch [-- SERVICES [NODES]]`; 0 services leaves the first part out. Nothing is
//! stored and nothing is sent: the stages are those between the watch of the store and the connections to the agents.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use masthead::control::dispatch::Dispatch;
use masthead::nodes::plan::{Action, Event as Link, Sender};
use masthead_api::change::Change;
use masthead_api::object::Object;
use masthead_plan::cluster::event::{Changed, Event};
use masthead_plan::cluster::view::Cluster;
use masthead_plan::context::Context;
use masthead_plan::round::{self, Round, Task};
use masthead_wire::manifest::{Holding, NodeContent};
use masthead_wire::parts;
use serde_json::{Value, json};

const PODS: usize = 10;
const CHANGES: usize = 300;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench").map(|arg| arg.parse::<usize>());
    let services = args.next().transpose()?.unwrap_or(5_000);
    let nodes = args.next().transpose()?.unwrap_or(500).max(1);
    if services > 0 {
        endpoints(services, nodes)?;
    }
    for pods in [50, 250, 1000] {
        full_node(pods)?;
    }
    Ok(())
}

/// One node with many pods, each with a ConfigMap of its own: one is made, bound, reported on, and removed again.
fn full_node(pods: usize) -> Result<()> {
    let mut bed = Bed::new(1);
    bed.put(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-0", "uid": "n0"}}))?;
    for n in 0..=pods {
        bed.put(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("c{n}"), "namespace": "n"}}),
        )?;
    }
    for n in 0..pods {
        bed.put(configured(n, "Running"))?;
    }
    bed.send()?;
    let mut stages: [Vec<Duration>; 4] = Default::default();
    for _ in 0..CHANGES {
        for (stage, phase) in [(0, "Pending"), (2, "Running")] {
            bed.put(configured(pods, phase))?;
            bed.timed(&mut stages, stage)?;
        }
        let key = Object::from_value(configured(pods, ""))?.key().clone();
        let revision = bed.cluster.revision() + 1;
        bed.take(Event::Gone(key, revision));
        bed.timed(&mut stages, 0)?;
    }
    for took in &mut stages {
        took.sort_unstable();
    }
    let middle = |at: usize| stages[at][stages[at].len() / 2];
    println!(
        "{pods} pods on a node: one that comes or goes: {:.1?} for the manifest, {:.1?} for the step; one that reports: {:.1?}",
        middle(0),
        middle(1),
        middle(2)
    );
    Ok(())
}

fn configured(n: usize, phase: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("p{n}"), "namespace": "n", "uid": format!("u{n}")},
        "spec": {"nodeName": "node-0", "containers": [{"name": "c", "envFrom": [{"configMapRef": {"name": format!("c{n}")}}]}]},
        "status": {"phase": phase}})
}

fn endpoints(services: usize, nodes: usize) -> Result<()> {
    let mut bed = Bed::new(nodes);
    for n in 0..nodes {
        bed.put(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": format!("node-{n}"), "uid": format!("n{n}")},
            "spec": {"podCIDRs": [format!("10.244.{n}.0/24")]}}))?;
    }
    for n in 0..services {
        bed.put(service(n))?;
        for p in 0..PODS {
            bed.put(pod(n, p, nodes, "True"))?;
        }
    }
    let begun = Instant::now();
    let tasks = round::all_tasks(&bed.cluster);
    let writes = bed.settle(tasks)?;
    println!("first load: {services} services, {} pods: {writes} writes in {:.2?}", services * PODS, begun.elapsed());
    let begun = Instant::now();
    let sent = bed.send()?;
    println!("first manifests of {nodes} nodes: {:.1} MB in {:.2?}", sent as f64 / 1e6, begun.elapsed());
    let mut stages: [Vec<Duration>; 3] = Default::default();
    let mut bytes = 0;
    for n in 0..CHANGES {
        let ready = if n % 2 == 0 { "False" } else { "True" };
        let begun = Instant::now();
        let tasks = bed.put(pod(77 % services, 3, nodes, ready))?;
        let writes = bed.settle(tasks)?;
        stages[0].push(begun.elapsed());
        ensure!(writes == 2, "a slice and its Endpoints, not {writes} writes");
        let begun = Instant::now();
        for changed in std::mem::take(&mut bed.changed) {
            bed.dispatch.take(&bed.cluster, &changed);
        }
        let told = bed.dispatch.drain(&bed.cluster);
        stages[1].push(begun.elapsed());
        let begun = Instant::now();
        bytes += bed.tell(told)?;
        stages[2].push(begun.elapsed());
    }
    for (what, took) in
        ["decided and taken into the view", "manifests of all nodes", "steps as messages"].iter().zip(&mut stages)
    {
        took.sort_unstable();
        println!(
            "one endpoint's change, {what}: median {:.1?}, p99 {:.1?}",
            took[took.len() / 2],
            took[took.len() * 99 / 100]
        );
    }
    println!("bytes to each node: {}", bytes / CHANGES / nodes);
    Ok(())
}

fn service(n: usize) -> Value {
    json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": format!("s{n}"), "namespace": format!("n{}", n % 50), "uid": format!("s{n}")},
        "spec": {"selector": {"app": format!("s{n}")}, "type": "ClusterIP", "ports": [{"port": 80, "targetPort": 8080, "protocol": "TCP"}]}})
}

fn pod(service: usize, n: usize, nodes: usize, ready: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("p{service}-{n}"), "namespace": format!("n{}", service % 50),
            "uid": format!("u{service}-{n}"), "labels": {"app": format!("s{service}")}},
        "spec": {"nodeName": format!("node-{}", (service + n) % nodes), "containers": [{"name": "c"}]},
        "status": {"phase": "Running", "podIP": format!("10.{}.{}.{n}", service / 250, service % 250),
            "conditions": [{"type": "Ready", "status": ready}]}})
}

/// A control plane without its edges.
struct Bed {
    cluster: Cluster,
    cx: Context,
    dispatch: Dispatch,
    changed: Vec<Changed>,
    senders: Vec<Sender>,
}

impl Bed {
    fn new(nodes: usize) -> Bed {
        let (cluster, cx) = (Cluster::default(), Context::new(1_800_000_000, 1));
        let senders = (0..nodes).map(|_| {
            let mut sender = Sender::new(1);
            sender.step(Link::Hello { held: None, holding: Holding::default() });
            sender
        });
        Bed { cluster, cx, dispatch: Dispatch::holding_back(), changed: Vec::new(), senders: senders.collect() }
    }

    fn put(&mut self, value: Value) -> Result<BTreeSet<Task>> {
        let object = Object::from_value(value)?.at(self.cluster.revision() + 1);
        Ok(self.take(Event::Put(Arc::new(object))))
    }

    fn take(&mut self, event: Event) -> BTreeSet<Task> {
        let Some(changed) = self.cluster.apply(event) else { return BTreeSet::new() };
        let tasks = round::tasks(&self.cluster, &changed);
        self.changed.push(changed);
        tasks
    }

    /// Rounds until nothing is left to do; says how many writes they made.
    fn settle(&mut self, mut tasks: BTreeSet<Task>) -> Result<usize> {
        let mut writes = 0;
        loop {
            tasks.retain(|task| !matches!(task, Task::Schedule | Task::Node(_)));
            let mut round = Round::default();
            // As the control loop: decisions are taken on a snapshot.
            let view = self.cluster.clone();
            round::decide(&view, &tasks, &mut self.cx, &mut round);
            drop(view);
            tasks = round.again;
            if round.changes.is_empty() {
                return Ok(writes);
            }
            writes += round.changes.len();
            for change in round.changes {
                let revision = self.cluster.revision() + 1;
                let event = match change {
                    Change::Create { object, .. } | Change::Update { object, .. } => {
                        Event::Put(Arc::new(Object::clone(&object).at(revision)))
                    }
                    Change::Delete { key, .. } => Event::Gone(key, revision),
                };
                tasks.extend(self.take(event));
            }
        }
    }

    /// Hands what changed to the nodes, and notes how long that takes: the manifests, and the steps to them.
    fn timed(&mut self, stages: &mut [Vec<Duration>; 4], at: usize) -> Result<()> {
        let begun = Instant::now();
        for changed in std::mem::take(&mut self.changed) {
            self.dispatch.take(&self.cluster, &changed);
        }
        let told = self.dispatch.drain(&self.cluster);
        stages[at].push(begun.elapsed());
        let begun = Instant::now();
        self.tell(told)?;
        stages[at + 1].push(begun.elapsed());
        Ok(())
    }

    /// Hands what changed to all nodes; says how many bytes that are.
    fn send(&mut self) -> Result<usize> {
        for changed in std::mem::take(&mut self.changed) {
            self.dispatch.take(&self.cluster, &changed);
        }
        let told = self.dispatch.drain(&self.cluster);
        self.tell(told)
    }

    fn tell(&mut self, told: Vec<(String, Arc<NodeContent>)>) -> Result<usize> {
        let mut bytes = 0;
        for (node, content) in told {
            let number: usize = node.trim_start_matches("node-").parse().context("a node's number")?;
            let sender = self.senders.get_mut(number).context("a node of the bed")?;
            for action in sender.step(Link::Wanted(content)) {
                let Action::Send(step) = action else { continue };
                for part in parts::split(&step) {
                    bytes += part.attachments.iter().map(|a| a.object.len()).sum::<usize>();
                    bytes += part.pods.iter().map(|pod| pod.len()).sum::<usize>();
                }
                sender.step(Link::Ack(step.generation));
            }
        }
        Ok(bytes)
    }
}
