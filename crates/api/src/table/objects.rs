//! Every kind but pods to the row that `get` prints.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::apps::deployment::Deployment;
use crate::apps::replica_set::ReplicaSet;
use crate::coordination::lease::Lease;
use crate::core::config::{ConfigMap, Secret, ServiceAccount};
use crate::core::container::Container;
use crate::core::event::Event;
use crate::core::namespace::Namespace;
use crate::core::node::Node;
use crate::core::service::Service;
use crate::meta::object_meta::ObjectMeta;
use crate::meta::selector::LabelSelector;
use crate::meta::time::{MicroTime, Time};
use crate::table::age::since;
use crate::table::column::{AGE, CONTAINERS, Column, IMAGES, NAME, Printed, column, number, or_none, wide};
use crate::table::text::pairs;

pub(crate) fn age(meta: &ObjectMeta, now: Time) -> Value {
    since(meta.creation_timestamp, now).into()
}

fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> Value {
    texts.collect::<Vec<_>>().join(",").into()
}

pub(in crate::table) fn names_and_images(containers: &[Container]) -> [Value; 2] {
    [joined(containers.iter().map(|c| c.name.as_str())), joined(containers.iter().map(|c| c.image.as_str()))]
}

pub(in crate::table) fn selector(selector: Option<&LabelSelector>) -> Value {
    selector.map_or_else(|| "<none>".to_owned(), ToString::to_string).into()
}

impl Printed for Deployment {
    const COLUMNS: &'static [Column] = &[
        NAME,
        column("Ready", "Ready replicas of those wanted."),
        column("Up-to-date", "Replicas that run the current template."),
        column("Available", "Replicas that have been ready long enough."),
        AGE,
        CONTAINERS,
        IMAGES,
        wide("Selector", "The pods that belong to it."),
    ];

    fn cells(&self, now: Time) -> Vec<Value> {
        let status = &self.status;
        let [names, images] = names_and_images(&self.spec.template.spec.containers);
        vec![
            self.metadata.name.as_str().into(),
            format!("{}/{}", status.ready_replicas, self.spec.replicas.unwrap_or_default()).into(),
            status.updated_replicas.into(),
            status.available_replicas.into(),
            age(&self.metadata, now),
            names,
            images,
            selector(self.spec.selector.as_ref()),
        ]
    }
}

impl Printed for ReplicaSet {
    const COLUMNS: &'static [Column] = &[
        NAME,
        number("Desired", "Replicas that are wanted."),
        number("Current", "Replicas that exist."),
        number("Ready", "Pods that are ready."),
        AGE,
        CONTAINERS,
        IMAGES,
        wide("Selector", "The pods that belong to it."),
    ];

    fn cells(&self, now: Time) -> Vec<Value> {
        let [names, images] = names_and_images(&self.spec.template.spec.containers);
        vec![
            self.metadata.name.as_str().into(),
            self.spec.replicas.unwrap_or_default().into(),
            self.status.replicas.into(),
            self.status.ready_replicas.into(),
            age(&self.metadata, now),
            names,
            images,
            selector(self.spec.selector.as_ref()),
        ]
    }
}

/// Where a service is reached from outside of the cluster.
pub fn external_ip(service: &Service) -> String {
    let spec = &service.spec;
    let given = || spec.external_ips.iter().map(String::as_str);
    let or = |ips: Vec<&str>, nothing: &str| if ips.is_empty() { nothing.to_owned() } else { ips.join(",") };
    match spec.type_.as_str() {
        "ClusterIP" | "NodePort" => or(given().collect(), "<none>"),
        "LoadBalancer" => {
            let ingress = service.status.load_balancer.ingress.iter();
            let points: BTreeSet<&str> = ingress
                .map(|i| if i.ip.is_empty() { i.hostname.as_str() } else { &i.ip })
                .filter(|p| !p.is_empty())
                .collect();
            or(points.into_iter().chain(given()).collect(), "<pending>")
        }
        "ExternalName" => spec.external_name.clone(),
        _ => "<unknown>".to_owned(),
    }
}

impl Printed for Service {
    const COLUMNS: &'static [Column] = &[
        NAME,
        column("Type", "Its type."),
        column("Cluster-IP", "The address inside of the cluster."),
        column("External-IP", "Addresses outside of the cluster."),
        column("Port(s)", "Ports, with the node port where there is one."),
        AGE,
        wide("Selector", "The pods that belong to it."),
    ];

    fn cells(&self, now: Time) -> Vec<Value> {
        let port = |port: &crate::core::service::ServicePort| match port.node_port {
            ..=0 => format!("{}/{}", port.port, port.protocol),
            node => format!("{}:{node}/{}", port.port, port.protocol),
        };
        let ports: Vec<String> = self.spec.ports.iter().map(port).collect();
        vec![
            self.metadata.name.as_str().into(),
            self.spec.type_.as_str().into(),
            or_none(self.spec.cluster_ips.first().unwrap_or(&self.spec.cluster_ip)),
            external_ip(self).into(),
            or_none(&ports.join(",")),
            age(&self.metadata, now),
            pairs(&self.spec.selector).into(),
        ]
    }
}

impl Printed for ConfigMap {
    const COLUMNS: &'static [Column] = &[NAME, column("Data", "How many keys it has."), AGE];

    fn cells(&self, now: Time) -> Vec<Value> {
        let count = self.data.len() + self.binary_data.len();
        vec![self.metadata.name.as_str().into(), count.into(), age(&self.metadata, now)]
    }
}

impl Printed for Secret {
    const COLUMNS: &'static [Column] =
        &[NAME, column("Type", "Its type."), column("Data", "How many keys it has."), AGE];

