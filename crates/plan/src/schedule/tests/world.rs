//! Nodes, pods and a case of them → whether the scheduler decides as the case says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use masthead_api::admit;
use masthead_api::change::{Change, EventNote};
use masthead_api::core::pod::Pod;
use masthead_api::object::Object;
use serde_json::{Value, json};

use crate::cluster::event::Event;
use crate::cluster::view::Cluster;
use crate::context::Context;
use crate::schedule::bind;
use crate::workload::pods;

/// A cluster that takes in what is decided.
#[derive(Default)]
pub struct World {
    pub cluster: Cluster,
    pub events: Vec<EventNote>,
    revision: u64,
}

impl World {
    pub fn put(&mut self, mut value: Value) {
        self.revision += 1;
        if value.pointer("/metadata/uid").is_none() {
            value["metadata"]["uid"] = json!(format!("uid-{}", self.revision));
        }
        let object = Object::from_value(value).expect("a known kind").at(self.revision);
        self.cluster.apply(Event::Put(Arc::new(object)));
    }

    /// One round; how many writes it took.
    pub fn round(&mut self) -> usize {
        let reaction = bind::bind(&self.cluster, &Context::new(1_000, 1));
        self.events.extend(reaction.events);
        let keys: BTreeSet<_> = reaction.changes.iter().map(|change| change.key().clone()).collect();
        assert_eq!(keys.len(), reaction.changes.len(), "an object is written twice");
        self.take(reaction.changes);
        keys.len()
    }

    /// Takes in writes.
    pub fn take(&mut self, changes: Vec<Change>) {
        for change in changes {
            self.revision += 1;
            let event = match change {
                Change::Update { object, .. } | Change::Create { object, .. } => {
                    Event::Put(Arc::new(Object::clone(&object).at(self.revision)))
                }
                Change::Delete { key, .. } => Event::Gone(key, self.revision),
            };
            self.cluster.apply(event);
        }
    }

    pub fn pod(&self, name: &str) -> Arc<Pod> {
        self.cluster.list_all::<Pod>().find(|pod| pod.metadata.name == name).expect("a pod of this name")
    }

    pub fn remove(&mut self, name: &str) {
        self.revision += 1;
        let key = Object::of(&*self.pod(name)).expect("a pod").key().clone();
        self.cluster.apply(Event::Gone(key, self.revision));
    }

    /// What the pod's condition says of its place.
    pub fn said(&self, name: &str) -> String {
        pods::condition(&self.pod(name), "PodScheduled").map(|c| c.message.clone()).unwrap_or_default()
    }

    /// Pods that were told to make room, and are on their way out.
    pub fn victims(&self) -> BTreeSet<String> {
        let told = |pod: &Arc<Pod>| {
            pods::condition(pod, "DisruptionTarget").is_some_and(|c| {
                c.reason == "PreemptionByScheduler"
                    && c.message == "default-scheduler: preempting to accommodate a higher priority pod"
            })
        };
        let leaving = self.cluster.list_all::<Pod>().filter(|pod| pod.metadata.deletion_timestamp.is_some());
        leaving.filter(told).map(|pod| pod.metadata.name.clone()).collect()
    }
}

/// Runs a case of the corpus' form.
pub fn run(case: &Value) -> Result<(), String> {
    let mut world = World::default();
    let list = |field: &str| case[field].as_array().cloned().unwrap_or_default();
    let cordoned = case["nodesCordonedUntilAllPending"] == json!(true);
    for name in ["sched", "sched2"] {
        let labels = json!({"kubernetes.io/metadata.name": name});
        world.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}));
    }
    let extra = list("extra");
    // What selects a pod spreads it by default.
    let selects = |object: &&Value| object["kind"] == "Service" || object["kind"] == "ReplicaSet";
    extra.iter().filter(selects).for_each(|object| world.put(object.clone()));
    list("nodes").into_iter().for_each(|node| world.put(node));
    list("existing").into_iter().for_each(|pod| world.put(stored(admitted(pod, &extra))));
    // Each is decided before the next is there, and what is said of it then is what was recorded.
    let mut said = BTreeMap::new();
    for (i, pod) in list("pending").into_iter().enumerate() {
        let mut pod = stored(admitted(pod, &extra));
        pod["metadata"]["creationTimestamp"] = json!(masthead_api::meta::Time(i as i64));
        let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        world.put(pod);
        if !cordoned {
            world.round();
            said.insert(name.clone(), world.said(&name));
        }
    }
    world.round();
    check(case, &world, &said)
}

