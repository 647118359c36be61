//! Writes, time and a seed → the cluster after its controllers, scheduler and agents have done what they do.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use masthead_api::change::{Change, EventNote};
use masthead_api::core::pod::Pod;
use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::POD;
use masthead_api::meta::Time;
use masthead_api::object::Object;
use serde_json::{Value, json};

use crate::cluster::event::Event;
use crate::cluster::view::Cluster;
use crate::context::{Context, Ids};
use crate::control;
use crate::node::pod::{About, gone};
use crate::workload::pods::{is_active, is_finished, is_ready};

/// A pod of tag `run` is ready after this long.
const READY_AFTER_MS: i64 = 200;
/// A pod that is told to stop is gone after this long.
const GONE_AFTER_MS: i64 = 150;
/// Decisions between two jumps of the clock; more means that the controllers never come to rest.
const DECISIONS_MAX: usize = 20_000;

/// What an agent does to a pod later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    Start(ObjectKey),
    Remove(ObjectKey),
}

/// Bounds that were seen since they were last reset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    pub max_pods: usize,
    pub min_pods: usize,
    pub min_ready: usize,
}

pub struct World {
    pub cluster: Cluster,
    pub cx: Context,
    pub now_ms: i64,
    pub events: Vec<EventNote>,
    pub bounds: Option<Bounds>,
    /// Called after each write of a controller, with the view before and after it.
    pub watch: Option<fn(&Cluster, &World)>,
    revision: u64,
    /// In the order in which changes asked for it; no key twice.
    queue: Vec<ObjectKey>,
    shuffle: Option<Ids>,
    /// Whether all that is waiting is decided on one view, as the control plane does, and not one by one.
    pub rounds: bool,
    /// Whether all that agents do in one moment is seen before the next decision.
    pub together: bool,
    /// Whether a reaction's writes may stop after any of them, as when the control plane is killed; then all is decided anew.
    pub tearing: bool,
    deeds: BTreeSet<(i64, Deed)>,
    rechecks: BTreeMap<ObjectKey, i64>,
    pub nodes: Vec<String>,
}

impl World {
    /// A world of three nodes; with `shuffle`, decisions are taken in a random order that follows from the seed.
    pub fn new(seed: u64, shuffle: bool) -> World {
        let now_ms = 1_800_000_000_000;
        World {
            cluster: Cluster::default(),
            cx: Context::new(now_ms / 1000, seed),
            now_ms,
            events: Vec::new(),
            bounds: None,
            watch: None,
            revision: 0,
            queue: Vec::new(),
            rounds: false,
            together: false,
            tearing: false,
            shuffle: shuffle.then(|| Ids::new(seed ^ 0x5151)),
            deeds: BTreeSet::new(),
            rechecks: BTreeMap::new(),
            nodes: ["n1", "n2", "n3"].map(str::to_owned).to_vec(),
        }
    }

    /// Stores an object, as the API would on a write.
    pub fn put(&mut self, value: Value) {
        self.revision += 1;
        let object = Object::from_value(value).expect("a test writes objects");
        self.store(Arc::new(object), false);
    }

    /// Applies a change that somebody other than a controller decided.
    pub fn change(&mut self, change: Change) {
        self.revision += 1;
        self.apply(change, false);
    }

    pub fn get(&self, key: &ObjectKey) -> Value {
        self.cluster.get(key).unwrap_or_else(|| panic!("{key} is not there")).value()
    }

    /// Changes a stored object in place.
    pub fn edit(&mut self, key: &ObjectKey, change: impl FnOnce(&mut Value)) {
        let mut value = self.get(key);
        change(&mut value);
        self.put(value);
    }

    fn store(&mut self, object: Arc<Object>, by_controller: bool) {
        let object = Arc::new(Object::clone(&object).at(self.revision));
        self.take(Event::Put(object), by_controller);
    }

    fn take(&mut self, event: Event, by_controller: bool) {
        let before = (self.watch.is_some() && !self.rounds).then(|| self.cluster.clone());
        let Some(changed) = self.cluster.apply(event) else { panic!("a stale event in a simulation without delays") };
        for key in control::affected(&self.cluster, &changed) {
            self.enqueue(key);
        }
        if let Some(new) = changed.new.filter(|new| new.kind() == POD) {
            self.agent_sees(&new);
        }
        self.observe();
        if let (Some(watch), Some(before), true) = (self.watch, before, by_controller) {
            watch(&before, self);
        }
    }

