//! A pod, what there is of it and what the agent knows of it → the steps to begin now, each with its reason.
//!
//! The rules are those of the kubelet's `computePodActions` and `killContainersWithSyncResult`.
//! What is under way is part of the view, so a step is never planned twice.

use std::collections::BTreeMap;

use masthead_api::core::container::Container;
use masthead_api::core::pod::Pod;

use crate::pods::backoff::go_seconds;
use crate::pods::convert::resources::is_sidecar;
use crate::pods::local::{Busy, Ending, Failure, Local, Stage};
use crate::pods::observe::{Observed, Phase, Seen};
use crate::pods::usage;

/// Dead containers of a name that are kept for `logs --previous` and the last state.
const KEPT: usize = 2;
/// What a container has between the stop signal and the kill at the least, in seconds, when its pod had more (the kubelet's
/// `minimumGracePeriodInSeconds`).
pub const GRACE_MIN_S: i64 = 2;

/// What a decision is made from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// What there is of it.
    pub observed: &'a Observed,
    /// What the agent knows of it.
    pub local: &'a Local,
    /// Digests of the pod's containers by name (`convert::container::spec_hash`).
    pub hashes: &'a BTreeMap<String, String>,
    /// Milliseconds since 1970.
    pub now_ms: i64,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The pod has used up its time: end it.
    Fail(Ending),
    /// Look how much disk space the pod uses.
    Measure,
    /// Fill and mount the volumes.
    PrepareVolumes,
    /// Make a sandbox.
    RunSandbox {
        /// Counts the pod's sandboxes.
        attempt: u32,
    },
    /// Have the image, make the container, run its program.
    Start {
        /// The container.
        name: String,
        /// Counts the containers of this name.
        attempt: u32,
        /// When its predecessor ended, if it crashed.
        crashed_ms: Option<i64>,
    },
    /// Run the hook, ask the container to stop, kill it after the grace.
    Stop {
        /// The container.
        name: String,
        /// Its id.
        id: String,
        /// Seconds.
        grace_s: i64,
        /// The event's message.
        message: String,
    },
    /// Remove a dead container.
    Remove {
        /// Its id.
        id: String,
    },
    /// Remove a sandbox that was replaced.
    RemoveSandbox {
        /// Its id.
        id: String,
    },
    /// Stop the sandbox and give its address back; its dead containers stay.
    StopSandbox,
    /// Remove every trace of the pod.
    Cleanup,
}

/// A container that must wait for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its waiting reason.
    pub reason: String,
    /// Its waiting message.
    pub message: String,
}

/// What to do now and when to look again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// To be begun, each with its reason.
    pub steps: Vec<(Step, &'static str)>,
    /// Containers that crashed and wait.
    pub held: BTreeMap<String, Held>,
    /// When something becomes due; milliseconds since 1970.
    pub wake_ms: Option<i64>,
}

impl Plan {
    fn push(&mut self, step: Step, why: &'static str) {
        self.steps.push((step, why));
    }

    fn wake(&mut self, at_ms: i64) {
        self.wake_ms = Some(self.wake_ms.map_or(at_ms, |known| known.min(at_ms)));
    }
}

/// `name_namespace(uid)`, as the kubelet's messages call a pod.
pub fn pod_text(pod: &Pod) -> String {
    format!("{}_{}({})", pod.metadata.name, pod.metadata.namespace, pod.metadata.uid)
}

/// What to begin now.
pub fn plan(view: View<'_>) -> Plan {
    let mut plan = Plan::default();
    if view.local.ending.is_some() {
        ending(view, &mut plan);
        return plan;
    }
    if view.local.over.is_some() || is_finished(view.pod, view.observed) {
        wind_down(view, &mut plan);
        return plan;
    }
    if let Some(seconds) = view.pod.spec.active_deadline_seconds {
        let due_ms = view.local.start_ms.saturating_add(seconds.saturating_mul(1000));
        if view.now_ms >= due_ms {
            plan.push(Step::Fail(deadline(view)), "activeDeadlineSeconds has passed");
            return plan;
        }
        plan.wake(due_ms);
    }
    if usage::is_bounded(view.pod) && disk(view, &mut plan) {
        return plan;
    }
    let volumes = volumes(view, &mut plan);
    match view.observed.sandbox() {
        None => sandbox(view, &mut plan, volumes),
        Some(_) => containers(view, &mut plan, volumes),
    }
    garbage(view, &mut plan);
    plan
}

