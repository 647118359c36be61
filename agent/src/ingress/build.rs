//! Ingresses, classes, services, endpoints and certificates → the table, with what is wrong in them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use masthead_api::gateway::resolved::{ResolvedGateway, ResolvedRoute};
use rustls::sign::CertifiedKey;

use crate::ingress::backend::{Backend, Endpoint, Protocol};
use crate::ingress::class::is_ours;
use crate::ingress::gateway;
use crate::ingress::gateway::build::{Fault, Parts, RouteId};
use crate::ingress::gateway::share::Share;
use crate::ingress::metrics::Counters;
use crate::ingress::objects::{
    Backend as Wanted, BackendPort, EndpointSlice, Ingress, IngressClass, Path, Service, ServiceBackend, ServicePort,
};
use crate::ingress::route::Route;
use crate::ingress::table::{Paths, Table};

/// Says whether clients without TLS are sent to where it is; absent is yes where there is a certificate.
const TO_HTTPS: &str = "masthead.dev/ssl-redirect";

/// Namespace and name.
pub type Id = (String, String);

/// All that a table is made of.
#[derive(Default)]
pub struct World {
    /// Ingresses, of whatever class.
    pub ingresses: BTreeMap<Id, Ingress>,
    /// Classes.
    pub classes: BTreeMap<String, IngressClass>,
    /// Services that an Ingress names, at least.
    pub services: HashMap<Id, Service>,
    /// Slices by service.
    pub slices: HashMap<Id, Vec<Arc<EndpointSlice>>>,
    /// Certificates of Secrets, or what is wrong with them.
    pub certificates: HashMap<Id, Result<Arc<CertifiedKey>, String>>,
    /// Endpoints that lived before, so that what is counted of them goes on.
    pub endpoints: HashMap<SocketAddr, Arc<Endpoint>>,
    /// What is counted for an Ingress.
    pub counters: HashMap<Id, Arc<Counters>>,
    /// Gateways.
    pub gateways: BTreeMap<Id, ResolvedGateway>,
    /// Routes of gateways.
    pub routes: BTreeMap<RouteId, ResolvedRoute>,
    /// What is counted for a route.
    pub route_counters: HashMap<RouteId, Arc<Counters>>,
    /// Whose turn it is, by rule of a route.
    pub shares: HashMap<(RouteId, usize), Arc<Share>>,
}

/// What is wrong in an Ingress, a gateway or a route; the rest of it is served.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace and name.
    pub ingress: Id,
    /// What kind of fault, as an Event's reason.
    pub reason: &'static str,
    /// What.
    pub message: String,
}

impl Problem {
    /// Whether only nodes can tell it, which read certificates. What follows from the objects alone the control plane tells
    /// users, once for all nodes.
    pub fn is_of_node(&self) -> bool {
        self.kind != "Ingress" || self.reason == "CertificateInvalid"
    }
}

/// Builds one table.
struct Draft<'w> {
    world: &'w World,
    table: Table,
    backends: HashMap<(String, ServiceBackend), Arc<Backend>>,
    endpoints: HashMap<SocketAddr, Arc<Endpoint>>,
    /// Who owns a host and path, to name it to the one who comes late.
    owners: HashMap<(String, &'static str, String), Id>,
    problems: Vec<Problem>,
}

/// Who asks for ports of the node.
#[derive(Debug, Default)]
pub struct Askers {
    /// Ingresses, which share their ports.
    pub ingresses: Vec<Id>,
    /// Gateways, by port.
    pub gateways: Vec<(u16, Id)>,
}

/// A built table.
pub struct Built {
    /// The table.
    pub table: Table,
    /// Endpoints in it.
    pub endpoints: HashMap<SocketAddr, Arc<Endpoint>>,
    /// Whose turn it is, by rule of a route.
    pub shares: HashMap<(RouteId, usize), Arc<Share>>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Who asks for ports.
    pub askers: Askers,
}

