//! One pod: looks at what there is, begins what the plan says, tells what became of it, sleeps until the next news.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use masthead_api::core::container::Container;
use masthead_api::core::pod_status::PodStatus;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::pods::apply::{self, Cx};
use crate::pods::backoff::Backoff;
use crate::pods::convert::container::spec_hash;
use crate::pods::events::{Note, Valve, event};
use crate::pods::local::{Busy, Doom, Ending, Failure, Local, Stage};
use crate::pods::metrics::metrics;
use crate::pods::observe::{Observed, Phase, Seen};
use crate::pods::plan::{self, Plan, Step, View, pod_text};
use crate::pods::pull::{BACK_OFF, History};
use crate::pods::signal::{Order, ProbeKind, Signal, StartFailure};
use crate::pods::site::Shared;
use crate::pods::slots::Slot;
use crate::pods::{files, kept, probe, start, stop};

mod tell;

/// News that wait for a worker.
const QUEUE: usize = 256;
/// A container that failed to be configured or made is tried again after this time (the kubelet's `backOffPeriod`).
const RETRY_MS: i64 = 10_000;
/// The first wait after failed volumes or a failed sandbox (the kubelet's `initialDurationBeforeRetry`).
const FAILED_MS: i64 = 500;
/// The longest (the kubelet's `maxDurationBeforeRetry`).
const FAILED_MAX_MS: i64 = 122_000;
/// The time between two looks at the disk space of a pod (the kubelet's `monitoringInterval`).
const MEASURE_MS: i64 = 10_000;
/// The time between a failed pull and the status that calls it a back-off.
const PULL_SHOWN_MS: i64 = 1_000;

