//! The addresses behind a service, in slices.

use std::collections::BTreeMap;

use crate::core::reference::ObjectReference;
use crate::meta::object_meta::ObjectMeta;
use crate::schema::object::object;

object! {
    /// Part of the addresses behind a service.
    pub struct EndpointSlice {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        address_type: String = "addressType", 4, [go("v1.AddressType")];
        endpoints: Vec<Endpoint> = "endpoints", 2, [optional, list_atomic];
        ports: Vec<DiscoveryPort> = "ports", 3, [optional, go("[]v1.EndpointPort"), list_atomic];
    }

    /// One address of a slice with its conditions.
    pub struct Endpoint {
        addresses: Vec<String> = "addresses", 1, [list_set];
        conditions: EndpointConditions = "conditions", 2, [omitempty];
        hostname: Option<String> = "hostname", 3, [omitempty];
        target_ref: Option<ObjectReference> = "targetRef", 4, [omitempty];
        deprecated_topology: BTreeMap<String, String> = "deprecatedTopology", 5, [omitempty];
        node_name: Option<String> = "nodeName", 6, [omitempty];
        zone: Option<String> = "zone", 7, [omitempty];
        hints: Option<EndpointHints> = "hints", 8, [omitempty];
    }

    /// Whether an endpoint may get traffic.
    pub struct EndpointConditions {
        ready: Option<bool> = "ready", 1, [omitempty];
        serving: Option<bool> = "serving", 2, [omitempty];
        terminating: Option<bool> = "terminating", 3, [omitempty];
    }

    /// Where an endpoint should be used.
    pub struct EndpointHints {
        for_zones: Vec<ForZone> = "forZones", 1, [omitempty, list_atomic];
        for_nodes: Vec<ForNode> = "forNodes", 2, [omitempty, list_atomic];
    }

    /// A zone in which an endpoint should be used.
    pub struct ForZone {
        name: String = "name", 1, [];
    }

    /// A node on which an endpoint should be used.
    pub struct ForNode {
        name: String = "name", 1, [];
    }

    /// One port of endpoints.
    pub struct DiscoveryPort {
        name: Option<String> = "name", 1, [omitempty];
        protocol: Option<String> = "protocol", 2, [omitempty, go("v1.Protocol")];
        port: Option<i32> = "port", 3, [omitempty];
        app_protocol: Option<String> = "appProtocol", 4, [omitempty];
    }
}
