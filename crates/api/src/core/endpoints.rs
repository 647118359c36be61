//! The older form of the addresses behind a service.

use crate::core::reference::ObjectReference;
use crate::meta::object_meta::ObjectMeta;
use crate::schema::object::object;

object! {
    /// Addresses behind a service, in the older form.
    pub struct Endpoints {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        subsets: Vec<EndpointSubset> = "subsets", 2, [omitempty, list_atomic];
    }

    /// Addresses that share ports.
    pub struct EndpointSubset {
        addresses: Vec<EndpointAddress> = "addresses", 1, [omitempty, list_atomic];
        not_ready_addresses: Vec<EndpointAddress> = "notReadyAddresses", 2, [omitempty, list_atomic];
        ports: Vec<EndpointPort> = "ports", 3, [omitempty, list_atomic];
    }

    /// One address.
    pub struct EndpointAddress {
        ip: String = "ip", 1, [];
        hostname: String = "hostname", 3, [omitempty];
        node_name: Option<String> = "nodeName", 4, [omitempty];
        target_ref: Option<ObjectReference> = "targetRef", 2, [omitempty];
    }

    /// One port of endpoints.
    pub struct EndpointPort {
        name: String = "name", 1, [omitempty];
        port: i32 = "port", 2, [];
        protocol: String = "protocol", 3, [omitempty, go("v1.Protocol")];
        app_protocol: Option<String> = "appProtocol", 4, [omitempty];
    }
}