    /// The deeds that a pod's new state calls for.
    fn agent_sees(&mut self, object: &Arc<Object>) {
        let Ok(pod) = object.typed::<Pod>() else { return };
        if pod.spec.node_name.is_empty() {
            return;
        }
        let key = object.key().clone();
        if pod.metadata.deletion_timestamp.is_some() {
            self.deeds.insert((self.now_ms + GONE_AFTER_MS, Deed::Remove(key)));
        } else if pod.status.start_time.is_none() && !is_finished(&pod) {
            self.deeds.insert((self.now_ms + READY_AFTER_MS, Deed::Start(key)));
        }
    }

    pub fn observe(&mut self) {
        let Some(bounds) = &mut self.bounds else { return };
        let pods: Vec<Arc<Pod>> = self.cluster.list_all::<Pod>().filter(|pod| is_active(pod)).collect();
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        bounds.max_pods = bounds.max_pods.max(pods.len());
        bounds.min_pods = bounds.min_pods.min(pods.len());
        bounds.min_ready = bounds.min_ready.min(ready);
    }

    pub fn start_bounds(&mut self) {
        self.bounds = Some(Bounds { max_pods: 0, min_pods: usize::MAX, min_ready: usize::MAX });
        self.observe();
    }

    /// Applies a change of the newest write under its guard; a conflict cannot be, as decisions are taken one by one on the newest view.
    fn apply(&mut self, change: Change, by_controller: bool) {
        let revision = self.cluster.get(change.key()).map(|o| o.revision());
        match change {
            Change::Create { object, .. } => {
                assert_eq!(revision, None, "{} exists already", object.key());
                assert!(!object.meta().uid.is_empty() && object.meta().creation_timestamp.is_some());
                self.store(object, by_controller);
            }
            Change::Update { object, base, .. } => {
                assert_eq!(revision, Some(base), "update of {}", object.key());
                let before = self.cluster.get(object.key()).expect("asserted above");
                assert_ne!(before.body(), object.body(), "an update that changes nothing");
                self.store(object, by_controller);
            }
            Change::Delete { key, base, .. } => {
                assert_eq!(revision, Some(base), "delete of {key}");
                self.take(Event::Gone(key, self.revision), by_controller);
            }
        }
    }

    /// Notes a commit whose writes are all there.
    pub fn applied(&mut self, commit: &str) {
        self.cluster.set_applied_commit(Some(commit));
        for key in control::affected_by_commit(&self.cluster) {
            self.enqueue(key);
        }
    }

    fn enqueue(&mut self, key: ObjectKey) {
        if !self.queue.contains(&key) {
            self.queue.push(key);
        }
    }

    fn next_key(&mut self) -> Option<ObjectKey> {
        let nth = match &mut self.shuffle {
            Some(ids) => ids.below(self.queue.len() as u64) as usize,
            None => 0,
        };
        (nth < self.queue.len()).then(|| self.queue.remove(nth))
    }

    /// Decides until nothing is left to decide; then every object that is asked again must stay silent.
    pub fn decide(&mut self) {
        let mut decisions = 0;
        loop {
            while self.rounds && !self.queue.is_empty() {
                decisions += 1;
                assert!(decisions < DECISIONS_MAX, "the controllers never come to rest; {:?}", self.queue);
                self.decide_round();
            }
            while let Some(key) = self.next_key() {
                decisions += 1;
                assert!(decisions < DECISIONS_MAX, "the controllers never come to rest; last was {key}");
                self.decide_one(&key);
            }
            if !self.schedule() {
                break;
            }
        }
    }

    /// Takes the first few decisions only, as when the next write follows at once.
    pub fn decide_some(&mut self, count: usize) {
        if self.rounds {
            for _ in 0..count.min(2) {
                self.decide_round();
            }
            return;
        }
        for _ in 0..count {
            let Some(key) = self.next_key() else { return };
            self.decide_one(&key);
        }
    }

