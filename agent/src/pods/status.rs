//! A pod, what there is of it and what the agent knows of it → the status that Kubernetes shows.
//!
//! Phase and conditions follow the kubelet's `getPhase` and `pkg/kubelet/status/generate.go`.
//! `PodScheduled` is the control plane's and left out.

use masthead_api::core::pod::Pod;
use masthead_api::core::pod_status::{ContainerStatus, HostIP, PodCondition, PodIP, PodStatus};
use masthead_api::meta::time::Time;

use crate::pods::convert::resources::{is_sidecar, qos_class};
use crate::pods::local::Local;
use crate::pods::observe::{Observed, Phase};
use crate::pods::plan::is_finished;
use crate::pods::status_container;
use crate::pods::status_input::Input;

/// The status.
pub fn status(input: Input<'_>) -> PodStatus {
    let Input { pod, observed, local, .. } = input;
    if let Some(over) = local.over.as_ref().filter(|_| !is_finished(pod, observed)) {
        // What told of its end is gone.
        return PodStatus::clone(over);
    }
    let inits = status_container::inits(input);
    let mains = status_container::mains(input);
    let (phase, reason, message) = match &local.ending {
        Some(ending) if !ending.reason.is_empty() => ("Failed", ending.reason.clone(), ending.message.clone()),
        _ => (phase(pod, observed, local, &inits, &mains), String::new(), String::new()),
    };
    let sandbox = observed.sandbox();
    let ips: Vec<String> = match observed.sandboxes.first() {
        Some(_) if pod.spec.host_network => local.host_ips.clone(),
        Some(sandbox) => sandbox.ips.clone(),
        None => Vec::new(),
    };
    let mut status = PodStatus {
        observed_generation: pod.metadata.generation,
        phase: phase.to_owned(),
        reason,
        message,
        host_ip: local.host_ips.first().cloned().unwrap_or_default(),
        host_ips: local.host_ips.iter().map(|ip| HostIP { ip: ip.clone() }).collect(),
        pod_ip: ips.first().cloned().unwrap_or_default(),
        pod_ips: ips.into_iter().map(|ip| PodIP { ip }).collect(),
        start_time: Some(Time(local.start_ms.div_euclid(1000))),
        qos_class: qos_class(pod).to_owned(),
        init_container_statuses: inits,
        container_statuses: mains,
        ..PodStatus::default()
    };
    let now = Time(input.now_ms.div_euclid(1000));
    status.conditions = conditions(pod, &status, sandbox.is_some(), input.before, now);
    status
}

/// How many containers are where, as the kubelet's `getPhase` counts them.
#[derive(Default)]
struct Tally {
    pending_inits: usize,
    failed_inits: usize,
    pending_sidecars: usize,
    mains_running: usize,
    running: usize,
    waiting: usize,
    stopped: usize,
    succeeded: usize,
}

impl Tally {
    fn of(pod: &Pod, inits: &[ContainerStatus], mains: &[ContainerStatus]) -> Self {
        let mut tally = Self::default();
        for status in mains {
            match (&status.state.running, &status.state.terminated, &status.last_state.terminated) {
                (Some(_), ..) => tally.mains_running += 1,
                (None, Some(ended), _) => {
                    tally.stopped += 1;
                    tally.succeeded += usize::from(ended.exit_code == 0);
                }
                (None, None, Some(_)) => tally.stopped += 1,
                (None, None, None) => tally.waiting += 1,
            }
        }
        tally.running = tally.mains_running;
        // Init containers without a record have run when a main container has.
        let has_run = tally.mains_running + tally.stopped > 0;
        for (spec, status) in pod.spec.init_containers.iter().zip(inits) {
            let (is_running, last) = (status.state.running.is_some(), &status.last_state.terminated);
            let ended = status.state.terminated.as_ref().or(last.as_ref());
            match (is_sidecar(spec), ended) {
                (false, _) if is_running => tally.pending_inits += 1,
                (false, Some(ended)) => tally.failed_inits += usize::from(ended.exit_code != 0),
                (false, None) => tally.pending_inits += usize::from(!has_run),
                (true, _) if is_running => {
                    tally.pending_sidecars += usize::from(status.started != Some(true));
                    tally.running += 1;
                }
                // One that has ended counts for nothing.
                (true, Some(_)) => {}
                (true, None) => {
                    tally.pending_sidecars += 1;
                    tally.waiting += 1;
                }
            }
        }
        tally
    }
}

/// The phase, from the statuses of all containers.
fn phase(
    pod: &Pod,
    observed: &Observed,
    local: &Local,
    inits: &[ContainerStatus],
    mains: &[ContainerStatus],
) -> &'static str {
    let policy = pod.spec.restart_policy.as_str();
    let tally = Tally::of(pod, inits, mains);
    if tally.failed_inits > 0 && policy == "Never" {
        return "Failed";
    }
    let is_initializing = tally.pending_inits > 0 || tally.pending_sidecars > 0 && tally.mains_running == 0;
    // A container that never ran keeps the pod pending, whatever the others do.
    if is_initializing || tally.waiting > 0 {
        return "Pending";
    }
    match (tally.running, tally.stopped) {
        (1.., _) => "Running",
        (0, 0) => "Pending",
        // A deleted pod ends, whatever its policy says.
        _ if local.ending.is_some() && !observed.all().any(|(_, seen)| seen.phase == Phase::Running) => {
            if tally.stopped == tally.succeeded { "Succeeded" } else { "Failed" }
        }
        _ if policy == "Always" => "Running",
        _ if tally.stopped == tally.succeeded => "Succeeded",
        _ if policy == "Never" => "Failed",
        _ => "Running",
    }
}