fn deadline(view: View<'_>) -> Ending {
    Ending {
        grace_s: view.pod.spec.termination_grace_period_seconds.unwrap_or(30),
        since_ms: view.now_ms,
        removed: false,
        reason: "DeadlineExceeded".to_owned(),
        message: "Pod was active on the node longer than the specified deadline".to_owned(),
    }
}

/// Ends a pod that takes more disk space than it may, and has it measured in time; says whether it ends.
fn disk(view: View<'_>, plan: &mut Plan) -> bool {
    if let Some(message) = usage::excess(view.pod, &view.local.usage) {
        let (since_ms, reason) = (view.now_ms, "Evicted".to_owned());
        let ending = Ending { grace_s: 0, since_ms, removed: false, reason, message };
        plan.push(Step::Fail(ending), "the pod takes more disk space than it may");
        return true;
    }
    match view.local.measuring {
        Stage::Busy => {}
        _ if view.observed.sandbox().is_none() => {}
        _ if view.now_ms >= view.local.measure_ms => plan.push(Step::Measure, "the pod's disk space is bounded"),
        _ => plan.wake(view.local.measure_ms),
    }
    false
}

/// Whether every container has ended for good.
pub fn is_finished(pod: &Pod, observed: &Observed) -> bool {
    let policy = pod.spec.restart_policy.as_str();
    let exit =
        |c: &Container| observed.newest(&c.name).filter(|seen| seen.phase == Phase::Exited).map(|seen| seen.exit_code);
    if policy == "Never"
        && pod.spec.init_containers.iter().filter(|c| !is_sidecar(c)).any(|c| exit(c).is_some_and(|code| code != 0))
    {
        return true;
    }
    let ended = |c: &Container| match exit(c) {
        None => false,
        Some(code) => policy == "Never" || policy == "OnFailure" && code == 0,
    };
    !pod.spec.containers.is_empty() && pod.spec.containers.iter().all(ended)
}

/// Whether the volumes are ready for containers.
fn volumes(view: View<'_>, plan: &mut Plan) -> bool {
    match &view.local.volumes {
        Stage::Done => return true,
        Stage::Busy => {}
        Stage::Idle => plan.push(Step::PrepareVolumes, "containers need the pod's volumes"),
        Stage::Failed(failure) => {
            if is_due(view, plan, failure) {
                plan.push(Step::PrepareVolumes, "the volumes failed before");
            }
        }
    }
    false
}

fn is_due(view: View<'_>, plan: &mut Plan, failure: &Failure) -> bool {
    if view.now_ms < failure.retry_ms {
        plan.wake(failure.retry_ms);
        return false;
    }
    true
}

/// There is no sandbox in which anything can run.
fn sandbox(view: View<'_>, plan: &mut Plan, volumes: bool) {
    let mut alive = false;
    for (name, seen) in view.observed.all().filter(|(_, seen)| seen.phase == Phase::Running) {
        alive = true;
        stop(
            view,
            plan,
            name,
            seen,
            "Pod sandbox changed, it will be killed and re-created.",
            "its sandbox is gone",
            None,
        );
    }
    if alive || !volumes {
        return;
    }
    let attempt = view.observed.sandboxes.first().map_or(0, |sandbox| sandbox.attempt + 1);
    match &view.local.sandbox {
        Stage::Busy => {}
        Stage::Idle | Stage::Done => plan.push(Step::RunSandbox { attempt }, "the pod has no ready sandbox"),
        Stage::Failed(failure) => {
            if is_due(view, plan, failure) {
                plan.push(Step::RunSandbox { attempt }, "the sandbox failed before");
            }
        }
    }
}

