//! A service, its slices and the pods of its namespace → why it has no endpoint that takes traffic.

use std::collections::BTreeMap;

use crate::core::pod::Pod;
use crate::core::service::{Service, ServicePort};
use crate::discovery::endpoint_slice::EndpointSlice;
use crate::intstr::IntOrString;
use crate::table::text::pairs;

/// The annotation of a service that every node answers itself, so that it needs no endpoints.
pub const SERVED_BY: &str = "masthead.dev/served-by";

/// So many pods are named.
const NAMED: usize = 3;

/// Why no traffic can go to a service; `None` when some can, or when it needs no endpoints.
pub fn reason(service: &Service, slices: &[&EndpointSlice], pods: &[Pod]) -> Option<String> {
    let (meta, spec) = (&service.metadata, &service.spec);
    let served = slices.iter().any(|slice| slice.endpoints.iter().any(|e| e.conditions.ready != Some(false)));
    if spec.type_ == "ExternalName" || served || meta.annotations.contains_key(SERVED_BY) {
        return None;
    }
    if spec.selector.is_empty() {
        return Some(if slices.iter().any(|slice| !slice.endpoints.is_empty()) {
            "no endpoint in its EndpointSlices is ready".to_owned()
        } else {
            format!(
                "it has no selector, and no EndpointSlice with endpoints has the label kubernetes.io/service-name={}",
                meta.name
            )
        });
    }
    let here: Vec<&Pod> = pods.iter().filter(|pod| pod.metadata.namespace == meta.namespace).collect();
    let selected: Vec<&Pod> = here
        .iter()
        .copied()
        .filter(|pod| matches(&spec.selector, &pod.metadata.labels) == spec.selector.len())
        .collect();
    if selected.is_empty() {
        return Some(nothing_selected(service, &here));
    }
    let faults: Vec<(&str, String)> =
        selected.iter().filter_map(|pod| Some((pod.metadata.name.as_str(), fault(pod)?))).collect();
    if faults.len() == selected.len() {
        let named: Vec<String> = faults.iter().take(NAMED).map(|(name, why)| format!("{name} {why}")).collect();
        let more = if faults.len() > NAMED { format!("; and {} more", faults.len() - NAMED) } else { String::new() };
        let count = match selected.len() {
            1 => "the one pod that it selects is not ready".to_owned(),
            count => format!("of {count} pods that it selects none is ready"),
        };
        return Some(format!("{count}: {}{more}", named.join("; ")));
    }
    let missing = spec.ports.iter().find_map(|port| missing_port(port, &selected));
    Some(missing.unwrap_or_else(|| "its pods became ready a moment ago".to_owned()))
}

