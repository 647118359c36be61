//! One pod on its node: the agent's own deciders, with steps that take simulated time and may never end.

use std::collections::BTreeMap;
use std::sync::Arc;

use masthead_agent::pods::backoff::Backoff;
use masthead_agent::pods::convert::container::spec_hash;
use masthead_agent::pods::local::{Busy, Ending, Failure, Local, Stage, begun};
use masthead_agent::pods::observe::{Observed, Phase, Seen};
use masthead_agent::pods::plan::{self, Plan, Step, View};
use masthead_agent::pods::references::{self, Attached};
use masthead_agent::pods::status;
use masthead_agent::pods::status_input::Input;
use masthead_api::core::pod::Pod;
use masthead_api::core::pod_status::PodStatus;
use masthead_plan::context::Ids;
use masthead_wire::manifest::Generation;
use masthead_wire::object::Digest;
use masthead_wire::report;

use super::runtime::{Runtime, Turn};
use super::trace;

/// Decisions at one moment, at the most: what is begun is not begun again.
const TURNS_MAX: usize = 20;

/// A step that was begun and ends later, if the agent lives that long.
#[derive(Clone, Debug)]
pub enum Op {
    Volumes,
    Sandbox {
        attempt: u32,
    },
    Pull {
        name: String,
        attempt: u32,
        sandbox: String,
    },
    Run {
        name: String,
        id: String,
    },
    Stop {
        name: String,
        id: String,
    },
    Remove {
        id: String,
    },
    RemoveSandbox {
        id: String,
    },
    StopSandbox,
    Cleanup,
    /// Something became due.
    Wake,
    /// The runtime has news of the pod, or its probes have.
    News,
}

/// What the worker tells its agent.
pub enum Told {
    Status(report::PodStatus),
    Gone(report::PodGone),
}

/// What a step may touch.
pub struct Site<'a> {
    pub node: &'a str,
    pub runtime: &'a mut Runtime,
    pub rng: &'a mut Ids,
    /// The clock of the node.
    pub now_ms: i64,
    /// Ends of steps: after how long, which.
    pub later: Vec<(i64, Op)>,
    /// What containers will do by themselves: after how long, which, what.
    pub turns: Vec<(i64, String, Turn)>,
    pub told: Vec<Told>,
    /// How often sandboxes fail, one in this many; 0 is never.
    pub failures: u64,
}

pub struct Worker {
    pub pod: Arc<Pod>,
    pub digest: Option<Digest>,
    pub attached: Attached,
    generation: Generation,
    pub is_dropped: bool,
    observed: Observed,
    local: Local,
    plan: Plan,
    before: Option<PodStatus>,
    was_told: bool,
    woken_at: Option<i64>,
    pub is_done: bool,
}

impl Worker {
    /// A worker for a pod of which `observed` is there already; `before` is the status an earlier agent kept.
    pub fn new(
        pod: Arc<Pod>,
        attached: Attached,
        generation: Generation,
        observed: Observed,
        before: Option<PodStatus>,
        now_ms: i64,
    ) -> Worker {
        let mut local = Local { host_ips: vec!["127.0.0.1".to_owned()], start_ms: now_ms, ..Local::default() };
        if let Some(time) = before.as_ref().and_then(|status| status.start_time) {
            local.start_ms = time.0 * 1000;
        }
        let mut worker = Worker {
            pod,
            digest: None,
            attached,
            generation,
            is_dropped: false,
            observed,
            local,
            plan: Plan::default(),
            before,
            was_told: false,
            woken_at: None,
            is_done: false,
        };
        worker.adopt();
        worker
    }

