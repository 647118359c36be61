//! A reference of a route → the port of a service, or why there is none.

use masthead_api::core::service::Service;
use masthead_api::gateway::backend::To;
use masthead_api::gateway::resolved::ServicePort;

use crate::cluster::view::Cluster;
use crate::gateway::grant::{self, From};
use crate::gateway::status::Fault;

/// What ports of services speak that would take TLS to pods.
pub const ENCRYPTED: [&str; 3] = ["https", "HTTPS", "kubernetes.io/wss"];

/// The port of a service that a reference means.
///
/// # Errors
/// There is none that may be used.
pub fn resolve(cluster: &Cluster, from: From<'_>, to: To<'_>) -> Result<ServicePort, Fault> {
    let Some(key) = to.service(from.namespace) else {
        let shown = format!("{}/{}", to.group.map_or("", String::as_str), to.kind.map_or("Service", String::as_str));
        let message = format!("a backend of kind {shown} is not supported, only services are");
        return Err(Fault::new("InvalidKind", message));
    };
    let shown = format!("Service {}/{}", key.namespace, key.name);
    if !grant::is_allowed(cluster, from, "Service", &key.namespace, &key.name) {
        return Err(Fault::new("RefNotPermitted", format!("{shown}: no ReferenceGrant of its namespace allows it")));
    }
    let not_found = |why: String| Fault::new("BackendNotFound", format!("{shown} {why}"));
    let service = cluster.typed::<Service>(&key).ok_or_else(|| not_found("does not exist".to_owned()))?;
    if service.spec.type_ == "ExternalName" {
        let message = format!("{shown} is an ExternalName, which is not supported behind a gateway");
        return Err(Fault::new("InvalidKind", message));
    }
    let number = to.port.unwrap_or_default();
    let port = service.spec.ports.iter().find(|port| port.port == number);
    let port = port.ok_or_else(|| not_found(format!("has no port {number}")))?;
    if port.protocol != "TCP" && !port.protocol.is_empty() {
        let message = format!("port {number} of {shown} is of {}", port.protocol);
        return Err(Fault::new("UnsupportedProtocol", message));
    }
    if let Some(protocol) = port.app_protocol.as_deref().filter(|protocol| ENCRYPTED.contains(protocol)) {
        let message = format!("port {number} of {shown} speaks {protocol}: TLS is not supported to pods");
        return Err(Fault::new("UnsupportedProtocol", message));
    }
    let port = u16::try_from(number).map_err(|_| not_found(format!("has no port {number}")))?;
    Ok(ServicePort { namespace: key.namespace, name: key.name, port })
}
