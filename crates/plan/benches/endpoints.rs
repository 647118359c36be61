//! 5,000 services with ten pods each → how long the first load takes, and one endpoint's change.
//!
//! `cargo bench -p masthead-plan --bench endpoints`
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use masthead_api::change::Change;
use masthead_api::object::Object;
use masthead_plan::cluster::event::Event;
use masthead_plan::cluster::view::Cluster;
use masthead_plan::context::Context;
use masthead_plan::round::{self, Round, Task};
use serde_json::{Value, json};

const SERVICES: usize = 5_000;
const PODS: usize = 10;

fn object(value: Value, revision: u64) -> Arc<Object> {
    Arc::new(Object::from_value(value).expect("a bench writes objects").at(revision))
}

fn pod(service: usize, n: usize, ready: &str) -> Value {
    let ip = format!("10.{}.{}.{n}", service / 250, service % 250);
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("p{service}-{n}"), "namespace": format!("n{}", service % 50),
            "uid": format!("u{service}-{n}"), "labels": {"app": format!("s{service}")}},
        "spec": {"nodeName": "n1", "containers": [{"name": "c"}]},
        "status": {"phase": "Running", "podIP": ip, "conditions": [{"type": "Ready", "status": ready}]}})
}

fn service(n: usize) -> Value {
    json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": format!("s{n}"), "namespace": format!("n{}", n % 50), "uid": format!("s{n}")},
        "spec": {"selector": {"app": format!("s{n}")}, "type": "ClusterIP", "ports": [{"port": 80, "targetPort": 8080, "protocol": "TCP"}]}})
}

/// Rounds until nothing is left to do; returns how many writes they made.
fn settle(cluster: &mut Cluster, cx: &mut Context, mut tasks: BTreeSet<Task>) -> usize {
    let mut writes = 0;
    loop {
        tasks.retain(|task| !matches!(task, Task::Schedule | Task::Node(_)));
        let mut round = Round::default();
        // As the control loop: decisions are taken on a snapshot.
        let view = cluster.clone();
        round::decide(&view, &tasks, cx, &mut round);
        drop(view);
        tasks = round.again;
        if round.changes.is_empty() {
            return writes;
        }
        writes += round.changes.len();
        for change in round.changes {
            let revision = cluster.revision() + 1;
            let event = match change {
                Change::Create { object, .. } | Change::Update { object, .. } => {
                    Event::Put(Arc::new(Object::clone(&object).at(revision)))
                }
                Change::Delete { key, .. } => Event::Gone(key, revision),
            };
            if let Some(changed) = cluster.apply(event) {
                tasks.extend(round::tasks(cluster, &changed));
            }
        }
    }
}

fn main() {
    let (mut cluster, mut cx) = (Cluster::default(), Context::new(1_800_000_000, 1));
    for n in 0..SERVICES {
        cluster.apply(Event::Put(object(service(n), cluster.revision() + 1)));
        for p in 0..PODS {
            cluster.apply(Event::Put(object(pod(n, p, "True"), cluster.revision() + 1)));
        }
    }
    let begun = Instant::now();
    let tasks = round::all_tasks(&cluster);
    let writes = settle(&mut cluster, &mut cx, tasks);
    println!("first load: {SERVICES} services, {} pods: {writes} writes in {:?}", SERVICES * PODS, begun.elapsed());
    let mut times = Vec::new();
    for n in 0..200 {
        let ready = if n % 2 == 0 { "False" } else { "True" };
        let begun = Instant::now();
        let news = object(pod(77, 3, ready), cluster.revision() + 1);
        let tasks = cluster.apply(Event::Put(news)).map(|changed| round::tasks(&cluster, &changed)).unwrap_or_default();
        let writes = settle(&mut cluster, &mut cx, tasks);
        assert_eq!(writes, 2, "a slice and its Endpoints");
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    println!(
        "one endpoint's change: median {:?}, 99th of 100 {:?}",
        times[times.len() / 2],
        times[times.len() * 99 / 100]
    );
}