/// What admission makes of the names of a priority class and a runtime class.
fn admitted(mut pod: Value, classes: &[Value]) -> Value {
    let named = |kind: &str, name: &Value| {
        name.is_string().then(|| classes.iter().find(|c| c["kind"] == kind && c["metadata"]["name"] == *name)).flatten()
    };
    if let Some(class) = named("PriorityClass", &pod["spec"]["priorityClassName"]) {
        pod["spec"]["priority"] = class["value"].clone();
        if class["preemptionPolicy"].is_string() {
            pod["spec"]["preemptionPolicy"] = class["preemptionPolicy"].clone();
        }
    }
    if let Some(class) = named("RuntimeClass", &pod["spec"]["runtimeClassName"]) {
        if class["overhead"]["podFixed"].is_object() {
            pod["spec"]["overhead"] = class["overhead"]["podFixed"].clone();
        }
        for (key, value) in class["scheduling"]["nodeSelector"].as_object().into_iter().flatten() {
            pod["spec"]["nodeSelector"][key] = value.clone();
        }
        let more = class["scheduling"]["tolerations"].as_array().cloned().unwrap_or_default();
        if !more.is_empty() {
            let own = pod["spec"]["tolerations"].as_array().cloned().unwrap_or_default();
            pod["spec"]["tolerations"] = own.into_iter().chain(more).collect();
        }
    }
    pod
}

/// A pod as the API stores it, with what was observed of it already.
fn stored(pod: Value) -> Value {
    let mut stored = admit::create(pod.clone(), "sched").expect("a valid pod");
    for (field, value) in pod["status"].as_object().into_iter().flatten() {
        stored["status"][field] = value.clone();
    }
    for field in ["deletionTimestamp", "uid"] {
        if !pod["metadata"][field].is_null() {
            stored["metadata"][field] = pod["metadata"][field].clone();
        }
    }
    stored
}

fn check(case: &Value, world: &World, said: &BTreeMap<String, String>) -> Result<(), String> {
    for result in case["results"].as_array().into_iter().flatten() {
        let name = result["pod"].as_str().unwrap_or_default();
        let pod = world.pod(name);
        let node = pod.spec.node_name.as_str();
        let expect = result["node"].as_str().unwrap_or_default();
        let acceptable: Vec<&str> =
            result["acceptableNodes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if node != expect && !acceptable.contains(&node) {
            return Err(format!("{name}: on {node:?}, expected {expect:?} {acceptable:?}"));
        }
        let nominated = result["nominatedNodeName"].as_str().unwrap_or_default();
        if pod.status.nominated_node_name != nominated {
            return Err(format!("{name}: nominated {:?}, expected {nominated:?}", pod.status.nominated_node_name));
        }
        let said = said.get(name).cloned().unwrap_or_else(|| world.said(name));
        if let Some(message) = result["message"].as_str()
            && said != message
        {
            return Err(format!("{name}: says\n  {said}\nexpected\n  {message}"));
        }
    }
    let victims: BTreeSet<String> =
        case["victims"].as_array().into_iter().flatten().filter_map(|v| Some(v["pod"].as_str()?.to_owned())).collect();
    let found = world.victims();
    if found == victims { Ok(()) } else { Err(format!("victims {found:?}, expected {victims:?}")) }
}

/// A node of 8Gi; in a zone, if one is named.
pub fn node(name: &str, zone: Option<&str>, cpu: &str) -> Value {
    let mut labels = json!({"kubernetes.io/hostname": name});
    if let Some(zone) = zone {
        labels["zone"] = json!(zone);
    }
    let room = json!({"cpu": cpu, "memory": "8Gi", "pods": "110"});
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels},
        "status": {"capacity": room, "allocatable": room}})
}

/// A pod of one container, which asks for `cpu` and `memory` where the spec has them.
pub fn pod(name: &str, labels: Value, mut spec: Value) -> Value {
    let mut requests = json!({});
    if let Some(fields) = spec.as_object_mut() {
        for resource in ["cpu", "memory"] {
            if let Some(amount) = fields.remove(resource) {
                requests[resource] = amount;
            }
        }
        let container = json!({"name": "c", "image": "i", "resources": {"requests": requests}});
        fields.entry("containers").or_insert(json!([container]));
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "sched", "labels": labels},
        "spec": spec})
}

/// The pod `p` is put on `node`, or `message` is said of it.
pub fn decides(nodes: Value, existing: Value, spec: Value, node: &str, message: Option<&str>) {
    let pending = pod("p", json!({"app": "web"}), spec);
    let mut result = json!({"pod": "p", "node": node});
    if let Some(message) = message {
        result["message"] = json!(message);
    }
    let case = json!({"nodes": nodes, "existing": existing, "pending": [pending], "results": [result]});
    if let Err(why) = run(&case) {
        panic!("{why}\nin {case}");
    }
}

/// The pod `p` goes nowhere; `reasons` are those of the nodes, `preemption` what is said of room that could be made.
pub fn refuses(nodes: Value, existing: Value, spec: Value, reasons: &str, preemption: &str) {
    let total = nodes.as_array().map_or(0, Vec::len);
    let message = format!(
        "0/{total} nodes are available: {reasons}. no new claims to deallocate, preemption: 0/{total} nodes are \
         available: {preemption}."
    );
    decides(nodes, existing, spec, "", Some(&message));
}
