//! One node and its agent: what survives the agent's death, and what dies with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use masthead_agent::link::outbox::Outbox;
use masthead_agent::link::plan::{Action, Input, State};
use masthead_agent::pods::references;
use masthead_api::core::pod::Pod;
use masthead_api::core::pod_status::PodStatus;
use masthead_plan::context::Ids;
use masthead_wire::limits::PROTOCOL;
use masthead_wire::manifest::{Holding, NodeManifest};
use masthead_wire::parts::Part;
use masthead_wire::pb::from_agent::Message;
use masthead_wire::report::{Hello, NodeFacts};

use super::runtime::{Runtime, Turn};
use super::trace;
use super::worker::{Op, Site, Told, Worker};

/// A node.
pub struct Agent {
    pub name: String,
    pub runtime: Runtime,
    /// What the agent has on its disk.
    disk: Option<Arc<NodeManifest>>,
    statuses: BTreeMap<String, PodStatus>,
    pub process: Option<Process>,
    /// How far its clock is off.
    pub skew_ms: i64,
    /// Counts the starts of the agent.
    pub run: u64,
    pub is_off: bool,
    pub failures: u64,
}

/// What dies with the agent.
pub struct Process {
    link: State,
    pub outbox: Outbox,
    workers: BTreeMap<String, Worker>,
    gone: BTreeSet<String>,
}

/// What follows from what an agent did: ends of steps, turns of containers.
#[derive(Default)]
pub struct Effects {
    pub ops: Vec<(i64, String, Op)>,
    pub turns: Vec<(i64, String, String, Turn)>,
}

impl Agent {
    pub fn new(index: usize, skew_ms: i64) -> Agent {
        Agent {
            name: format!("n{index}"),
            runtime: Runtime::default(),
            disk: None,
            statuses: BTreeMap::new(),
            process: None,
            skew_ms,
            run: 0,
            is_off: false,
            failures: 0,
        }
    }

    /// The agent starts and takes up what runs.
    pub fn start(&mut self, now_ms: i64, rng: &mut Ids) -> Effects {
        self.run += 1;
        let mut process = Process {
            link: State::new(self.disk.clone()),
            outbox: Outbox::default(),
            workers: BTreeMap::new(),
            gone: BTreeSet::new(),
        };
        if let Some(manifest) = self.disk.clone() {
            for uid in self.runtime.pods.keys() {
                if manifest.content.pods.contains_key(uid.as_str()) {
                    continue;
                }
                let pod = &self.runtime.pods[uid];
                let mut stranger = Pod::default();
                stranger.metadata.uid.clone_from(uid);
                (stranger.metadata.namespace, stranger.metadata.name) = (pod.namespace.clone(), pod.name.clone());
                let observed = self.runtime.observed(uid);
                let mut worker = Worker::new(
                    Arc::new(stranger),
                    Default::default(),
                    Default::default(),
                    observed,
                    None,
                    now_ms + self.skew_ms,
                );
                worker.is_dropped = true;
                process.workers.insert(uid.clone(), worker);
            }
        }
        self.process = Some(process);
        let mut effects = Effects::default();
        self.follow(now_ms, rng, &mut effects);
        let uids: Vec<String> = self.process.iter().flat_map(|p| p.workers.keys().cloned()).collect();
        uids.into_iter().for_each(|uid| self.advance(&uid, None, now_ms, rng, &mut effects));
        effects
    }

    /// What the agent says first in a session.
    pub fn hello(&mut self) -> Option<Hello> {
        let process = self.process.as_mut()?;
        process.link.reconnect();
        process.outbox.reconnect();
        let quantities = [("cpu", "8"), ("memory", "16Gi"), ("pods", "110")];
        let capacity: BTreeMap<String, String> =
            quantities.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let info = [("operatingSystem", "linux"), ("architecture", "amd64")];
        let facts = NodeFacts {
            capacity: capacity.clone(),
            allocatable: capacity,
            node_info: info.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            ..NodeFacts::default()
        };
        let holding = process.link.held().map(|m| Holding::from(&m.content)).unwrap_or_default();
        Some(Hello {
            protocol: PROTOCOL,
            instance: format!("{}-{}", self.name, self.run),
            facts,
            held: process.link.generation(),
            holding,
        })
    }

    /// All that the agent has to say now.
    pub fn speak(&mut self) -> Vec<Message> {
        let Some(process) = self.process.as_mut() else { return Vec::new() };
        let held = process.link.generation();
        std::iter::from_fn(|| process.outbox.next(held)).collect()
    }

    /// The control plane asks for pods.
    pub fn recall(&mut self, uids: &[String]) {
        if let Some(process) = self.process.as_mut() {
            let held = process.link.held().cloned();
            process.outbox.recall(uids, held.as_deref());
        }
    }

