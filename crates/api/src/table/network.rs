//! Endpoints, ingresses, their classes and network policies to the rows that `get` prints.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::core::endpoints::{EndpointSubset, Endpoints};
use crate::discovery::endpoint_slice::{DiscoveryPort, EndpointSlice};
use crate::meta::time::Time;
use crate::networking::class::DEFAULT_ANNOTATION;
use crate::networking::ingress::{Ingress, IngressClass, IngressLoadBalancerStatus, IngressRule};
use crate::networking::network_policy::NetworkPolicy;
use crate::table::column::{AGE, Column, NAME, Printed, column};
use crate::table::objects::age;

/// So many are shown.
const SHOWN: usize = 3;

/// The first few of a list, and how many more there are.
fn few(all: impl Iterator<Item = String>, nothing: &str) -> String {
    let mut all = all.fuse();
    let shown: Vec<String> = all.by_ref().take(SHOWN).collect();
    let text = shown.join(",");
    match all.count() {
        0 if text.is_empty() => nothing.to_owned(),
        0 => text,
        more => format!("{text} + {more} more..."),
    }
}

/// `address:port`, with brackets around IPv6.
pub fn with_port(address: &str, port: i32) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

impl Printed for Endpoints {
    const COLUMNS: &'static [Column] = &[NAME, column("Endpoints", "Addresses with their ports."), AGE];

    fn cells(&self, now: Time) -> Vec<Value> {
        let of = |subset: &EndpointSubset| -> Vec<String> {
            if subset.ports.is_empty() {
                return subset.addresses.iter().map(|a| a.ip.clone()).collect();
            }
            let pairs = subset.ports.iter().flat_map(|port| subset.addresses.iter().map(move |a| (a, port)));
            pairs.map(|(address, port)| with_port(&address.ip, port.port)).collect()
        };
        let text = match self.subsets.as_slice() {
            [] => "<none>".to_owned(),
            subsets => few(subsets.iter().flat_map(of), ""),
        };
        vec![self.metadata.name.as_str().into(), text.into(), age(&self.metadata, now)]
    }
}

impl Printed for EndpointSlice {
    const COLUMNS: &'static [Column] = &[
        NAME,
        column("AddressType", "Kind of its addresses."),
        column("Ports", "Ports of all endpoints."),
        column("Endpoints", "Addresses."),
        AGE,
    ];

    fn cells(&self, now: Time) -> Vec<Value> {
        let port = |port: &DiscoveryPort| match (port.port, &port.name) {
            (Some(number), _) => number.to_string(),
            (None, Some(name)) => name.clone(),
            (None, None) => "*".to_owned(),
        };
        vec![
            self.metadata.name.as_str().into(),
            self.address_type.as_str().into(),
            few(self.ports.iter().map(port), "<unset>").into(),
            few(self.endpoints.iter().flat_map(|e| e.addresses.iter().cloned()), "<unset>").into(),
            age(&self.metadata, now),
        ]
    }
}

/// Where an ingress is reached.
pub fn ingress_addresses(status: &IngressLoadBalancerStatus) -> String {
    let points: BTreeSet<&str> = status
        .ingress
        .iter()
        .map(|i| if i.ip.is_empty() { i.hostname.as_str() } else { &i.ip })
        .filter(|point| !point.is_empty())
        .collect();
    points.into_iter().collect::<Vec<_>>().join(",")
}

/// The first hosts that rules name. Kubernetes counts rules without a host among those that it does not show.
fn hosts(rules: &[IngressRule]) -> String {
    let named = || rules.iter().enumerate().filter(|(_, rule)| !rule.host.is_empty());
    let shown: Vec<&str> = named().take(SHOWN).map(|(_, rule)| rule.host.as_str()).collect();
    match named().nth(SHOWN - 1) {
        Some((last, _)) if last + 1 < rules.len() => format!("{} + {} more...", shown.join(","), rules.len() - SHOWN),
        _ if shown.is_empty() => "*".to_owned(),
        _ => shown.join(","),
    }
}