fn containers(view: View<'_>, plan: &mut Plan, volumes: bool) {
    let spec = &view.pod.spec;
    let begun = spec.containers.iter().any(|c| view.observed.current(&c.name).is_some());
    for init in &spec.init_containers {
        let done = if is_sidecar(init) {
            keep(view, plan, volumes, init, "Always");
            let current = view.observed.current(&init.name);
            current.is_some_and(|seen| seen.phase == Phase::Running && view.local.container(&init.name).started)
        } else if begun {
            true
        } else {
            let policy = match view.observed.current(&init.name) {
                // What it did in an earlier sandbox does not count in this one.
                None => "Always",
                Some(_) if spec.restart_policy == "Never" => "Never",
                Some(_) => "OnFailure",
            };
            keep(view, plan, volumes, init, policy);
            view.observed.current(&init.name).is_some_and(|seen| seen.phase == Phase::Exited && seen.exit_code == 0)
        };
        if !done && !begun {
            return;
        }
    }
    for container in &spec.containers {
        keep(view, plan, volumes, container, &spec.restart_policy);
    }
    // Containers that the manifest does not know any more.
    let known = |name: &str| spec.containers.iter().chain(&spec.init_containers).any(|c| c.name == name);
    for (name, seen) in view.observed.all().filter(|(name, seen)| seen.phase == Phase::Running && !known(name)) {
        stop(view, plan, name, seen, &format!("Stopping container {name}"), "the manifest does not name it", None);
    }
}

/// Brings one container to where its manifest and its restart policy want it.
fn keep(view: View<'_>, plan: &mut Plan, volumes: bool, container: &Container, policy: &str) {
    let name = container.name.as_str();
    let local = view.local.container(name);
    if local.busy.is_some() {
        return;
    }
    let newest = view.observed.newest(name);
    let Some(seen) = view.observed.current(name) else {
        // In an earlier sandbox it may have ended for good.
        if newest.is_none_or(|seen| seen.phase != Phase::Exited || restarts(policy, seen.exit_code)) {
            start(
                view,
                plan,
                volumes,
                name,
                newest.map_or(local.begun, |seen| seen.attempt + 1),
                None,
                "it was never started in this sandbox",
            );
        }
        return;
    };
    match seen.phase {
        Phase::Created => start(view, plan, volumes, name, seen.attempt, None, "it is made and not started"),
        Phase::Running => {
            let wanted = view.hashes.get(name);
            let changed = !seen.spec_hash.is_empty() && wanted.is_some_and(|wanted| *wanted != seen.spec_hash);
            if let Some(doom) = local.doom.filter(|doom| doom.id == seen.id) {
                stop(view, plan, name, seen, &doom.message, "a probe or a hook failed", doom.grace_s);
            } else if changed {
                let message = format!("Container {name} definition changed, will be restarted");
                stop(view, plan, name, seen, &message, "its definition changed", None);
            }
        }
        Phase::Exited if !restarts(policy, seen.exit_code) => {}
        Phase::Exited => match local.crash.holds_until(seen.finished_ms, view.now_ms) {
            Some(until) => {
                plan.wake(until);
                let wait = go_seconds(local.crash.delay_ms());
                let message = format!("back-off {wait} restarting failed container={name} pod={}", pod_text(view.pod));
                plan.held.insert(name.to_owned(), Held { reason: "CrashLoopBackOff".to_owned(), message });
            }
            None => start(
                view,
                plan,
                volumes,
                name,
                seen.attempt + 1,
                Some(seen.finished_ms),
                "it ended and its policy restarts it",
            ),
        },
    }
}

/// Whether a container of a pod that goes on is begun again after this exit.
pub fn is_begun_again(pod: &Pod, name: &str, exit_code: i32) -> bool {
    let policy = pod.spec.restart_policy.as_str();
    let policy = match pod.spec.init_containers.iter().find(|init| init.name == name) {
        Some(init) if is_sidecar(init) => "Always",
        Some(_) if policy != "Never" => "OnFailure",
        _ => policy,
    };
    pod.metadata.deletion_timestamp.is_none() && restarts(policy, exit_code)
}

/// Whether a container that ended with this code is begun again.
fn restarts(policy: &str, exit_code: i32) -> bool {
    match policy {
        "Never" => false,
        "OnFailure" => exit_code != 0,
        _ => true,
    }
}

fn start(
    view: View<'_>,
    plan: &mut Plan,
    volumes: bool,
    name: &str,
    attempt: u32,
    crashed_ms: Option<i64>,
    why: &'static str,
) {
    if !volumes {
        return;
    }
    if let Some(failure) = &view.local.container(name).failure
        && !is_due(view, plan, failure)
    {
        return;
    }
    plan.push(Step::Start { name: name.to_owned(), attempt, crashed_ms }, why);
}