    fn adopt(&mut self) {
        let Some(before) = self.before.clone() else { return };
        for status in &before.container_statuses {
            let Some(seen) = self.observed.newest(&status.name).cloned() else {
                self.local.container_mut(&status.name).begun = begun(status);
                continue;
            };
            let is_same = status.container_id.ends_with(&seen.id) && !seen.id.is_empty();
            let local = self.local.container_mut(&status.name);
            local.crash = Backoff::resumed(seen.attempt, seen.created_ms);
            if is_same && seen.phase == Phase::Running {
                (local.probed, local.started, local.ready) =
                    (seen.id.clone(), status.started == Some(true), status.ready);
            }
        }
    }

    /// The manifest says something else of the pod, or nothing any more.
    pub fn obey(&mut self, pod: Arc<Pod>, attached: Attached, generation: Generation) {
        let is_other = attached.version != self.attached.version || pod.metadata.labels != self.pod.metadata.labels;
        (self.pod, self.attached, self.generation, self.is_dropped) = (pod, attached, generation, false);
        if is_other {
            if self.local.volumes != Stage::Busy {
                self.local.volumes = Stage::Idle;
            }
            for local in self.local.containers.values_mut() {
                if local.failure.as_ref().is_some_and(|f| f.reason == "CreateContainerConfigError") {
                    local.failure = None;
                }
            }
        }
    }

    fn follow_order(&mut self, now_ms: i64) {
        let meta = &self.pod.metadata;
        if (meta.deletion_timestamp.is_none() && !self.is_dropped)
            || self.local.ending.as_ref().is_some_and(|e| e.removed)
        {
            return;
        }
        let own = self.pod.spec.termination_grace_period_seconds;
        let grace_s = meta.deletion_grace_period_seconds.or(own).unwrap_or(30).max(0);
        let (reason, message) = (String::new(), String::new());
        self.local.ending = Some(Ending { grace_s, since_ms: now_ms, removed: true, reason, message });
    }

    /// Decides, and begins what was decided, until nothing new comes of it.
    pub fn advance(&mut self, site: &mut Site<'_>) {
        if self.is_done {
            return;
        }
        self.follow_order(site.now_ms);
        self.probes(site);
        let hash = |c: &masthead_api::core::container::Container| (c.name.clone(), spec_hash(c));
        let hashes: BTreeMap<String, String> = self.pod.spec.containers.iter().map(hash).collect();
        for turns in 0.. {
            assert!(turns < TURNS_MAX, "the plan of pod {} never comes to an end", self.pod.metadata.name);
            let (pod, observed, local, hashes) = (&*self.pod, &self.observed, &self.local, &hashes);
            let view = View { pod, observed, local, hashes, now_ms: site.now_ms };
            self.plan = plan::plan(view);
            let steps = std::mem::take(&mut self.plan.steps);
            if steps.is_empty() {
                break;
            }
            for (step, why) in steps {
                trace::line(|| format!("  {} {}: {step:?} ({why})", site.node, self.pod.metadata.name));
                self.begin(step, site);
            }
        }
        if let Some(at_ms) =
            self.plan.wake_ms.filter(|at| self.woken_at.is_none_or(|known| known <= site.now_ms || *at < known))
        {
            self.woken_at = Some(at_ms);
            site.later.push(((at_ms - site.now_ms).max(1), Op::Wake));
        }
        self.tell(site);
    }

    /// What the probes of the running containers find now.
    fn probes(&mut self, site: &Site<'_>) {
        for container in &self.pod.spec.containers {
            let Some(seen) = self.observed.current(&container.name).filter(|seen| seen.phase == Phase::Running) else {
                continue;
            };
            let serves = site.runtime.pods.get(&self.pod.metadata.uid).is_some_and(|pod| pod.serves());
            let local = self.local.containers.entry(container.name.clone()).or_default();
            if local.probed != seen.id {
                (local.probed, local.started, local.ready) = (seen.id.clone(), false, false);
            }
            local.started |= container.startup_probe.is_none();
            if self.local.ending.is_none() || container.readiness_probe.is_none() {
                local.ready = container.readiness_probe.is_none() || serves;
            }
        }
    }