    /// A part of a manifest arrives.
    pub fn receive(&mut self, part: Part, now_ms: i64, rng: &mut Ids) -> Effects {
        let mut effects = Effects::default();
        let Some(process) = self.process.as_mut() else { return effects };
        let before = process.link.generation();
        let mut is_new = false;
        for action in process.link.step(Input::Part(part)) {
            match action {
                Action::Accept { next, .. } => {
                    assert!(Some(next.generation) > before, "{} went back to {}", self.name, next.generation);
                    process.outbox.accepted(&next);
                    trace::line(|| {
                        format!("  {} holds {}: {} pods", self.name, next.generation, next.content.pods.len())
                    });
                    self.disk = Some(next);
                    is_new = true;
                }
                Action::Reply(reply) => process.outbox.reply(reply),
            }
        }
        if is_new {
            self.follow(now_ms, rng, &mut effects);
        }
        effects
    }

    /// Brings the workers to what the manifest says now.
    fn follow(&mut self, now_ms: i64, rng: &mut Ids, effects: &mut Effects) {
        let Some(manifest) = self.disk.clone() else { return };
        let Some(process) = self.process.as_mut() else { return };
        let pods = &manifest.content.pods;
        process.gone.retain(|uid| pods.contains_key(uid.as_str()));
        self.statuses.retain(|uid, _| pods.contains_key(uid.as_str()));
        let mut concerned = Vec::new();
        for entry in pods.values() {
            let uid = entry.uid.to_string();
            if process.gone.contains(&uid) {
                continue;
            }
            let pod: Arc<Pod> = Arc::new(serde_json::from_slice(&entry.bytes).expect("pods travel as JSON"));
            let attached = references::attached(&pod, &manifest.content);
            match process.workers.get_mut(&uid) {
                Some(worker) => {
                    if worker.digest == Some(entry.digest)
                        && worker.attached.version == attached.version
                        && !worker.is_dropped
                    {
                        continue;
                    }
                    worker.obey(pod, attached, manifest.generation);
                    worker.digest = Some(entry.digest);
                }
                None => {
                    let (observed, kept) = (self.runtime.observed(&uid), self.statuses.get(&uid).cloned());
                    let mut worker =
                        Worker::new(pod, attached, manifest.generation, observed, kept, now_ms + self.skew_ms);
                    worker.digest = Some(entry.digest);
                    process.workers.insert(uid.clone(), worker);
                }
            }
            concerned.push(uid);
        }
        for (uid, worker) in &mut process.workers {
            if !worker.is_dropped && !pods.contains_key(uid.as_str()) {
                worker.is_dropped = true;
                concerned.push(uid.clone());
            }
        }
        for uid in concerned {
            self.advance(&uid, None, now_ms, rng, effects);
        }
    }

    /// A step of a pod ends, or something became due.
    pub fn op(&mut self, uid: &str, op: Op, now_ms: i64, rng: &mut Ids) -> Effects {
        let mut effects = Effects::default();
        self.advance(uid, Some(op), now_ms, rng, &mut effects);
        effects
    }

    fn advance(&mut self, uid: &str, op: Option<Op>, now_ms: i64, rng: &mut Ids, effects: &mut Effects) {
        let Some(process) = self.process.as_mut() else { return };
        let Some(worker) = process.workers.get_mut(uid) else { return };
        let mut site = Site {
            node: &self.name,
            runtime: &mut self.runtime,
            rng,
            now_ms: now_ms + self.skew_ms,
            later: Vec::new(),
            turns: Vec::new(),
            told: Vec::new(),
            failures: self.failures,
        };
        if let Some(op) = op {
            if let Op::Stop { .. } = &op {
                let entry = self.disk.as_ref().and_then(|m| m.content.pods.get(uid));
                let asked = entry.is_none_or(|entry| {
                    let pod: Pod = serde_json::from_slice(&entry.bytes).expect("pods travel as JSON");
                    pod.metadata.deletion_timestamp.is_some()
                });
                assert!(
                    asked,
                    "a container of pod {} on {} is stopped, and nobody asked for its end",
                    worker.pod.metadata.name, self.name
                );
            }
            worker.finish(op, &mut site);
        }
        worker.advance(&mut site);
        let Site { later, turns, told, .. } = site;
        effects.ops.extend(later.into_iter().map(|(after, op)| (after, uid.to_owned(), op)));
        effects.turns.extend(turns.into_iter().map(|(after, id, turn)| (after, uid.to_owned(), id, turn)));
        if let Some(kept) = worker.kept() {
            self.statuses.insert(uid.to_owned(), kept);
        }
        if worker.is_done {
            if !worker.is_dropped {
                process.gone.insert(uid.to_owned());
            }
            process.workers.remove(uid);
        }
        for told in told {
            match told {
                Told::Status(status) => assert!(process.outbox.status(status), "too many pods"),
                Told::Gone(gone) => process.outbox.gone(gone),
            }
        }
    }
}