    fn cells(&self, now: Time) -> Vec<Value> {
        let name = self.metadata.name.as_str().into();
        vec![name, self.type_.as_str().into(), self.data.len().into(), age(&self.metadata, now)]
    }
}

impl Printed for ServiceAccount {
    const COLUMNS: &'static [Column] = &[NAME, AGE];

    fn cells(&self, now: Time) -> Vec<Value> {
        vec![self.metadata.name.as_str().into(), age(&self.metadata, now)]
    }
}

impl Printed for Namespace {
    const COLUMNS: &'static [Column] = &[NAME, column("Status", "Its state in a word."), AGE];

    fn cells(&self, now: Time) -> Vec<Value> {
        vec![self.metadata.name.as_str().into(), self.status.phase.as_str().into(), age(&self.metadata, now)]
    }
}

impl Printed for Lease {
    const COLUMNS: &'static [Column] = &[NAME, column("Holder", "Who holds the lease."), AGE];

    fn cells(&self, now: Time) -> Vec<Value> {
        let holder = self.spec.holder_identity.as_deref().unwrap_or_default();
        vec![self.metadata.name.as_str().into(), holder.into(), age(&self.metadata, now)]
    }
}

/// The roles that a node's labels name.
pub fn node_roles(node: &Node) -> BTreeSet<&str> {
    node.metadata
        .labels
        .iter()
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None => (key == "kubernetes.io/role").then_some(value.as_str()),
        })
        .filter(|role| !role.is_empty())
        .collect()
}

impl Printed for Node {
    const COLUMNS: &'static [Column] = &[
        NAME,
        column("Status", "Its state in a word."),
        column("Roles", "Roles that its labels name."),
        AGE,
        column("Version", "Version of the node's agent."),
        wide("Internal-IP", "The address inside of the cluster."),
        wide("External-IP", "Addresses outside of the cluster."),
        wide("OS-Image", "The operating system."),
        wide("Kernel-Version", "The kernel and the architecture."),
        wide("Container-Runtime", "The container runtime and its version."),
    ];

    fn cells(&self, now: Time) -> Vec<Value> {
        let ready = self.status.conditions.iter().find(|c| c.type_ == "Ready");
        let mut status = ready.map_or("Unknown", |c| if c.status == "True" { "Ready" } else { "NotReady" }).to_owned();
        if self.spec.unschedulable {
            status.push_str(",SchedulingDisabled");
        }
        let roles: Vec<&str> = node_roles(self).into_iter().collect();
        let address =
            |kind: &str| or_none(self.status.addresses.iter().find(|a| a.type_ == kind).map_or("", |a| &a.address));
        let known = |text: &str| -> Value { if text.is_empty() { "<unknown>".into() } else { text.into() } };
        let info = &self.status.node_info;
        let mut kernel = if info.kernel_version.is_empty() { "<unknown>" } else { &info.kernel_version }.to_owned();
        if !info.architecture.is_empty() {
            kernel.push_str(&format!(" ({})", info.architecture));
        }
        vec![
            self.metadata.name.as_str().into(),
            status.into(),
            or_none(&roles.join(",")),
            age(&self.metadata, now),
            info.kubelet_version.as_str().into(),
            address("InternalIP"),
            address("ExternalIP"),
            known(&info.os_image),
            kernel.into(),
            known(&info.container_runtime_version),
        ]
    }
}

impl Printed for Event {
    const COLUMNS: &'static [Column] = &[
        column("Last Seen", "How long ago it happened last."),
        column("Type", "Its type."),
        column("Reason", "Why, in a word."),
        column("Object", "What it happened to."),
        wide("Subobject", "The part of the object that it happened to."),
        wide("Source", "Who saw it."),
        column("Message", "What happened."),
        wide("First Seen", "How long ago it happened first."),
        wide("Count", "How often it happened."),
        Column { format: "name", ..wide("Name", "The name of the event itself.") },
    ];

    fn cells(&self, now: Time) -> Vec<Value> {
        let first = self.first_timestamp.or(self.event_time.map(MicroTime::time));
        let mut last = self.last_timestamp.or(first);
        let mut count = self.count.max(1);
        if let Some(series) = &self.series {
            last = series.last_observed_time.map(MicroTime::time);
            count = series.count;
        }
        let object = &self.involved_object;
        let mut target = object.kind.to_lowercase();
        if !object.name.is_empty() {
            target = format!("{target}/{}", object.name);
        }
        let either = |a: &str, b: &str| if a.is_empty() { b.to_owned() } else { a.to_owned() };
        let component = either(&self.source.component, &self.reporting_component);
        let host = either(&self.source.host, &self.reporting_instance);
        let source = if host.is_empty() { component } else { format!("{component}, {host}") };
        vec![
            since(last, now).into(),
            self.type_.as_str().into(),
            self.reason.as_str().into(),
            target.into(),
            object.field_path.as_str().into(),
            source.into(),
            self.message.trim().into(),
            since(first, now).into(),
            count.into(),
            self.metadata.name.as_str().into(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::kind::registry::NODE;
    use crate::meta::time::Time;
    use crate::table::rows::cells;

    #[test]
    fn a_node_s_kernel_stands_with_its_architecture() {
        let of = |kernel: &str, architecture: &str| {
            let info = json!({"kernelVersion": kernel, "architecture": architecture});
            let node = json!({"metadata": {"name": "n"}, "spec": {}, "status": {"nodeInfo": info}});
            cells(NODE, &node, Time(0)).unwrap()[8].clone()
        };
        assert_eq!([of("6.1", "amd64"), of("", "arm64"), of("6.1", "")], ["6.1 (amd64)", "<unknown> (arm64)", "6.1"]);
    }
}