/// Builds the table. Of two Ingresses that want the same host and path, the older one has it.
pub fn build(world: &World) -> Built {
    let mut ours: Vec<(&Id, &Ingress)> =
        world.ingresses.iter().filter(|(_, ingress)| is_ours(ingress, &world.classes)).collect();
    ours.sort_by(|a, b| (&a.1.metadata.creation_timestamp, a.0).cmp(&(&b.1.metadata.creation_timestamp, b.0)));
    let mut draft = Draft {
        world,
        table: Table::default(),
        backends: HashMap::new(),
        endpoints: HashMap::new(),
        owners: HashMap::new(),
        problems: Vec::new(),
    };
    let ports = |(id, gateway): (&Id, &ResolvedGateway)| -> BTreeSet<(u16, Id)> {
        gateway.listeners.iter().map(|listener| (listener.port, id.clone())).collect()
    };
    let askers = Askers {
        ingresses: ours.iter().map(|(id, _)| (*id).clone()).collect(),
        gateways: world.gateways.iter().flat_map(ports).collect(),
    };
    for (id, ingress) in ours {
        draft.ingress(id, ingress);
    }
    let parts = Parts {
        gateways: &world.gateways,
        routes: &world.routes,
        certificates: &world.certificates,
        counters: &world.route_counters,
        shares: &world.shares,
    };
    let of_gateways = gateway::build::build(parts, &mut |service| draft.service(service));
    draft.table.gateways = of_gateways.gateways;
    for Fault { of: (kind, id), reason, message } in of_gateways.faults {
        draft.problems.push(Problem { kind, ingress: id, reason, message });
    }
    draft.problems.sort();
    Built {
        table: draft.table,
        endpoints: draft.endpoints,
        shares: of_gateways.shares,
        problems: draft.problems,
        askers,
    }
}

/// Services that Ingresses name, whoever's they are: only their endpoints need to be read.
pub fn named_services(ingresses: &BTreeMap<Id, Ingress>) -> HashSet<Id> {
    let mut out = HashSet::new();
    for ((namespace, _), ingress) in ingresses {
        let paths = ingress.spec.rules.iter().flat_map(|rule| rule.http.iter().flat_map(|http| &http.paths));
        let backends = paths.map(|path| &path.backend).chain(&ingress.spec.default_backend);
        out.extend(backends.filter_map(|b| Some((namespace.clone(), b.service.as_ref()?.name.clone()))));
    }
    out
}

