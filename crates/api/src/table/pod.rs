//! Pods to the row that `get` prints, with the one word that sums up a pod.

use serde_json::Value;

use crate::core::pod::Pod;
use crate::core::pod_status::{ContainerStateTerminated, ContainerStatus};
use crate::meta::time::Time;
use crate::table::age::since;
use crate::table::column::{AGE, Column, NAME, Printed, column, or_none, wide};

/// A pod in a line: ready containers, its state in a word, restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Containers that are ready, sidecars included.
    pub ready: usize,
    /// Containers that should be.
    pub total: usize,
    /// As in `Running`, `Init:0/2`, `CrashLoopBackOff`, `Terminating`.
    pub reason: String,
    /// Restarts of the containers that count at this stage.
    pub restarts: i32,
    /// When one of them last ended.
    pub last_restart: Option<Time>,
}

/// Restarts and the last of them.
#[derive(Clone, Copy, Default)]
struct Restarts {
    count: i32,
    last: Option<Time>,
}

impl Restarts {
    fn add(&mut self, status: &ContainerStatus) {
        self.count += status.restart_count;
        let ended = status.last_state.terminated.as_ref().and_then(|t| t.finished_at);
        self.last = self.last.max(ended);
    }
}

/// Sums a pod up.
pub fn summary(pod: &Pod) -> Summary {
    let status = &pod.status;
    let mut reason = if status.reason.is_empty() { status.phase.clone() } else { status.reason.clone() };
    if status.conditions.iter().any(|c| c.type_ == "PodScheduled" && c.reason == "SchedulingGated") {
        reason = "SchedulingGated".to_owned();
    }
    let sidecar = |name: &str| {
        pod.spec.init_containers.iter().any(|c| c.name == name && c.restart_policy.as_deref() == Some("Always"))
    };
    let total = pod.spec.containers.len() + pod.spec.init_containers.iter().filter(|c| sidecar(&c.name)).count();
    let mut ready = 0;
    let (mut all, mut sidecars) = (Restarts::default(), Restarts::default());
    let mut initializing = false;
    for (i, container) in status.init_container_statuses.iter().enumerate() {
        all.add(container);
        let is_sidecar = sidecar(&container.name);
        if is_sidecar {
            sidecars.add(container);
        }
        if container.state.terminated.as_ref().is_some_and(|t| t.exit_code == 0) {
            continue;
        }
        if is_sidecar && container.started == Some(true) {
            ready += usize::from(container.ready);
            continue;
        }
        let waiting = container.state.waiting.as_ref().map_or("", |w| w.reason.as_str());
        reason = match &container.state.terminated {
            Some(ended) => format!("Init:{}", ending(ended)),
            None if !waiting.is_empty() && waiting != "PodInitializing" => format!("Init:{waiting}"),
            None => format!("Init:{i}/{}", pod.spec.init_containers.len()),
        };
        initializing = true;
        break;
    }
    let is_true = |kind: &str| status.conditions.iter().any(|c| c.type_ == kind && c.status == "True");
    if !initializing || is_true("Initialized") {
        all = sidecars;
        let mut running = false;
        let mut failed = None;
        for container in status.container_statuses.iter().rev() {
            all.add(container);
            let state = &container.state;
            match (&state.waiting, &state.terminated) {
                (Some(waiting), _) if !waiting.reason.is_empty() => reason.clone_from(&waiting.reason),
                (_, Some(ended)) => {
                    reason = ending(ended);
                    if ended.exit_code != 0 {
                        failed = Some(reason.clone());
                    }
                }
                _ if container.ready && state.running.is_some() => {
                    running = true;
                    ready += 1;
                }
                _ => {}
            }
        }
        if reason == "Completed" {
            reason = match failed {
                _ if running && is_true("Ready") => "Running".to_owned(),
                Some(why) => why,
                None if running => "NotReady".to_owned(),
                None => reason,
            };
        }
    }
    if pod.metadata.deletion_timestamp.is_some() {
        if status.reason == "NodeLost" {
            reason = "Unknown".to_owned();
        } else if !["Succeeded", "Failed"].contains(&status.phase.as_str()) {
            reason = "Terminating".to_owned();
        }
    }
    Summary { ready, total, reason, restarts: all.count, last_restart: all.last }
}

fn ending(ended: &ContainerStateTerminated) -> String {
    match (ended.reason.as_str(), ended.signal) {
        ("", 0) => format!("ExitCode:{}", ended.exit_code),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

impl Printed for Pod {
    const COLUMNS: &'static [Column] = &[
        NAME,
        column("Ready", "Containers that are ready, of all."),
        column("Status", "Its state in a word."),
        column("Restarts", "How often its containers were restarted, and when last."),
        AGE,
        wide("IP", "The address of the pod."),
        wide("Node", "The node that it runs on."),
        wide("Nominated Node", "The node on which room is made for it."),
        wide("Readiness Gates", "Conditions that hold, of those it waits for."),
    ];

    fn cells(&self, now: Time) -> Vec<Value> {
        let sum = summary(self);
        let restarts = match sum.last_restart {
            Some(last) if sum.restarts != 0 => format!("{} ({} ago)", sum.restarts, since(Some(last), now)),
            _ => sum.restarts.to_string(),
        };
        let gates = &self.spec.readiness_gates;
        let holds = |kind: &String| {
            self.status.conditions.iter().find(|c| c.type_ == *kind).is_some_and(|c| c.status == "True")
        };
        let open = gates.iter().filter(|gate| holds(&gate.condition_type)).count();
        let gates = if gates.is_empty() { "<none>".to_owned() } else { format!("{open}/{}", gates.len()) };
        vec![
            self.metadata.name.as_str().into(),
            format!("{}/{}", sum.ready, sum.total).into(),
            sum.reason.into(),
            restarts.into(),
            since(self.metadata.creation_timestamp, now).into(),
            or_none(self.status.pod_ips.first().map_or("", |ip| &ip.ip)),
            or_none(&self.spec.node_name),
            or_none(&self.status.nominated_node_name),
            gates.into(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::summary;

    #[test]
    fn of_ended_containers_the_failure_is_told() {
        let done = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
        let failed = json!({"terminated": {"exitCode": 2, "reason": "Error"}});
        let odd = json!({"terminated": {"exitCode": 143, "reason": "Completed"}});
        let running = json!({"running": {}});
        for (states, is_ready, expect) in [
            (vec![&done], false, "Completed"),
            (vec![&done, &failed], false, "Error"),
            (vec![&failed, &done], false, "Error"),
            (vec![&done, &failed, &running], true, "Running"),
            (vec![&done, &failed, &running], false, "Error"),
            (vec![&done, &running], false, "NotReady"),
            (vec![&odd, &running], false, "Completed"),
        ] {
            let container = |state: &&Value| json!({"name": "c", "image": "i", "imageID": "", "ready": true, "restartCount": 0, "state": state});
            let pod = json!({"metadata": {}, "spec": {"containers": []}, "status": {
                "phase": "Running", "conditions": [{"type": "Ready", "status": if is_ready { "True" } else { "False" }}],
                "containerStatuses": states.iter().map(container).collect::<Vec<_>>()}});
            assert_eq!(summary(&serde_json::from_value(pod).unwrap()).reason, expect, "{states:?}");
        }
    }
}