    fn begin(&mut self, step: Step, site: &mut Site<'_>) {
        let soon = 1 + site.rng.below(40) as i64;
        match step {
            Step::Measure => panic!("no pod of the simulation has a bound on its disk space"),
            Step::Fail(ending) => self.local.ending = Some(ending),
            Step::PrepareVolumes => {
                self.local.volumes = Stage::Busy;
                site.later.push((soon, Op::Volumes));
            }
            Step::RunSandbox { attempt } => {
                self.local.sandbox = Stage::Busy;
                site.later.push((soon, Op::Sandbox { attempt }));
            }
            Step::Start { name, attempt, crashed_ms } => {
                let sandbox = self.observed.sandbox().map(|s| s.id.clone()).unwrap_or_default();
                let local = self.local.container_mut(&name);
                local.busy = Some(Busy::Starting);
                if let Some(crashed_ms) = crashed_ms {
                    local.crash.next(crashed_ms, site.now_ms);
                }
                site.later.push((soon * 5, Op::Pull { name, attempt, sandbox }));
            }
            Step::Stop { name, id, grace_s, .. } => {
                self.local.container_mut(&name).busy = Some(Busy::Stopping);
                let longest = u64::try_from(grace_s * 1000).unwrap_or(0) + 1;
                site.later.push((1 + site.rng.below(longest) as i64, Op::Stop { name, id }));
            }
            Step::Remove { id } => {
                self.local.removing.push(id.clone());
                site.later.push((soon, Op::Remove { id }));
            }
            Step::RemoveSandbox { id } => {
                self.local.removing.push(id.clone());
                site.later.push((soon, Op::RemoveSandbox { id }));
            }
            Step::StopSandbox => {
                self.local.sandbox_stop = Stage::Busy;
                site.later.push((soon, Op::StopSandbox));
            }
            Step::Cleanup => {
                self.local.cleanup = Stage::Busy;
                site.later.push((soon, Op::Cleanup));
            }
        }
    }

    /// A step has come to its end.
    pub fn finish(&mut self, op: Op, site: &mut Site<'_>) {
        let uid = self.pod.metadata.uid.clone();
        match op {
            Op::Wake => self.woken_at = None,
            Op::News => self.news(site, &uid),
            Op::Volumes => {
                let missing = references::names(&self.pod).len() - self.attached.version.len();
                self.local.volumes =
                    if missing == 0 { Stage::Done } else { Stage::Failed(failure("FailedMount", site.now_ms + 2000)) };
            }
            Op::Sandbox { attempt } => {
                if site.failures > 0 && site.rng.below(site.failures) == 0 {
                    self.local.sandbox = Stage::Failed(failure("FailedCreatePodSandBox", site.now_ms + 1000));
                    return;
                }
                let meta = &self.pod.metadata;
                let app = meta.labels.get("app").map_or("", String::as_str);
                let about = (meta.namespace.as_str(), meta.name.as_str(), app);
                let sandbox = site.runtime.run_sandbox(site.node, &uid, about, attempt, site.now_ms);
                self.local.sandbox = Stage::Done;
                self.observed.note_sandbox(sandbox);
            }
            Op::Pull { name, attempt, sandbox } => self.create(&name, attempt, sandbox, site, &uid),
            Op::Run { name, id } => self.run(&name, &id, site, &uid),
            Op::Stop { name, id } => {
                self.local.container_mut(&name).busy = None;
                if let Some(seen) = site.runtime.stop(&uid, &id, site.now_ms) {
                    self.observed.note(&name, seen);
                }
            }
            Op::Remove { id } => {
                site.runtime.remove_container(&uid, &id);
                self.removed(&id);
            }
            Op::RemoveSandbox { id } => {
                site.runtime.remove_sandbox(&uid, &id);
                self.removed(&id);
            }
            Op::StopSandbox => {
                site.runtime.stop_sandboxes(&uid);
                self.local.sandbox_stop = Stage::Done;
                self.observed.sandboxes.iter_mut().for_each(|s| s.ready = false);
            }
            Op::Cleanup => {
                site.runtime.cleanup(&uid);
                self.local.cleanup = Stage::Done;
                self.is_done = true;
                let (namespace, name) = (self.pod.metadata.namespace.clone(), self.pod.metadata.name.clone());
                site.told.push(Told::Gone(report::PodGone { uid: uid.as_str().into(), namespace, name }));
            }
        }
    }

