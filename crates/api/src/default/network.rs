//! Endpoints, ingress classes and network policies with their defaults.

use crate::core::endpoints::Endpoints;
use crate::discovery::endpoint_slice::EndpointSlice;
use crate::networking::ingress::IngressClass;
use crate::networking::network_policy::{NetworkPolicy, NetworkPolicyPort};

/// Endpoints: TCP unless said otherwise.
pub fn endpoints(endpoints: &mut Endpoints) {
    for port in endpoints.subsets.iter_mut().flat_map(|subset| &mut subset.ports) {
        if port.protocol.is_empty() {
            port.protocol = "TCP".to_owned();
        }
    }
}

/// A slice: ports without a name, TCP.
pub fn endpoint_slice(slice: &mut EndpointSlice) {
    for port in &mut slice.ports {
        port.name.get_or_insert_default();
        port.protocol.get_or_insert_with(|| "TCP".to_owned());
    }
}

/// A class: its parameters are one object for the whole cluster.
pub fn ingress_class(class: &mut IngressClass) {
    if let Some(parameters) = &mut class.spec.parameters
        && parameters.scope.as_ref().is_none_or(String::is_empty)
    {
        parameters.scope = Some("Cluster".to_owned());
    }
}

/// A policy: TCP, and the directions that its rules tell.
pub fn network_policy(policy: &mut NetworkPolicy) {
    let protocol = |port: &mut NetworkPolicyPort| {
        port.protocol.get_or_insert_with(|| "TCP".to_owned());
    };
    let spec = &mut policy.spec;
    spec.ingress.iter_mut().flat_map(|rule| &mut rule.ports).for_each(protocol);
    spec.egress.iter_mut().flat_map(|rule| &mut rule.ports).for_each(protocol);
    if spec.policy_types.is_empty() {
        spec.policy_types.push("Ingress".to_owned());
        if !spec.egress.is_empty() {
            spec.policy_types.push("Egress".to_owned());
        }
    }
}
