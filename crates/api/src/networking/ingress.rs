//! Ingresses and their classes.

use crate::core::reference::TypedLocalObjectReference;
use crate::meta::object_meta::ObjectMeta;
use crate::schema::object::object;

object! {
    /// Rules by which HTTP from outside reaches services.
    pub struct Ingress {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: IngressSpec = "spec", 2, [omitempty];
        status: IngressStatus = "status", 3, [omitempty];
    }

    /// Hosts, paths and what is behind them.
    pub struct IngressSpec {
        ingress_class_name: Option<String> = "ingressClassName", 4, [omitempty];
        default_backend: Option<IngressBackend> = "defaultBackend", 1, [omitempty];
        tls: Vec<IngressTLS> = "tls", 2, [omitempty, list_atomic];
        rules: Vec<IngressRule> = "rules", 3, [omitempty, list_atomic];
    }

    /// Hosts and the Secret that holds their certificate.
    pub struct IngressTLS {
        hosts: Vec<String> = "hosts", 1, [omitempty, list_atomic];
        secret_name: String = "secretName", 2, [omitempty];
    }

    /// The paths of one host.
    pub struct IngressRule {
        host: String = "host", 1, [omitempty];
        http: Option<HTTPIngressRuleValue> = "http", 1, [omitempty, within(2)];
    }

    /// Paths.
    pub struct HTTPIngressRuleValue {
        paths: Vec<HTTPIngressPath> = "paths", 1, [list_atomic];
    }

    /// One path and what is behind it.
    pub struct HTTPIngressPath {
        path: String = "path", 1, [omitempty];
        path_type: Option<String> = "pathType", 3, [go("v1.PathType")];
        backend: IngressBackend = "backend", 2, [];
    }

    /// A service or another object that answers.
    pub struct IngressBackend {
        service: Option<IngressServiceBackend> = "service", 4, [omitempty];
        resource: Option<TypedLocalObjectReference> = "resource", 3, [omitempty];
    }

    /// A port of a service.
    pub struct IngressServiceBackend {
        name: String = "name", 1, [];
        port: ServiceBackendPort = "port", 2, [omitempty];
    }

    /// A port by name or by number.
    pub struct ServiceBackendPort {
        name: String = "name", 1, [omitempty];
        number: i32 = "number", 2, [omitempty];
    }

    /// What was observed of an ingress.
    pub struct IngressStatus {
        load_balancer: IngressLoadBalancerStatus = "loadBalancer", 1, [omitempty];
    }

    /// Where it is reached.
    pub struct IngressLoadBalancerStatus {
        ingress: Vec<IngressLoadBalancerIngress> = "ingress", 1, [omitempty, list_atomic];
    }

    /// One address at which it is reached.
    pub struct IngressLoadBalancerIngress {
        ip: String = "ip", 1, [omitempty];
        hostname: String = "hostname", 2, [omitempty];
        ports: Vec<IngressPortStatus> = "ports", 4, [omitempty, list_atomic];
    }

    /// State of one port of such an address.
    pub struct IngressPortStatus {
        port: i32 = "port", 1, [];
        protocol: String = "protocol", 2, [go("v1.Protocol")];
        error: Option<String> = "error", 3, [omitempty];
    }

    /// Who serves the ingresses that name it.
    pub struct IngressClass {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: IngressClassSpec = "spec", 2, [omitempty];
    }

    /// The controller of a class, and an object with its settings.
    pub struct IngressClassSpec {
        controller: String = "controller", 1, [omitempty];
        parameters: Option<IngressClassParametersReference> = "parameters", 2, [omitempty];
    }

    /// An object with settings of a class.
    pub struct IngressClassParametersReference {
        api_group: Option<String> = "apiGroup", 1, [omitempty];
        kind: String = "kind", 2, [];
        name: String = "name", 3, [];
        scope: Option<String> = "scope", 4, [omitempty];
        namespace: Option<String> = "namespace", 5, [omitempty];
    }
}
