//! One container of the manifest and what there is of it → its status, as the kubelet's `convertToAPIContainerStatuses`.

use masthead_api::core::container::Container;
use masthead_api::core::pod_status::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus,
};
use masthead_api::meta::time::Time;

use crate::pods::convert::resources::is_sidecar;
use crate::pods::local::Busy;
use crate::pods::observe::{Phase, Seen};
use crate::pods::status_input::Input;

/// The exit code of a container of which nothing is left.
const LOST_EXIT_CODE: i32 = 137;

/// Statuses of the init containers, in the manifest's order.
pub fn inits(input: Input<'_>) -> Vec<ContainerStatus> {
    input.pod.spec.init_containers.iter().map(|container| one(input, container, true)).collect()
}

/// Statuses of the main containers, in the manifest's order.
pub fn mains(input: Input<'_>) -> Vec<ContainerStatus> {
    input.pod.spec.containers.iter().map(|container| one(input, container, false)).collect()
}

fn one(input: Input<'_>, container: &Container, is_init: bool) -> ContainerStatus {
    let name = container.name.as_str();
    let local = input.local.container(name);
    let list = input.observed.containers.get(name).map_or(&[][..], Vec::as_slice);
    let newest = list.first();
    let older = list.get(1).filter(|seen| seen.phase == Phase::Exited).map(|seen| terminated(input, seen));
    let held = input.plan.held.get(name).map(|held| (held.reason.clone(), held.message.clone()));
    let trouble = held.or_else(|| local.failure.map(|failure| (failure.reason, failure.message)));
    let told = input.before.and_then(|before| {
        let mut all = before.init_container_statuses.iter().chain(&before.container_statuses);
        all.find(|status| status.name == name)
    });
    let id = newest.map(|seen| container_id(input, seen)).unwrap_or_default();
    let (mut state, mut last_state) = (ContainerState::default(), ContainerState::default());
    last_state.terminated = older.or_else(|| told.and_then(|told| last_told(told, &id)));
    match newest {
        Some(seen) if seen.phase == Phase::Running => {
            state.running = Some(ContainerStateRunning { started_at: time(seen.started_ms) });
        }
        Some(seen) if seen.phase == Phase::Exited => match trouble {
            Some((reason, message)) if input.local.ending.is_none() => {
                state.waiting = Some(ContainerStateWaiting { reason, message });
                last_state.terminated = Some(terminated(input, seen));
            }
            _ => state.terminated = Some(terminated(input, seen)),
        },
        _ if is_over(input) => {
            state.terminated = Some(lost("The container could not be located when the pod was terminated"))
        }
        _ => {
            // Init containers too, as tables expect: `Init:0/2` is what waits for nothing else.
            let is_initializing = !input.pod.spec.init_containers.is_empty();
            let reason = if is_initializing { "PodInitializing" } else { "ContainerCreating" };
            let (reason, message) = trouble.unwrap_or_else(|| (reason.to_owned(), String::new()));
            state.waiting = Some(ContainerStateWaiting { reason, message });
        }
    }
    // What was told once is not taken back when the last container of the pod is removed.
    let told = told.map_or(0, |told| u32::try_from(told.restart_count).unwrap_or(0));
    let running = newest.filter(|seen| seen.phase == Phase::Running);
    let is_probed = running.is_some_and(|seen| seen.id == local.probed);
    let (started, ready) = if is_init && !is_sidecar(container) {
        // It has no probes.
        (running.is_some(), newest.is_some_and(|seen| seen.phase == Phase::Exited && seen.exit_code == 0))
    } else {
        // One that is stopped to be made anew is ready no more; in a pod that ends it may still serve.
        let is_replaced = local.busy == Some(Busy::Stopping) && input.local.ending.is_none();
        (is_probed && local.started, is_probed && local.started && local.ready && !is_replaced)
    };
    ContainerStatus {
        name: name.to_owned(),
        state,
        last_state,
        ready,
        restart_count: newest.map_or_else(|| local.begun.max(told), |seen| seen.attempt).try_into().unwrap_or(i32::MAX),
        image: newest
            .map(|seen| seen.image.clone())
            .filter(|image| !image.is_empty())
            .unwrap_or_else(|| container.image.clone()),
        image_id: newest.map(|seen| seen.image_ref.clone()).unwrap_or_default(),
        container_id: id,
        started: Some(started),
        ..ContainerStatus::default()
    }
}

/// Whether the pod was ended and nothing of it will start any more.
fn is_over(input: Input<'_>) -> bool {
    input.local.ending.is_some()
        && !input.observed.is_alive()
        && input.local.containers.values().all(|c| c.busy.is_none())
}

/// How the container before this one ended, where the runtime has no record of it: a node that lost its power has none.
fn last_told(told: &ContainerStatus, id: &str) -> Option<ContainerStateTerminated> {
    match &told.state {
        _ if told.container_id == id => told.last_state.terminated.clone(),
        ContainerState { terminated: Some(terminated), .. } => Some(terminated.clone()),
        ContainerState { running: Some(_), .. } => {
            Some(lost("The container could not be located when the pod was deleted.  The container used to be Running"))
        }
        _ => told.last_state.terminated.clone(),
    }
}

fn lost(message: &str) -> ContainerStateTerminated {
    ContainerStateTerminated {
        exit_code: LOST_EXIT_CODE,
        reason: "ContainerStatusUnknown".to_owned(),
        message: message.to_owned(),
        ..ContainerStateTerminated::default()
    }
}

fn terminated(input: Input<'_>, seen: &Seen) -> ContainerStateTerminated {
    let reason = match (seen.reason.as_str(), seen.exit_code) {
        ("", 0) => "Completed",
        ("", _) => "Error",
        (reason, _) => reason,
    };
    ContainerStateTerminated {
        exit_code: seen.exit_code,
        reason: reason.to_owned(),
        message: seen.message.clone(),
        started_at: time(seen.started_ms),
        finished_at: time(seen.finished_ms),
        container_id: container_id(input, seen),
        ..ContainerStateTerminated::default()
    }
}

fn container_id(input: Input<'_>, seen: &Seen) -> String {
    format!("{}://{}", input.runtime, seen.id)
}

fn time(ms: i64) -> Option<Time> {
    (ms > 0).then(|| Time(ms.div_euclid(1000)))
}
