//! Services of a pod's namespace → the variables by which old clients find them (`REDIS_SERVICE_HOST`, `REDIS_PORT`, …).
//!
//! Source: Kubernetes' `pkg/kubelet/envvars`; `enableServiceLinks: false` turns them off.

use masthead_api::core::service::Service;
use masthead_api::kind::Resource;
use masthead_wire::attachments::Attachments;

/// A variable's name and value.
pub type Variable = (String, String);

/// Variables for all services of a namespace that have an address, in the order of their names.
pub fn variables(namespace: &str, attachments: &Attachments) -> Vec<Variable> {
    let mut named: Vec<_> =
        attachments.of_kind("Service").filter(|attachment| attachment.key.namespace == namespace).collect();
    named.sort_unstable_by(|a, b| a.key.name.cmp(&b.key.name));
    let mut out = Vec::new();
    for attachment in named {
        match Service::from_json(&attachment.bytes) {
            Ok(service) => of_service(&attachment.key.name, &service, &mut out),
            Err(error) => tracing::error!(service = attachment.key.name, %error, "a service can't be read"),
        }
    }
    out
}

/// `redis-main` → `REDIS_MAIN`.
fn prefix(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

fn of_service(name: &str, service: &Service, out: &mut Vec<Variable>) {
    let ip = service.spec.cluster_ip.as_str();
    let Some(first) = service.spec.ports.first().filter(|_| !ip.is_empty() && ip != "None") else { return };
    let of_ports = &service.spec.ports;
    let name = prefix(name);
    out.push((format!("{name}_SERVICE_HOST"), ip.to_owned()));
    out.push((format!("{name}_SERVICE_PORT"), first.port.to_string()));
    for port in of_ports.iter().filter(|port| !port.name.is_empty()) {
        out.push((format!("{name}_SERVICE_PORT_{}", prefix(&port.name)), port.port.to_string()));
    }
    let host = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
    for (i, port) in of_ports.iter().enumerate() {
        let protocol = if port.protocol.is_empty() { "TCP" } else { port.protocol.as_str() };
        let url = format!("{}://{host}:{}", protocol.to_lowercase(), port.port);
        if i == 0 {
            out.push((format!("{name}_PORT"), url.clone()));
        }
        let link = format!("{name}_PORT_{}_{protocol}", port.port);
        out.push((format!("{link}_PROTO"), protocol.to_lowercase()));
        out.push((format!("{link}_PORT"), port.port.to_string()));
        out.push((format!("{link}_ADDR"), ip.to_owned()));
        out.push((link, url));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use masthead_wire::object::Attachment;
    use serde_json::{Value, json};

    use super::*;

    fn check(services: &[(&str, &str, Value)], expect: &[&str]) {
        let mut attachments = Attachments::default();
        for (namespace, name, spec) in services {
            let service = json!({ "apiVersion": "v1", "kind": "Service",
                "metadata": { "namespace": namespace, "name": name }, "spec": spec });
            let attachment = Attachment::parse("Service", serde_json::to_vec(&service).unwrap().into()).unwrap();
            attachments.insert(Arc::new(attachment));
        }
        let got: Vec<String> = variables("shop", &attachments).iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(got, expect);
    }

    #[test]
    fn names_and_ports_become_variables() {
        check(
            &[
                (
                    "shop",
                    "redis-main",
                    json!({ "clusterIP": "10.0.0.11",
                    "ports": [{ "name": "db-1", "port": 6379, "protocol": "TCP" }, { "port": 53, "protocol": "UDP" }] }),
                ),
                ("other", "web", json!({ "clusterIP": "10.0.0.12", "ports": [{ "port": 80 }] })),
            ],
            &[
                "REDIS_MAIN_SERVICE_HOST=10.0.0.11",
                "REDIS_MAIN_SERVICE_PORT=6379",
                "REDIS_MAIN_SERVICE_PORT_DB_1=6379",
                "REDIS_MAIN_PORT=tcp://10.0.0.11:6379",
                "REDIS_MAIN_PORT_6379_TCP_PROTO=tcp",
                "REDIS_MAIN_PORT_6379_TCP_PORT=6379",
                "REDIS_MAIN_PORT_6379_TCP_ADDR=10.0.0.11",
                "REDIS_MAIN_PORT_6379_TCP=tcp://10.0.0.11:6379",
                "REDIS_MAIN_PORT_53_UDP_PROTO=udp",
                "REDIS_MAIN_PORT_53_UDP_PORT=53",
                "REDIS_MAIN_PORT_53_UDP_ADDR=10.0.0.11",
                "REDIS_MAIN_PORT_53_UDP=udp://10.0.0.11:53",
            ],
        );
    }

    #[test]
    fn services_without_an_address_have_none() {
        check(
            &[
                ("shop", "a", json!({ "clusterIP": "None", "ports": [{ "port": 80 }] })),
                ("shop", "b", json!({ "type": "ExternalName", "externalName": "example.test" })),
                ("shop", "c", json!({ "clusterIP": "", "ports": [{ "port": 80 }] })),
            ],
            &[],
        );
    }
}