    /// Decides all that waits on one view; of two deciders that want one object, the second decides again.
    fn decide_round(&mut self) {
        let view = self.cluster.clone();
        let (mut written, mut changes, mut again) = (BTreeSet::new(), Vec::new(), Vec::new());
        while let Some(key) = self.next_key() {
            let reaction = self.ask(&view, &key);
            let clash = reaction.changes.iter().position(|change| written.contains(change.key()));
            if clash.is_some() {
                again.push(key);
            } else {
                self.events.extend(reaction.events);
            }
            for change in reaction.changes.into_iter().take(clash.unwrap_or(usize::MAX)) {
                written.insert(change.key().clone());
                changes.push(change);
            }
        }
        self.revision += 1;
        for change in changes {
            self.apply(change, true);
        }
        for key in again {
            self.enqueue(key);
        }
        if let Some(watch) = self.watch {
            watch(&view, self);
        }
    }

    fn ask(&mut self, view: &Cluster, key: &ObjectKey) -> crate::context::Reaction {
        let reaction = control::reconcile(view, key, &mut self.cx).expect("stored objects decode");
        match reaction.recheck_after_ms {
            Some(after) => drop(self.rechecks.insert(key.clone(), self.now_ms + after as i64)),
            None => drop(self.rechecks.remove(key)),
        }
        reaction
    }

    fn decide_one(&mut self, key: &ObjectKey) {
        let view = self.cluster.clone();
        let reaction = self.ask(&view, key);
        drop(view);
        let count = reaction.changes.len();
        let torn = self.tearing && count > 1 && self.cx.ids.below(4) == 0;
        let written = if torn { self.cx.ids.below(count as u64) as usize } else { count };
        if !torn {
            self.events.extend(reaction.events);
        }
        self.revision += 1;
        for change in reaction.changes.into_iter().take(written) {
            assert!(!change.reason().is_empty());
            self.apply(change, true);
        }
        if torn {
            self.enqueue(key.clone());
        }
    }

    /// Asks every object again; nobody may want anything.
    pub fn assert_silent(&mut self) {
        assert!(self.queue.is_empty());
        let keys: Vec<ObjectKey> = self.cluster.objects().map(|o| o.key().clone()).collect();
        for key in keys {
            let reaction =
                control::reconcile(&self.cluster, &key, &mut self.cx.clone()).expect("stored objects decode");
            assert!(reaction.is_empty(), "{key} is not silent at rest: {reaction:?}");
        }
    }

    /// Binds pods that wait, each to the node with the fewest pods.
    fn schedule(&mut self) -> bool {
        let waiting: Vec<ObjectKey> = self.cluster.pods_unscheduled().map(|o| o.key().clone()).collect();
        let mut bound = false;
        for key in waiting {
            if self.cluster.get(&key).is_none_or(|o| o.meta().deletion_timestamp.is_some()) {
                continue;
            }
            let mut load: HashMap<&str, usize> = HashMap::new();
            for node in &self.nodes {
                load.insert(node, self.cluster.pod_count_on(node));
            }
            let Some(node) = self.nodes.iter().min_by_key(|node| (load[node.as_str()], node.as_str())).cloned() else {
                continue;
            };
            self.edit(&key, |pod| pod["spec"]["nodeName"] = json!(node));
            bound = true;
        }
        bound
    }

    pub fn time(&self) -> Time {
        Time(self.now_ms.div_euclid(1000))
    }

    fn jump(&mut self, to_ms: i64) {
        self.now_ms = self.now_ms.max(to_ms);
        self.cx.now = self.time();
        self.cx.micros = (self.now_ms.rem_euclid(1000) * 1000) as u32;
    }

    /// The time of the next deed, and of the next recheck.
    fn next_times(&self) -> (Option<i64>, Option<i64>) {
        (self.deeds.first().map(|(at, _)| *at), self.rechecks.values().min().copied())
    }

    /// Lets `ms` pass.
    pub fn pass(&mut self, ms: i64) {
        let end = self.now_ms + ms;
        self.decide();
        loop {
            let (deed, recheck) = self.next_times();
            let Some(next) = [deed, recheck].into_iter().flatten().min().filter(|at| *at <= end) else { break };
            self.jump(next);
            self.step();
        }
        self.jump(end);
    }