impl Printed for Ingress {
    const COLUMNS: &'static [Column] = &[
        NAME,
        column("Class", "Its class."),
        column("Hosts", "Hosts that it serves."),
        column("Address", "Where it is reached."),
        column("Ports", "Ports on which it is reached."),
        AGE,
    ];

    fn cells(&self, now: Time) -> Vec<Value> {
        vec![
            self.metadata.name.as_str().into(),
            self.spec.ingress_class_name.as_deref().unwrap_or("<none>").into(),
            hosts(&self.spec.rules).into(),
            ingress_addresses(&self.status.load_balancer).into(),
            if self.spec.tls.is_empty() { "80" } else { "80, 443" }.into(),
            age(&self.metadata, now),
        ]
    }
}

impl Printed for IngressClass {
    const COLUMNS: &'static [Column] = &[
        NAME,
        column("Controller", "Who serves its ingresses."),
        column("Parameters", "An object with its settings."),
        AGE,
    ];

    fn cells(&self, now: Time) -> Vec<Value> {
        let parameters = self.spec.parameters.as_ref().map_or_else(
            || "<none>".to_owned(),
            |p| match &p.api_group {
                Some(group) => format!("{}.{group}/{}", p.kind, p.name),
                None => format!("{}/{}", p.kind, p.name),
            },
        );
        let is_default = self.metadata.annotations.get(DEFAULT_ANNOTATION).is_some_and(|value| value == "true");
        vec![
            format!("{}{}", self.metadata.name, if is_default { " (default)" } else { "" }).into(),
            self.spec.controller.as_str().into(),
            parameters.into(),
            age(&self.metadata, now),
        ]
    }
}

impl Printed for NetworkPolicy {
    const COLUMNS: &'static [Column] = &[NAME, column("Pod-Selector", "The pods that it is about."), AGE];

    fn cells(&self, now: Time) -> Vec<Value> {
        let selector = self.spec.pod_selector.to_string();
        vec![self.metadata.name.as_str().into(), selector.into(), age(&self.metadata, now)]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::hosts;
    use crate::kind::registry::{ENDPOINT_SLICE, INGRESS_CLASS};
    use crate::meta::time::Time;
    use crate::networking::ingress::IngressRule;
    use crate::table::rows::cells;

    #[test]
    fn three_hosts_are_shown() {
        for (names, expect) in [
            ("", "*"),
            ("a", "a"),
            ("a//b", "a,b"),
            ("a/b/c", "a,b,c"),
            ("a/b/c/", "a,b,c + 1 more..."),
            ("a//b/c/d", "a,b,c + 2 more..."),
        ] {
            let rule = |host: &str| IngressRule { host: host.to_owned(), ..IngressRule::default() };
            assert_eq!(hosts(&names.split('/').map(rule).collect::<Vec<_>>()), expect, "{names}");
        }
    }

    #[test]
    fn the_default_class_and_ports_without_a_number_are_told() {
        let class = |annotation: &str| {
            let class = json!({"metadata": {"name": "c", "annotations": {"ingressclass.kubernetes.io/is-default-class": annotation}},
                "spec": {"controller": "example.com/c"}});
            cells(INGRESS_CLASS, &class, Time(0)).unwrap()[0].clone()
        };
        assert_eq!([class("true"), class("false")], [json!("c (default)"), json!("c")]);
        for (ports, expect) in [
            (json!([]), "<unset>"),
            (json!([{"name": ""}]), "<unset>"),
            (json!([{"name": ""}, {"name": "web"}, {}, {"port": 1}]), ",web,* + 1 more..."),
        ] {
            let slice = json!({"metadata": {"name": "s"}, "addressType": "IPv4", "endpoints": [], "ports": ports});
            assert_eq!(cells(ENDPOINT_SLICE, &slice, Time(0)).unwrap()[2], expect, "{ports}");
        }
    }
}