    fn removed(&mut self, id: &str) {
        self.local.removing.retain(|removing| removing != id);
        self.observed.forget(id);
        self.observed.forget_sandbox(id);
    }

    fn news(&mut self, site: &Site<'_>, uid: &str) {
        let listed = site.runtime.observed(uid);
        for sandbox in listed.sandboxes {
            self.observed.note_sandbox(sandbox);
        }
        for (name, list) in listed.containers {
            for seen in list {
                self.observed.note(&name, seen);
            }
        }
    }

    fn create(&mut self, name: &str, attempt: u32, sandbox_id: String, site: &mut Site<'_>, uid: &str) {
        let Some(container) = self.pod.spec.containers.iter().find(|c| c.name == name) else { return };
        let (image, hash) = (container.image.clone(), spec_hash(container));
        if self.local.ending.is_some() {
            // A pull is given up when the pod ends.
            self.local.container_mut(name).busy = None;
            return;
        }
        if image.starts_with("bad:") {
            let now_ms = site.now_ms;
            let local = self.local.container_mut(name);
            local.busy = None;
            local.pull.next(now_ms, now_ms);
            local.failure = Some(failure("ErrImagePull", now_ms + local.pull.delay_ms()));
            return;
        }
        let seen = Seen { sandbox_id, attempt, created_ms: site.now_ms, image, spec_hash: hash, ..Seen::default() };
        match site.runtime.create(site.node, uid, seen, name) {
            Some(seen) => {
                site.later.push((1 + site.rng.below(30) as i64, Op::Run { name: name.to_owned(), id: seen.id }))
            }
            None => {
                let local = self.local.container_mut(name);
                local.busy = None;
                local.failure = Some(failure("CreateContainerError", site.now_ms + 10_000));
            }
        }
    }

    fn run(&mut self, name: &str, id: &str, site: &mut Site<'_>, uid: &str) {
        let container = self.pod.spec.containers.iter().find(|c| c.name == name);
        let probed = container.is_some_and(|c| c.readiness_probe.is_some());
        let local = self.local.container_mut(name);
        (local.busy, local.failure) = (None, None);
        if let Some((seen, turn)) = site.runtime.start(uid, id, probed, site.now_ms, site.rng) {
            self.observed.note(name, seen);
            site.turns.extend(turn.map(|(after, turn)| (after, id.to_owned(), turn)));
        }
    }

    fn tell(&mut self, site: &mut Site<'_>) {
        if self.is_dropped || self.is_done {
            return;
        }
        let input = Input {
            pod: &self.pod,
            observed: &self.observed,
            local: &self.local,
            plan: &self.plan,
            before: self.before.as_ref(),
            runtime: "fake",
            now_ms: site.now_ms,
        };
        let status = status::status(input);
        if self.before.as_ref() == Some(&status) && self.was_told {
            return;
        }
        let json = serde_json::to_vec(&status).expect("a status has a JSON form");
        self.before = Some(status);
        self.was_told = true;
        let meta = &self.pod.metadata;
        site.told.push(Told::Status(report::PodStatus {
            uid: meta.uid.as_str().into(),
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
            status: json.into(),
            observed: self.generation,
            sequence: 0,
        }));
    }
}

fn failure(reason: &str, retry_ms: i64) -> Failure {
    Failure { reason: reason.to_owned(), message: "simulated".to_owned(), retry_ms }
}

impl Worker {
    /// The status as it was last told, which survives the agent.
    pub fn kept(&self) -> Option<PodStatus> {
        self.before.clone()
    }
}