    /// Lets time pass until pods have been quiet for 1.3 s.
    pub fn settle(&mut self) {
        self.decide();
        let mut quiet_since = self.now_ms;
        let mut steps = 0;
        loop {
            steps += 1;
            assert!(steps < DECISIONS_MAX, "the pods never come to rest");
            let (deed, recheck) = self.next_times();
            let end = quiet_since + 1300;
            let Some(next) = [deed, recheck].into_iter().flatten().min().filter(|at| *at <= end) else { break };
            self.jump(next);
            let before = self.revision;
            self.step();
            if self.revision != before {
                quiet_since = self.now_ms;
            }
        }
        self.jump(quiet_since + 1300);
    }

    /// Does what is due now, then decides.
    fn step(&mut self) {
        let due: Vec<ObjectKey> =
            self.rechecks.iter().filter(|(_, at)| **at <= self.now_ms).map(|(key, _)| key.clone()).collect();
        for key in due {
            self.rechecks.remove(&key);
            self.enqueue(key);
        }
        while let Some((at, deed)) = self.deeds.first().cloned().filter(|(at, _)| *at <= self.now_ms) {
            self.deeds.remove(&(at, deed.clone()));
            match deed {
                Deed::Start(key) => self.start(&key),
                Deed::Remove(key) => self.stopped(&key),
            }
            if !self.together {
                self.decide();
            }
        }
        self.decide();
    }

    /// An agent tells that a pod which was to stop is gone.
    fn stopped(&mut self, key: &ObjectKey) {
        let Some(pod) = self.cluster.typed::<Pod>(key) else { return };
        let (node, uid) = (pod.spec.node_name.clone(), pod.metadata.uid.clone());
        let about = About { node, namespace: key.namespace.to_string(), name: key.name.to_string(), uid };
        let reaction = gone(&self.cluster, &about).expect("a pod can be written");
        self.revision += 1;
        for change in reaction.changes {
            self.apply(change, false);
        }
    }

    /// Runs a pod by the tag of its image.
    fn start(&mut self, key: &ObjectKey) {
        let Some(pod) = self.cluster.typed::<Pod>(key) else { return };
        if !is_active(&pod) {
            return;
        }
        let image = pod.spec.containers.first().map(|c| c.image.clone()).unwrap_or_default();
        let tag = image.rsplit(':').next().unwrap_or_default().to_owned();
        match tag.as_str() {
            "bad" => self.edit(key, |pod| {
                pod["status"]["startTime"] = json!("2027-01-01T00:00:00Z");
                pod["status"]["containerStatuses"] = json!([{"name": "c", "image": image, "imageID": "", "ready": false, "restartCount": 0,
                    "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}}]);
            }),
            "fail" => self.exit(key, 1),
            "ok" => self.exit(key, 0),
            tag => {
                let index = pod.metadata.annotations.get("batch.kubernetes.io/job-completion-index");
                match (tag.strip_prefix("exit"), tag.strip_prefix("fail-idx")) {
                    (Some(code), _) => self.exit(key, code.parse().expect("a code")),
                    (_, Some(failing)) => self.exit(key, i32::from(index.is_some_and(|i| i == failing))),
                    _ => self.set_ready(key, tag != "unready"),
                }
            }
        }
    }

    /// A pod's one container ends with this code.
    pub fn exit(&mut self, key: &ObjectKey, code: i32) {
        let phase = if code == 0 { "Succeeded" } else { "Failed" };
        self.finish(key, phase);
        let now = self.time();
        self.edit(key, |pod| {
            pod["status"]["containerStatuses"] = json!([{"name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"terminated": {"exitCode": code, "finishedAt": now}}}]);
        });
    }

    pub fn finish(&mut self, key: &ObjectKey, phase: &str) {
        self.edit(key, |pod| pod["status"] = json!({"phase": phase, "startTime": "2027-01-01T00:00:00Z"}));
    }

    pub fn set_ready(&mut self, key: &ObjectKey, ready: bool) {
        let status = if ready { "True" } else { "False" };
        let now = self.time();
        self.edit(key, |pod| {
            pod["status"] = json!({"phase": "Running", "startTime": now,
                "conditions": [{"type": "Ready", "status": status, "lastTransitionTime": now}]});
        });
    }
}