/// How many of the selector's pairs the labels have.
fn matches(selector: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> usize {
    selector.iter().filter(|(key, value)| labels.get(*key) == Some(value)).count()
}

fn nothing_selected(service: &Service, pods: &[&Pod]) -> String {
    let selector = &service.spec.selector;
    let namespace = &service.metadata.namespace;
    let text = format!("no pod in namespace {namespace} has the labels {}", pairs(selector));
    // The one with the most pairs in common, or at least with the keys.
    let common = |pod: &&&Pod| {
        let labels = &pod.metadata.labels;
        (matches(selector, labels), selector.keys().filter(|key| labels.contains_key(*key)).count())
    };
    let nearest = pods.iter().filter(|pod| common(pod) != (0, 0)).max_by_key(common);
    let Some(pod) = nearest else {
        return if pods.is_empty() { format!("{text}; there is no pod at all in it") } else { text };
    };
    let differs: Vec<String> = selector
        .iter()
        .filter(|(key, value)| pod.metadata.labels.get(*key) != Some(value))
        .map(|(key, _)| match pod.metadata.labels.get(key) {
            Some(other) => format!("{key}={other}"),
            None => format!("no label {key}"),
        })
        .collect();
    format!("{text}; the nearest is pod {}, which has {}", pod.metadata.name, differs.join(" and "))
}

/// Why a pod takes no traffic.
fn fault(pod: &Pod) -> Option<String> {
    let condition = |kind: &str| pod.status.conditions.iter().find(|c| c.type_ == kind);
    if pod.metadata.deletion_timestamp.is_some() {
        return Some("is being deleted".to_owned());
    }
    if matches!(pod.status.phase.as_str(), "Succeeded" | "Failed") {
        return Some(format!("has ended ({})", pod.status.phase));
    }
    if let Some(unscheduled) = condition("PodScheduled").filter(|c| c.status == "False") {
        return Some(format!("has no node ({})", unscheduled.message));
    }
    if condition("Ready").is_some_and(|c| c.status == "True") {
        return pod.status.pod_ip.is_empty().then(|| "has no address yet".to_owned());
    }
    let waiting = pod.status.container_statuses.iter().find_map(|c| {
        let state = c.state.waiting.as_ref()?;
        (!state.reason.is_empty()).then(|| format!("waits: container {}: {}", c.name, state.reason))
    });
    let unready = || condition("Ready").map(|c| c.message.as_str()).filter(|message| !message.is_empty());
    Some(waiting.or_else(|| unready().map(|why| format!("is not ready ({why})"))).unwrap_or_else(|| {
        let phase = if pod.status.phase.is_empty() { "Pending" } else { &pod.status.phase };
        format!("is not ready (phase {phase})")
    }))
}

/// A target port by name that no pod has.
fn missing_port(port: &ServicePort, pods: &[&Pod]) -> Option<String> {
    let IntOrString::String(name) = &port.target_port else { return None };
    let known = |pod: &&Pod| {
        let containers = pod.spec.containers.iter().chain(&pod.spec.init_containers);
        containers.flat_map(|c| &c.ports).any(|p| p.name == *name && p.protocol == port.protocol)
    };
    (!pods.iter().any(known))
        .then(|| format!("no container of the pods that it selects has a port named {name:?} ({})", port.protocol))
}

#[cfg(test)]
mod tests {
    use super::reason;
    use crate::core::pod::Pod;
    use crate::core::service::Service;
    use crate::discovery::endpoint_slice::EndpointSlice;
    use serde_json::{Value, json};

    fn pod(name: &str, labels: Value, status: Value) -> Value {
        json!({"metadata": {"name": name, "namespace": "n", "labels": labels}, "status": status,
            "spec": {"containers": [{"name": "c", "ports": [{"name": "web", "containerPort": 80, "protocol": "TCP"}]}]}})
    }

    fn check(spec: Value, slices: Value, pods: &[Value], expect: Option<&str>) {
        let service: Service =
            serde_json::from_value(json!({"metadata": {"name": "s", "namespace": "n"}, "spec": spec})).unwrap();
        let slices: Vec<EndpointSlice> = serde_json::from_value(slices).unwrap();
        let pods: Vec<Pod> = pods.iter().map(|pod| serde_json::from_value(pod.clone()).unwrap()).collect();
        let got = reason(&service, &slices.iter().collect::<Vec<_>>(), &pods);
        assert_eq!(got.as_deref(), expect);
    }

    #[test]
    fn each_reason_says_what_to_look_at() {
        let selecting = || json!({"selector": {"app": "web", "tier": "x"}});
        let mine = || json!({"app": "web", "tier": "x"});
        let ready =
            json!({"phase": "Running", "podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]});
        let unready = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False",
            "message": "containers with unready status: [c]"}]});
        let crashing = json!({"phase": "Running", "containerStatuses": [{"name": "c",
            "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]});
        let unscheduled = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
            "message": "0/1 nodes are available"}]});
        let one = |is_ready: bool| {
            json!([{"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"],
            "conditions": {"ready": is_ready}}]}])
        };
        check(json!({"type": "ExternalName"}), json!([]), &[], None);
        check(selecting(), one(true), &[], None);
        check(
            json!({}),
            json!([]),
            &[],
            Some("it has no selector, and no EndpointSlice with endpoints has the label kubernetes.io/service-name=s"),
        );
        check(json!({}), one(false), &[], Some("no endpoint in its EndpointSlices is ready"));
        check(
            selecting(),
            json!([]),
            &[],
            Some("no pod in namespace n has the labels app=web,tier=x; there is no pod at all in it"),
        );
        check(
            selecting(),
            json!([]),
            &[pod("far", json!({"q": "r"}), json!({})), pod("near", json!({"app": "wbe"}), json!({}))],
            Some(
                "no pod in namespace n has the labels app=web,tier=x; the nearest is pod near, which has app=wbe and no label tier",
            ),
        );
        check(
            selecting(),
            one(false),
            &[
                pod("a", mine(), unready),
                pod("b", mine(), unscheduled),
                pod("c", mine(), crashing),
                pod("d", mine(), json!({})),
            ],
            Some(
                "of 4 pods that it selects none is ready: a is not ready (containers with unready status: [c]); b has no \
                 node (0/1 nodes are available); c waits: container c: CrashLoopBackOff; and 1 more",
            ),
        );
        let mut port = selecting();
        port["ports"] = json!([{"port": 80, "targetPort": "http", "protocol": "TCP"}]);
        check(
            port,
            json!([]),
            &[pod("a", mine(), ready)],
            Some("no container of the pods that it selects has a port named \"http\" (TCP)"),
        );
    }
}
