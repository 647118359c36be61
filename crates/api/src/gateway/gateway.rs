//! Gateways: where traffic comes in, and which routes may take it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::gateway::filter::LocalObjectReference;
use crate::meta::condition::Condition;
use crate::meta::object_meta::ObjectMeta;
use crate::meta::selector::LabelSelector;
use crate::schema::object::object;

object! {
    /// Listeners of one class.
    pub struct Gateway {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: GatewaySpec = "spec", 2, [];
        status: GatewayStatus = "status", 3, [omitempty];
    }

    /// The class and the listeners of a gateway.
    pub struct GatewaySpec {
        gateway_class_name: String = "gatewayClassName", 1, [];
        listeners: Vec<Listener> = "listeners", 2, [list_map(&["name"])];
        addresses: Vec<GatewaySpecAddress> = "addresses", 3, [omitempty, list_atomic];
        infrastructure: Option<GatewayInfrastructure> = "infrastructure", 4, [omitempty];
        allowed_listeners: Option<AllowedListeners> = "allowedListeners", 5, [omitempty];
        // Certificates of clients and towards pods: refused as a whole, so that nothing in it is looked at.
        tls: Option<Value> = "tls", 6, [omitempty];
    }

    /// A port on which traffic comes in.
    pub struct Listener {
        name: String = "name", 1, [];
        hostname: Option<String> = "hostname", 2, [omitempty];
        port: i32 = "port", 3, [];
        protocol: String = "protocol", 4, [];
        tls: Option<ListenerTLSConfig> = "tls", 5, [omitempty];
        allowed_routes: Option<AllowedRoutes> = "allowedRoutes", 6, [omitempty];
    }

    /// The certificates of a listener.
    pub struct ListenerTLSConfig {
        mode: Option<String> = "mode", 1, [omitempty];
        certificate_refs: Vec<SecretObjectReference> = "certificateRefs", 2, [omitempty, list_atomic];
        options: BTreeMap<String, String> = "options", 3, [omitempty];
    }

    /// A Secret, in this namespace or another.
    pub struct SecretObjectReference {
        group: Option<String> = "group", 1, [omitempty];
        kind: Option<String> = "kind", 2, [omitempty];
        name: String = "name", 3, [];
        namespace: Option<String> = "namespace", 4, [omitempty];
    }

    /// The routes that may be attached to a listener.
    pub struct AllowedRoutes {
        namespaces: Option<RouteNamespaces> = "namespaces", 1, [omitempty];
        kinds: Vec<RouteGroupKind> = "kinds", 2, [omitempty, list_atomic];
    }

    /// The namespaces of such routes.
    pub struct RouteNamespaces {
        from: Option<String> = "from", 1, [omitempty];
        selector: Option<LabelSelector> = "selector", 2, [omitempty];
    }

    /// A kind of routes.
    pub struct RouteGroupKind {
        group: Option<String> = "group", 1, [omitempty];
        kind: String = "kind", 2, [];
    }

    /// An address that is asked for.
    pub struct GatewaySpecAddress {
        type_: Option<String> = "type", 1, [omitempty];
        value: Option<String> = "value", 2, [omitempty];
    }

    /// What is put on objects that are made for a gateway; here none are.
    pub struct GatewayInfrastructure {
        labels: BTreeMap<String, String> = "labels", 1, [omitempty];
        annotations: BTreeMap<String, String> = "annotations", 2, [omitempty];
        parameters_ref: Option<LocalObjectReference> = "parametersRef", 3, [omitempty];
    }

    /// Sets of listeners that may be attached to a gateway.
    pub struct AllowedListeners {
        namespaces: Option<RouteNamespaces> = "namespaces", 1, [omitempty];
    }

    /// What its controller says of a gateway.
    pub struct GatewayStatus {
        addresses: Vec<GatewayStatusAddress> = "addresses", 1, [omitempty, list_atomic];
        conditions: Vec<Condition> = "conditions", 2, [omitempty, list_map(&["type"])];
        listeners: Vec<ListenerStatus> = "listeners", 3, [omitempty, list_map(&["name"])];
        attached_listener_sets: Option<i32> = "attachedListenerSets", 4, [omitempty];
    }

    /// An address at which a gateway is reached.
    pub struct GatewayStatusAddress {
        type_: Option<String> = "type", 1, [omitempty];
        value: String = "value", 2, [];
    }

    /// What its controller says of a listener.
    pub struct ListenerStatus {
        name: String = "name", 1, [];
        supported_kinds: Vec<RouteGroupKind> = "supportedKinds", 2, [omitempty, list_atomic];
        attached_routes: i32 = "attachedRoutes", 3, [];
        conditions: Vec<Condition> = "conditions", 4, [list_map(&["type"])];
    }
}