/// The tasks of a container's probes; they end with it.
struct Probing {
    id: String,
    started: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Probing {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// The state of a worker.
pub struct Worker {
    shared: Arc<Shared>,
    order: Order,
    is_dropped: bool,
    hashes: BTreeMap<String, String>,
    observed: Observed,
    local: Local,
    plan: Plan,
    places: Arc<BTreeMap<String, PathBuf>>,
    before: Option<PodStatus>,
    told: Bytes,
    tell_at: Option<Instant>,
    /// When what was told is kept for a restart.
    keep_at: Option<Instant>,
    /// The turn that the sandbox was made in, for the container that comes next.
    slot: Option<Slot>,
    probing: HashMap<String, Probing>,
    hooked: HashMap<String, String>,
    ending: CancellationToken,
    valve: Valve,
    notes: u64,
    /// How often volumes and sandbox failed in a row.
    fails: (u32, u32),
    tx: mpsc::Sender<Signal>,
    rx: mpsc::Receiver<Signal>,
}

/// Whether a pod has ended for good.
fn is_over(status: &PodStatus) -> bool {
    matches!(status.phase.as_str(), "Failed" | "Succeeded")
}

impl Worker {
    /// A worker for a pod of which `observed` is there already; news reach it through the second part.
    pub fn new(shared: Arc<Shared>, order: Order, observed: Observed) -> (Self, mpsc::Sender<Signal>) {
        let (tx, rx) = mpsc::channel(QUEUE);
        let now_ms = shared.clock.now_ms();
        let before = kept::load_status(&shared.pod_dir(&order.pod));
        let mut local = Local { host_ips: shared.host_ips(), start_ms: now_ms, ..Local::default() };
        if let Some(time) = before.as_ref().and_then(|status| status.start_time) {
            local.start_ms = time.0.saturating_mul(1000);
        } else if let Some(created_ms) = observed.sandboxes.iter().map(|sandbox| sandbox.created_ms).min() {
            local.start_ms = created_ms;
        }
        let mut worker = Self {
            hashes: hashes(&order),
            order,
            is_dropped: false,
            observed,
            local,
            plan: Plan::default(),
            places: Arc::default(),
            before,
            told: Bytes::new(),
            tell_at: None,
            keep_at: None,
            slot: None,
            probing: HashMap::new(),
            hooked: HashMap::new(),
            ending: CancellationToken::new(),
            valve: Valve::default(),
            notes: 0,
            fails: (0, 0),
            tx: tx.clone(),
            rx,
            shared,
        };
        worker.adopt();
        (worker, tx)
    }

    /// Goes on from what an earlier agent left: back-offs, readiness, a deadline that was passed.
    fn adopt(&mut self) {
        let Some(before) = self.before.clone() else { return };
        self.local.resume(&before, &self.observed);
        // Whose probes have begun, its hook was done.
        let probed = self.local.containers.iter().filter(|(_, local)| !local.probed.is_empty());
        self.hooked = probed.map(|(name, local)| (name.clone(), local.probed.clone())).collect();
        if is_over(&before) {
            self.local.over = Some(Box::new(before.clone()));
        }
        if before.phase == "Failed" && !before.reason.is_empty() {
            let since_ms = self.shared.clock.now_ms();
            let (reason, message) = (before.reason, before.message);
            self.local.ending = Some(Ending { grace_s: 0, since_ms, removed: false, reason, message });
        }
    }

    /// Ends the pod because nobody asks for it; an agent's way with strangers.
    pub fn drop_at_start(&mut self) {
        self.is_dropped = true;
    }

    /// Works until the pod's last trace is gone.
    pub async fn run(mut self) {
        self.reread().await;
        self.follow_order();
        let mut is_news = true;
        loop {
            if is_news {
                self.advance();
            }
            is_news = true;
            if self.local.cleanup == Stage::Done {
                self.told_gone();
                return;
            }
            let wake = self.plan.wake_ms.map(|at_ms| self.shared.clock.instant(at_ms));
            let (tell, keep) = (self.tell_at, self.keep_at);
            tokio::select! {
                biased;
                signal = self.rx.recv() => match signal {
                    Some(signal) => {
                        is_news = self.take(signal).await;
                        // What came together is decided on together.
                        while let Ok(signal) = self.rx.try_recv() {
                            is_news |= self.take(signal).await;
                        }
                    }
                    None => return,
                },
                () = until(wake) => {}
                () = until(tell) => {
                    self.tell(true);
                }
                () = until(keep) => self.keep(),
            }
        }
    }

    fn cx(&self) -> Cx {
        let ips = match self.observed.sandboxes.first() {
            Some(_) if self.order.pod.spec.host_network => self.shared.host_ips(),
            Some(sandbox) => sandbox.ips.clone(),
            None => Vec::new(),
        };
        Cx {
            shared: self.shared.clone(),
            pod: self.order.pod.clone(),
            attached: self.order.attached.clone(),
            places: self.places.clone(),
            ips,
            tx: self.tx.clone(),
            ending: self.ending.clone(),
        }
    }

    /// Takes what the manifest says into what is known.
    fn follow_order(&mut self) {
        // The control plane knows how it ended, also where this node has forgotten everything.
        let known = &self.order.pod.status;
        if is_over(known) && self.local.over.is_none() {
            self.local.over = Some(Box::new(known.clone()));
        }
        let meta = &self.order.pod.metadata;
        if meta.deletion_timestamp.is_none() && !self.is_dropped {
            return;
        }
        let own = self.order.pod.spec.termination_grace_period_seconds;
        let grace_s = meta.deletion_grace_period_seconds.or(own).unwrap_or(30).max(0);
        let known = self.local.ending.clone();
        let since_ms =
            known.as_ref().filter(|known| known.removed).map_or(self.shared.clock.now_ms(), |known| known.since_ms);
        let (reason, message) = known.map(|known| (known.reason, known.message)).unwrap_or_default();
        let is_sooner = self.local.ending.as_ref().is_some_and(|known| known.removed && grace_s < known.grace_s);
        if is_sooner {
            // What is being stopped patiently is stopped again, with less patience.
            let stopping = self.local.containers.values_mut().filter(|c| c.busy == Some(Busy::Stopping));
            stopping.for_each(|container| container.busy = None);
        }
        self.local.ending = Some(Ending { grace_s, since_ms, removed: true, reason, message });
        self.ending.cancel();
    }

    /// Decides, and begins what was decided, until nothing new comes of it.
    fn advance(&mut self) {
        self.probes();
        loop {
            let now_ms = self.shared.clock.now_ms();
            let (pod, observed, local, hashes) = (&*self.order.pod, &self.observed, &self.local, &self.hashes);
            let view = View { pod, observed, local, hashes, now_ms };
            let next = plan::plan(view);
            let fresh: Vec<String> =
                next.held.keys().filter(|name| !self.plan.held.contains_key(*name)).cloned().collect();
            self.plan = next;
            for name in fresh {
                let pod = pod_text(&self.order.pod);
                self.note(
                    &Note::warning("BackOff", format!("Back-off restarting failed container {name} in pod {pod}"))
                        .of(&name),
                );
            }
            let steps = std::mem::take(&mut self.plan.steps);
            if steps.is_empty() {
                break;
            }
            for (step, why) in steps {
                tracing::debug!(pod = self.order.pod.metadata.name, ?step, why);
                self.begin(step);
            }
        }
        // Nothing goes on in the sandbox now: others have their turn.
        self.slot = None;
        self.tell(false);
    }

    fn begin(&mut self, step: Step) {
        let cx = self.cx();
        match step {
            Step::Fail(ending) => {
                match ending.reason.as_str() {
                    "Evicted" => self.note(&Note::warning("Evicted", ending.message.clone())),
                    "DeadlineExceeded" => self.note(&Note::normal("DeadlineExceeded", ending.message.clone())),
                    _ => {}
                }
                self.local.ending = Some(ending);
                self.ending.cancel();
            }
            Step::Measure => {
                self.local.measuring = Stage::Busy;
                tokio::spawn(apply::measure(cx));
            }
            Step::PrepareVolumes => {
                self.local.volumes = Stage::Busy;
                tokio::spawn(apply::prepare_volumes(cx));
            }
            Step::RunSandbox { attempt } => {
                if attempt > 0 && !matches!(self.local.sandbox, Stage::Failed(_)) {
                    self.note(&Note::normal(
                        "SandboxChanged",
                        "Pod sandbox changed, it will be killed and re-created.",
                    ));
                }
                self.local.sandbox = Stage::Busy;
                tokio::spawn(apply::run_sandbox(cx, attempt));
            }
            Step::Start { name, attempt, crashed_ms } => {
                let now_ms = self.shared.clock.now_ms();
                let sandbox = self.observed.sandbox().map(|sandbox| sandbox.id.clone()).unwrap_or_default();
                let local = self.local.container_mut(&name);
                local.busy = Some(Busy::Starting);
                if let Some(crashed_ms) = crashed_ms {
                    local.crash.next(crashed_ms, now_ms);
                }
                let is_told = local.failure.as_ref().is_some_and(|failure| failure.reason == BACK_OFF);
                let history = History { backoff: local.pull, error: local.pull_error.clone(), is_told };
                let slot = self.slot.take();
                tokio::spawn(start::run(cx, start::Start { name, attempt, sandbox_id: sandbox, history, slot }));
            }
            Step::Stop { name, id, grace_s, message } => {
                let seen = self.observed.newest(&name).filter(|seen| seen.id == id);
                let sandbox = seen.map(|seen| seen.sandbox_id.clone()).unwrap_or_default();
                self.local.container_mut(&name).busy = Some(Busy::Stopping);
                tokio::spawn(stop::run(cx, name, id, sandbox, grace_s, message));
            }
            Step::Remove { id } => {
                self.local.removing.push(id.clone());
                tokio::spawn(apply::remove_container(cx, id));
            }
            Step::RemoveSandbox { id } => {
                self.local.removing.push(id.clone());
                tokio::spawn(apply::remove_sandbox(cx, id));
            }
            Step::StopSandbox => {
                self.local.sandbox_stop = Stage::Busy;
                let ids = self.observed.sandboxes.iter().map(|sandbox| sandbox.id.clone()).collect();
                tokio::spawn(apply::stop_sandboxes(cx, ids));
            }
            Step::Cleanup => {
                self.local.cleanup = Stage::Busy;
                self.keep_at = None;
                let sandboxes = self.observed.sandboxes.iter().map(|sandbox| sandbox.id.clone()).collect();
                let containers = self.observed.all().map(|(_, seen)| seen.id.clone()).collect();
                tokio::spawn(apply::cleanup(cx, sandboxes, containers));
            }
        }
    }

    /// Takes news in; says whether they can change a decision.
    async fn take(&mut self, signal: Signal) -> bool {
        match signal {
            Signal::Order(order) => self.obey(order),
            Signal::Dropped => {
                self.is_dropped = true;
                self.follow_order();
            }
            Signal::Container(name, seen) => return self.saw(&name, seen).await,
            Signal::ContainerGone(id) => self.observed.forget(&id),
            Signal::Sandbox(sandbox) => return self.observed.note_sandbox(sandbox),
            Signal::Listed(observed) => self.relisted(observed).await,
            Signal::Probe { container, id, kind, ok } => self.probed(&container, &id, kind, ok),
            Signal::Note(note) => {
                self.note(&note);
                return false;
            }
            Signal::Measured(usage) => {
                self.local.measuring = Stage::Done;
                self.local.measure_ms = self.shared.clock.now_ms() + MEASURE_MS;
                self.local.usage = usage;
            }
            Signal::Volumes(Ok(places)) => {
                self.fails.0 = 0;
                self.places = Arc::new(places);
                self.local.volumes = Stage::Done;
            }
            Signal::Volumes(Err(failure)) => {
                self.local.volumes = Stage::Failed(self.later(failure, self.fails.0));
                self.fails.0 += 1;
            }
            Signal::SandboxMade(Ok(sandbox), slot) => {
                self.fails.1 = 0;
                self.slot = slot;
                metrics().iter().for_each(|metrics| metrics.sandboxes.inc());
                self.local.sandbox = Stage::Done;
                self.observed.note_sandbox(sandbox);
            }
            Signal::SandboxMade(Err(failure), _) => {
                self.local.sandbox = Stage::Failed(self.later(failure, self.fails.1));
                self.fails.1 += 1;
            }
            Signal::Started { name, seen, result } => {
                if let Some(seen) = seen {
                    self.hooked.insert(name.clone(), seen.id.clone());
                    self.saw(&name, seen).await;
                }
                self.started(&name, result);
            }
            Signal::HookFailed { name, id } => {
                let message = "FailedPostStartHook".to_owned();
                self.local.container_mut(&name).doom = Some(Doom { id, message, grace_s: None });
            }
            Signal::Stopped { name, seen } => {
                self.local.container_mut(&name).busy = None;
                if let Some(seen) = seen {
                    self.saw(&name, seen).await;
                }
            }
            Signal::Removed { id, ok } => {
                if ok {
                    self.local.removing.retain(|removing| *removing != id);
                    self.observed.forget(&id);
                    self.observed.forget_sandbox(&id);
                }
            }
            Signal::SandboxStopped(Ok(())) => {
                self.local.sandbox_stop = Stage::Done;
                self.observed.sandboxes.iter_mut().for_each(|sandbox| sandbox.ready = false);
            }
            Signal::SandboxStopped(Err(failure)) => self.local.sandbox_stop = Stage::Failed(failure),
            Signal::Cleaned(Ok(())) => self.local.cleanup = Stage::Done,
            Signal::Cleaned(Err(failure)) => self.local.cleanup = Stage::Failed(failure),
        }
        true
    }

    /// What failed again and again is tried again less and less often.
    fn later(&self, failure: Failure, times: u32) -> Failure {
        let wait_ms = (FAILED_MS << times.min(8)).min(FAILED_MAX_MS);
        Failure { retry_ms: self.shared.clock.now_ms() + wait_ms, ..failure }
    }

    fn obey(&mut self, order: Order) {
        let is_other = order.attached.version != self.order.attached.version
            || order.pod.metadata.labels != self.order.pod.metadata.labels
            || order.pod.metadata.annotations != self.order.pod.metadata.annotations;
        self.hashes = hashes(&order);
        self.order = order;
        self.is_dropped = false;
        if is_other {
            // Content may be another, and what failed for want of it may succeed now.
            if self.local.volumes != Stage::Busy {
                self.local.volumes = Stage::Idle;
            }
            for local in self.local.containers.values_mut() {
                let is_config =
                    local.failure.as_ref().is_some_and(|failure| failure.reason == "CreateContainerConfigError");
                if is_config {
                    local.failure = None;
                }
            }
        }
        self.follow_order();
    }

    /// A container is not what it was; says whether that is news.
    async fn saw(&mut self, name: &str, mut seen: Seen) -> bool {
        let known = self.observed.containers.get(name).and_then(|list| list.iter().find(|known| known.id == seen.id));
        if seen.phase == Phase::Exited {
            if known.is_some_and(|known| known.phase == Phase::Exited) {
                return false;
            }
            self.last_words(name, &mut seen).await;
            self.probing.retain(|_, probing| probing.id != seen.id);
        }
        self.observed.note(name, seen)
    }

    /// Reads what a container left as its termination message.
    async fn last_words(&self, name: &str, seen: &mut Seen) {
        let policy = start::container_of(&self.order.pod, name).map(|c| c.termination_message_policy.clone());
        let (path, log, code) = (seen.message_path.clone(), seen.log_path.clone(), seen.exit_code);
        let read = tokio::task::spawn_blocking(move || {
            let message = if path.is_empty() { String::new() } else { files::read_message(path.as_ref()) };
            if message.is_empty() && code != 0 && policy.as_deref() == Some("FallbackToLogsOnError") {
                return crate::logs::tail::last_words(log.as_ref());
            }
            message
        });
        if let Ok(message) = read.await
            && !message.is_empty()
        {
            let separator = if seen.message.is_empty() { "" } else { ": " };
            seen.message.push_str(separator);
            seen.message.push_str(&message);
        }
    }

    /// Reads again what containers left that ended before this agent began.
    async fn reread(&mut self) {
        let ended = self.observed.all().filter(|(_, seen)| seen.phase == Phase::Exited);
        for (name, mut seen) in ended.map(|(name, seen)| (name.clone(), seen.clone())).collect::<Vec<_>>() {
            self.last_words(&name, &mut seen).await;
            self.observed.note(&name, seen);
        }
    }

    async fn relisted(&mut self, listed: Observed) {
        let ids: Vec<String> = listed.all().map(|(_, seen)| seen.id.clone()).collect();
        for (name, list) in listed.containers {
            for seen in list {
                self.saw(&name, seen).await;
            }
        }
        // What is being made may be missing from the list.
        let is_making = self.local.containers.values().any(|c| c.busy == Some(Busy::Starting));
        if !is_making && self.local.sandbox != Stage::Busy {
            let lost: Vec<String> =
                self.observed.all().map(|(_, seen)| seen.id.clone()).filter(|id| !ids.contains(id)).collect();
            lost.iter().for_each(|id| self.observed.forget(id));
            let known: Vec<&str> = listed.sandboxes.iter().map(|sandbox| sandbox.id.as_str()).collect();
            self.observed.sandboxes.retain(|sandbox| known.contains(&sandbox.id.as_str()));
        }
        for sandbox in listed.sandboxes {
            self.observed.note_sandbox(sandbox);
        }
    }

    fn started(&mut self, name: &str, result: Result<(), StartFailure>) {
        let now_ms = self.shared.clock.now_ms();
        let local = self.local.container_mut(name);
        local.busy = None;
        local.failure = None;
        let metrics = metrics();
        let Err(failed) = result else {
            metrics.iter().for_each(|metrics| metrics.started.inc());
            (local.pull, local.pull_error) = (Backoff::default(), String::new());
            return;
        };
        metrics.iter().for_each(|metrics| metrics.failed.inc());
        let retry_ms = match failed.reason.as_str() {
            // The container counts as crashed, and its own back-off holds it.
            "RunContainerError" => now_ms,
            // Sooner than it is pulled it is looked whether it came in another way.
            BACK_OFF => (local.pull.updated_ms() + local.pull.delay_ms()).min(now_ms + RETRY_MS),
            _ if failed.is_pull => {
                local.pull.next(now_ms, now_ms);
                local.pull_error = format!("{}: {}", failed.reason, failed.message);
                now_ms + PULL_SHOWN_MS
            }
            _ => now_ms + RETRY_MS,
        };
        local.failure = Some(Failure { reason: failed.reason, message: failed.message, retry_ms });
    }

    fn probed(&mut self, name: &str, id: &str, kind: ProbeKind, ok: bool) {
        let is_current = self.probing.get(name).is_some_and(|probing| probing.id == id);
        if !is_current {
            return;
        }
        let container = start::container_of(&self.order.pod, name);
        let doom = |what: &str, grace_s: Option<i64>| Doom {
            id: id.to_owned(),
            message: format!("Container {name} failed {what} probe, will be restarted"),
            grace_s,
        };
        let grace = |probe: fn(&Container) -> Option<&masthead_api::core::probe::Probe>| {
            container.and_then(probe).and_then(|probe| probe.termination_grace_period_seconds)
        };
        let local = self.local.containers.entry(name.to_owned()).or_default();
        match (kind, ok) {
            (ProbeKind::Readiness, ok) => local.ready = ok,
            (ProbeKind::Startup, true) => local.started = true,
            (ProbeKind::Startup, false) => local.doom = Some(doom("startup", grace(|c| c.startup_probe.as_ref()))),
            (ProbeKind::Liveness, true) => {}
            (ProbeKind::Liveness, false) => local.doom = Some(doom("liveness", grace(|c| c.liveness_probe.as_ref()))),
        }
    }

    /// Begins the probes of what runs, and ends those of what does not.
    fn probes(&mut self) {
        let pod = self.order.pod.clone();
        let sidecars = pod.spec.init_containers.iter().filter(|c| crate::pods::convert::resources::is_sidecar(c));
        for container in pod.spec.containers.iter().chain(sidecars) {
            let running = self.observed.current(&container.name).filter(|seen| seen.phase == Phase::Running);
            let Some(seen) = running.cloned() else {
                self.probing.remove(&container.name);
                continue;
            };
            self.settle(container, &seen);
        }
    }

    fn settle(&mut self, container: &Container, seen: &Seen) {
        let name = &container.name;
        let is_hooked = self.hooked.get(name) == Some(&seen.id)
            || container.lifecycle.as_ref().is_none_or(|lifecycle| lifecycle.post_start.is_none());
        let local = self.local.containers.entry(name.clone()).or_default();
        if local.probed != seen.id {
            (local.probed, local.started, local.ready) = (seen.id.clone(), false, false);
        }
        local.started |= is_hooked && container.startup_probe.is_none();
        if local.started && container.readiness_probe.is_none() {
            local.ready = true;
        }
        let (is_started, is_ready) = (local.started, local.ready);
        let is_ending = self.local.ending.is_some();
        if let Some(probing) = self.probing.get(name).filter(|probing| probing.id == seen.id) {
            probing.started.send_if_modified(|known| std::mem::replace(known, is_started) != is_started);
            return;
        }
        if is_ending || !is_hooked {
            return;
        }
        let (started, gate) = watch::channel(is_started);
        let probes = [
            (ProbeKind::Startup, container.startup_probe.as_ref().filter(|_| !is_started), false),
            (ProbeKind::Liveness, container.liveness_probe.as_ref(), true),
            (ProbeKind::Readiness, container.readiness_probe.as_ref(), is_ready),
        ];
        let spawn = |(kind, probe, verdict): (ProbeKind, Option<&masthead_api::core::probe::Probe>, bool)| {
            let (cx, container, id) = (self.cx(), container.clone(), seen.id.clone());
            let (probe, started_ms, started) = (probe?.clone(), seen.started_ms, gate.clone());
            Some(tokio::spawn(probe::run::run(probe::run::Probed {
                cx,
                container,
                id,
                started_ms,
                kind,
                probe,
                verdict,
                started,
            })))
        };
        let tasks = probes.into_iter().filter_map(spawn).collect();
        self.probing.insert(name.clone(), Probing { id: seen.id.clone(), started, tasks });
    }

    fn note(&mut self, note: &Note) {
        let now_ms = self.shared.clock.now_ms();
        if !self.valve.admit(note.reason, now_ms) {
            return;
        }
        self.notes += 1;
        if let Some(event) = event(&self.order.pod, note, &self.shared.node, now_ms, self.notes) {
            self.shared.reporter.event(event);
        }
    }
}

fn hashes(order: &Order) -> BTreeMap<String, String> {
    let spec = &order.pod.spec;
    spec.containers.iter().chain(&spec.init_containers).map(|c| (c.name.clone(), spec_hash(c))).collect()
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