/// A host that a table can hold: lower-case, without a closing dot.
fn clean_host(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

impl Draft<'_> {
    fn problem(&mut self, ingress: &Id, reason: &'static str, message: String) {
        self.problems.push(Problem { kind: "Ingress", ingress: ingress.clone(), reason, message });
    }

    fn ingress(&mut self, id: &Id, ingress: &Ingress) {
        let secure = self.certificates(id, ingress);
        let redirect = ingress.metadata.annotations.get(TO_HTTPS).is_none_or(|value| value != "false");
        let counters = self.world.counters.get(id).cloned();
        let default = ingress.spec.default_backend.as_ref().map(|wanted| self.backend(id, wanted));
        let route = |backend: Arc<Backend>, to_https: bool| {
            let name = format!("{}/{}", id.0, id.1);
            Arc::new(Route { ingress: name, backend, to_https, counters: counters.clone() })
        };
        for rule in &ingress.spec.rules {
            let host = clean_host(&rule.host);
            let to_https = redirect && secure.contains(&host);
            for path in rule.http.iter().flat_map(|http| &http.paths) {
                let backend = self.backend(id, &path.backend);
                self.path(id, &host, path, route(backend, to_https));
            }
            if let Some(backend) = &default {
                self.paths(&host).default.get_or_insert_with(|| route(backend.clone(), to_https));
            }
        }
        if let Some(backend) = default {
            self.table.any.default.get_or_insert_with(|| route(backend, false));
        }
    }

    fn paths(&mut self, host: &str) -> &mut Paths {
        match host.strip_prefix("*.") {
            Some(rest) => self.table.wildcards.entry(rest.to_owned()).or_default(),
            None if host.is_empty() => &mut self.table.any,
            None => self.table.hosts.entry(host.to_owned()).or_default(),
        }
    }

    fn path(&mut self, id: &Id, host: &str, path: &Path, route: Arc<Route>) {
        let kind = if path.path_type == "Exact" { "Exact" } else { "Prefix" };
        let text = if path.path.is_empty() { "/" } else { &path.path };
        let key = if kind == "Exact" { text.to_owned() } else { text.trim_end_matches('/').to_owned() };
        let place = (host.to_owned(), kind, key.clone());
        if let Some(owner) = self.owners.get(&place) {
            if owner != id {
                let shown = if host.is_empty() { "every host" } else { host };
                let message =
                    format!("{kind} path {text:?} of {shown} belongs to the older Ingress {}/{}", owner.0, owner.1);
                self.problem(id, "PathConflict", message);
            }
            return;
        }
        self.owners.insert(place, id.clone());
        let paths = self.paths(host);
        match (kind, key.as_str()) {
            ("Exact", _) => drop(paths.exact.insert(key.into_bytes(), route)),
            (_, "") => paths.all = Some(route),
            _ => drop(paths.prefix.insert(key.into_bytes(), route)),
        }
    }

    /// Takes the certificates of an Ingress; gives the hosts that have one.
    fn certificates(&mut self, id: &Id, ingress: &Ingress) -> HashSet<String> {
        let mut secure = HashSet::new();
        for tls in &ingress.spec.tls {
            let found = self.world.certificates.get(&(id.0.clone(), tls.secret_name.clone()));
            let key = match found {
                Some(Ok(key)) => key.clone(),
                Some(Err(why)) => {
                    self.problem(id, "CertificateInvalid", format!("Secret {:?}: {why}", tls.secret_name));
                    continue;
                }
                None => {
                    let message = format!("there is no Secret {:?} with a certificate", tls.secret_name);
                    self.problem(id, "SecretNotFound", message);
                    continue;
                }
            };
            let rules = ingress.spec.rules.iter().map(|rule| &rule.host);
            let hosts: Vec<&String> = if tls.hosts.is_empty() { rules.collect() } else { tls.hosts.iter().collect() };
            for host in hosts.into_iter().map(|host| clean_host(host)).filter(|host| !host.is_empty()) {
                self.table.certificates.entry(host.clone()).or_insert_with(|| key.clone());
                secure.insert(host);
            }
        }
        secure
    }

    fn backend(&mut self, id: &Id, wanted: &Wanted) -> Arc<Backend> {
        let Some(service) = &wanted.service else {
            let kind = wanted.resource.as_ref().and_then(|r| r.get("kind")).and_then(|kind| kind.as_str());
            let fault = format!("a backend of kind {:?} is not supported, only services are", kind.unwrap_or("none"));
            self.problem(id, "BackendInvalid", fault.clone());
            return Arc::new(Backend::new(String::new(), Protocol::Http, Vec::new(), Some(fault)));
        };
        let key = (id.0.clone(), service.clone());
        if let Some(known) = self.backends.get(&key) {
            let known = known.clone();
            self.backend_problem(id, &known);
            return known;
        }
        let backend = Arc::new(self.resolve(&id.0, service));
        self.backend_problem(id, &backend);
        self.backends.insert(key, backend.clone());
        backend
    }

    /// The endpoints of a service's port, whoever asks.
    fn service(&mut self, service: &masthead_api::gateway::resolved::ServicePort) -> Arc<Backend> {
        let port = BackendPort { name: String::new(), number: service.port };
        let wanted = ServiceBackend { name: service.name.clone(), port };
        let key = (service.namespace.clone(), wanted);
        if let Some(known) = self.backends.get(&key) {
            return known.clone();
        }
        let backend = Arc::new(self.resolve(&key.0, &key.1));
        self.backends.insert(key, backend.clone());
        backend
    }

    /// Tells what is wrong with a backend. Pods that come up are nothing wrong; clients are told of them all the same.
    fn backend_problem(&mut self, id: &Id, backend: &Backend) {
        if let Some(fault) = backend.fault.as_ref().filter(|_| !backend.is_waiting) {
            self.problem(id, "BackendInvalid", fault.clone());
        }
    }

    fn resolve(&mut self, namespace: &str, wanted: &ServiceBackend) -> Backend {
        let ServiceBackend { name, port } = wanted;
        let shown = if port.name.is_empty() { port.number.to_string() } else { port.name.clone() };
        let full = format!("{namespace}/{name}:{shown}");
        let none = |fault: String| Backend::new(full.clone(), Protocol::Http, Vec::new(), Some(fault));
        let id = (namespace.to_owned(), name.clone());
        let Some(service) = self.world.services.get(&id) else {
            return none(format!("service {namespace}/{name} does not exist"));
        };
        if service.spec.kind == "ExternalName" {
            return none(format!(
                "service {namespace}/{name} is an ExternalName, which is not supported behind an Ingress"
            ));
        }
        let is_meant = |known: &&ServicePort| match port.name.is_empty() {
            true => known.port == port.number,
            false => known.name == port.name,
        };
        let Some(found) = service.spec.ports.iter().find(is_meant) else {
            return none(format!("service {namespace}/{name} has no port {shown}"));
        };
        let protocol = match found.app_protocol.as_deref() {
            Some("kubernetes.io/h2c" | "h2c" | "grpc" | "GRPC") => Protocol::H2c,
            Some("https" | "HTTPS" | "kubernetes.io/wss") => {
                return none(format!(
                    "port {shown} of service {namespace}/{name} speaks TLS, which is not supported to pods"
                ));
            }
            _ => Protocol::Http,
        };
        let slices = self.world.slices.get(&id).map_or(&[][..], Vec::as_slice);
        let addresses = addresses(slices, &service.spec.ip_families, &found.name);
        if addresses.is_empty() {
            let fault = format!("service {namespace}/{name} has no ready endpoint for port {shown}");
            return none(fault).waiting();
        }
        let endpoints = addresses.into_iter().map(|address| self.endpoint(address)).collect();
        let is_sticky = service.spec.session_affinity == "ClientIP";
        Backend::new(full, protocol, endpoints, None).sticky(is_sticky)
    }

    fn endpoint(&mut self, address: SocketAddr) -> Arc<Endpoint> {
        let known = || self.world.endpoints.get(&address).cloned().unwrap_or_else(|| Arc::new(Endpoint::new(address)));
        self.endpoints.entry(address).or_insert_with(known).clone()
    }
}