fn stop(
    view: View<'_>,
    plan: &mut Plan,
    name: &str,
    seen: &Seen,
    message: &str,
    why: &'static str,
    grace_s: Option<i64>,
) {
    if view.local.container(name).busy.is_some() {
        return;
    }
    let own = view.pod.spec.termination_grace_period_seconds.unwrap_or(30);
    let grace_s = match &view.local.ending {
        // Sidecars stop after the others, in what is left of the time.
        Some(ending) => (ending.grace_s - (view.now_ms - ending.since_ms) / 1000).max(ending.grace_s.min(GRACE_MIN_S)),
        None => grace_s.unwrap_or(own),
    };
    let (name, id, message) = (name.to_owned(), seen.id.clone(), message.to_owned());
    plan.push(Step::Stop { name, id, grace_s, message }, why);
}

/// The pod has to end.
fn ending(view: View<'_>, plan: &mut Plan) {
    let Some(ending) = &view.local.ending else { return };
    if !wind_down(view, plan) || !ending.removed {
        return;
    }
    match &view.local.cleanup {
        Stage::Idle => plan.push(Step::Cleanup, "the pod is deleted and nothing of it runs"),
        Stage::Failed(failure) => {
            if is_due(view, plan, failure) {
                plan.push(Step::Cleanup, "the cleanup failed before");
            }
        }
        Stage::Busy | Stage::Done => {}
    }
}

/// Stops what runs, sidecars last and in reverse order, then the sandbox; says whether nothing runs.
fn wind_down(view: View<'_>, plan: &mut Plan) -> bool {
    let starting = view.local.containers.values().any(|c| c.busy == Some(Busy::Starting));
    let sidecar = |name: &str| view.pod.spec.init_containers.iter().rposition(|c| is_sidecar(c) && c.name == name);
    let mut sidecars = Vec::new();
    let mut mains = false;
    for (name, seen) in view.observed.all().filter(|(_, seen)| seen.phase == Phase::Running) {
        match sidecar(name) {
            Some(place) => sidecars.push((place, name, seen)),
            None => {
                mains = true;
                stop(view, plan, name, seen, &format!("Stopping container {name}"), "the pod ends", None);
            }
        }
    }
    if mains || starting {
        return false;
    }
    if let Some((_, name, seen)) = sidecars.iter().max_by_key(|(place, ..)| *place) {
        stop(
            view,
            plan,
            name,
            seen,
            &format!("Stopping container {name}"),
            "the pod ends and its main containers have",
            None,
        );
        return false;
    }
    if view.local.volumes == Stage::Busy || view.local.sandbox == Stage::Busy || view.local.sandbox_stop == Stage::Busy
    {
        return false;
    }
    let removed = view.local.ending.as_ref().is_some_and(|ending| ending.removed);
    if !removed && view.observed.sandboxes.iter().any(|sandbox| sandbox.ready) {
        match &view.local.sandbox_stop {
            Stage::Failed(failure) if !is_due(view, plan, failure) => {}
            _ => plan.push(Step::StopSandbox, "nothing will run in it any more"),
        }
    }
    true
}

/// What nobody asks for any more.
fn garbage(view: View<'_>, plan: &mut Plan) {
    let mut kept_sandboxes = Vec::new();
    for list in view.observed.containers.values() {
        kept_sandboxes.extend(list.iter().take(KEPT).map(|seen| seen.sandbox_id.as_str()));
        for seen in list.iter().skip(KEPT).filter(|seen| seen.phase != Phase::Running) {
            if !view.local.removing.contains(&seen.id) {
                plan.push(Step::Remove { id: seen.id.clone() }, "newer ones of its name are dead too");
            }
        }
    }
    for old in view.observed.sandboxes.iter().skip(1) {
        let busy = view.local.removing.contains(&old.id);
        let alive = view.observed.all().any(|(_, seen)| seen.sandbox_id == old.id && seen.phase == Phase::Running);
        if !busy && !alive && !kept_sandboxes.contains(&old.id.as_str()) {
            plan.push(Step::RemoveSandbox { id: old.id.clone() }, "a newer sandbox took its place");
        }
    }
}