struct Verdict {
    is_true: bool,
    reason: &'static str,
    message: String,
}

impl Verdict {
    fn yes() -> Self {
        Self { is_true: true, reason: "", message: String::new() }
    }

    fn no(reason: &'static str, message: String) -> Self {
        Self { is_true: false, reason, message }
    }
}

fn conditions(
    pod: &Pod,
    status: &PodStatus,
    sandbox: bool,
    before: Option<&PodStatus>,
    now: Time,
) -> Vec<PodCondition> {
    let ready_to_start = if sandbox { Verdict::yes() } else { Verdict::no("", String::new()) };
    let containers = containers_ready(pod, status);
    let ready = ready(pod, &containers, before);
    let verdicts = [
        ("PodReadyToStartContainers", ready_to_start),
        ("Initialized", initialized(pod, status)),
        ("Ready", ready),
        ("ContainersReady", containers),
    ];
    let make = |(kind, verdict): (&str, Verdict)| {
        let value = if verdict.is_true { "True" } else { "False" };
        let known = before.and_then(|status| status.conditions.iter().find(|c| c.type_ == kind));
        let since = known.filter(|known| known.status == value).and_then(|known| known.last_transition_time);
        PodCondition {
            type_: kind.to_owned(),
            observed_generation: pod.metadata.generation,
            status: value.to_owned(),
            last_transition_time: Some(since.unwrap_or(now)),
            reason: verdict.reason.to_owned(),
            message: verdict.message,
            ..PodCondition::default()
        }
    };
    verdicts.into_iter().map(make).collect()
}

/// Go's `%v` of a list.
fn listed(names: &[&str]) -> String {
    format!("[{}]", names.join(" "))
}

fn initialized(pod: &Pod, status: &PodStatus) -> Verdict {
    let begun = status
        .container_statuses
        .iter()
        .any(|c| c.state.running.is_some() || c.state.terminated.is_some() || c.last_state.terminated.is_some());
    let incomplete: Vec<&str> = pod
        .spec
        .init_containers
        .iter()
        .zip(&status.init_container_statuses)
        .filter(|(spec, c)| if is_sidecar(spec) { c.started != Some(true) } else { !c.ready })
        .map(|(spec, _)| spec.name.as_str())
        .collect();
    if status.phase == "Succeeded" {
        return Verdict { is_true: true, reason: "PodCompleted", message: String::new() };
    }
    // Once a main container was begun, what comes before it has been done.
    if incomplete.is_empty() || begun {
        return Verdict::yes();
    }
    Verdict::no("ContainersNotInitialized", format!("containers with incomplete status: {}", listed(&incomplete)))
}

fn containers_ready(pod: &Pod, status: &PodStatus) -> Verdict {
    match status.phase.as_str() {
        "Succeeded" => return Verdict::no("PodCompleted", String::new()),
        "Failed" => return Verdict::no("PodFailed", String::new()),
        _ => {}
    }
    let sidecars = pod
        .spec
        .init_containers
        .iter()
        .zip(&status.init_container_statuses)
        .filter(|(spec, _)| is_sidecar(spec))
        .map(|(_, c)| c);
    let unready: Vec<&str> =
        sidecars.chain(&status.container_statuses).filter(|c| !c.ready).map(|c| c.name.as_str()).collect();
    if unready.is_empty() {
        return Verdict::yes();
    }
    Verdict::no("ContainersNotReady", format!("containers with unready status: {}", listed(&unready)))
}

/// Containers are ready, and so say the conditions that the pod asks for; others set those.
fn ready(pod: &Pod, containers: &Verdict, before: Option<&PodStatus>) -> Verdict {
    if !containers.is_true {
        return Verdict::no(containers.reason, containers.message.clone());
    }
    let mut messages = Vec::new();
    for gate in &pod.spec.readiness_gates {
        let kind = &gate.condition_type;
        let own = pod.status.conditions.iter().find(|c| c.type_ == *kind);
        match own.or_else(|| before.and_then(|status| status.conditions.iter().find(|c| c.type_ == *kind))) {
            None => messages.push(format!("corresponding condition of pod readiness gate {kind:?} does not exist.")),
            Some(c) if c.status != "True" => {
                messages.push(format!("the status of pod readiness gate {kind:?} is not \"True\", but {}", c.status));
            }
            Some(_) => {}
        }
    }
    if messages.is_empty() { Verdict::yes() } else { Verdict::no("ReadinessGatesNotReady", messages.join(", ")) }
}