/// The endpoints of a port: a pod of both families counts once, by the one that the service prefers.
fn addresses(slices: &[Arc<EndpointSlice>], families: &[String], port_name: &str) -> Vec<SocketAddr> {
    let preferred = slices.iter().filter(|slice| families.first() == Some(&slice.address_type));
    let found = of_slices(preferred, port_name);
    if !found.is_empty() {
        return found;
    }
    of_slices(slices.iter().filter(|slice| slice.address_type != "FQDN"), port_name)
}

/// The ready endpoints of a port; when there is none, those that end and still answer.
fn of_slices<'s>(slices: impl Iterator<Item = &'s Arc<EndpointSlice>>, port_name: &str) -> Vec<SocketAddr> {
    let (mut ready, mut ending) = (Vec::new(), Vec::new());
    for slice in slices {
        let ports = slice.ports.iter().flatten().filter(|port| port.name.as_deref().unwrap_or("") == port_name);
        for number in ports.filter_map(|port| port.port) {
            for endpoint in slice.endpoints.iter().flatten() {
                let Some(ip) = endpoint.addresses.first().and_then(|text| text.parse::<IpAddr>().ok()) else {
                    continue;
                };
                let state = endpoint.conditions;
                if state.ready != Some(false) {
                    ready.push(SocketAddr::new(ip, number));
                } else if state.serving == Some(true) && state.terminating == Some(true) {
                    ending.push(SocketAddr::new(ip, number));
                }
            }
        }
    }
    let mut found = if ready.is_empty() { ending } else { ready };
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_of_both_families_counts_once() {
        let slice = |family: &str, ips: &[&str]| {
            let endpoints: Vec<_> = ips.iter().map(|ip| serde_json::json!({"addresses": [ip]})).collect();
            let value = serde_json::json!({"addressType": family, "endpoints": endpoints, "ports": [{"port": 80}]});
            Arc::new(serde_json::from_value::<EndpointSlice>(value).unwrap())
        };
        let slices = [slice("IPv6", &["fd00::1", "fd00::2"]), slice("IPv4", &["10.0.0.1"])];
        let check = |families: &[&str], expect: &[&str]| {
            let families: Vec<String> = families.iter().map(|family| (*family).to_owned()).collect();
            let expect: Vec<SocketAddr> = expect.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(addresses(&slices, &families, ""), expect, "{families:?}");
        };
        check(&["IPv4", "IPv6"], &["10.0.0.1:80"]);
        check(&["IPv6", "IPv4"], &["[fd00::1]:80", "[fd00::2]:80"]);
        check(&[], &["10.0.0.1:80", "[fd00::1]:80", "[fd00::2]:80"]);
        let alone = [slice("IPv4", &[]), slices[0].clone()];
        let found = addresses(&alone, &["IPv4".to_owned()], "");
        assert_eq!(found.len(), 2, "better those of the other family than none");
    }
}
