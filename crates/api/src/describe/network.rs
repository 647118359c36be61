//! Endpoints, ingresses, their classes and network policies to their descriptions.

use crate::core::endpoints::{EndpointAddress, Endpoints};
use crate::describe::Related;
use crate::describe::event::Events;
use crate::describe::page::{Page, or_none};
use crate::describe::service::{SERVICE_NAME, endpoints as shown_endpoints};
use crate::discovery::endpoint_slice::{Endpoint, EndpointSlice};
use crate::meta::object_meta::ObjectMeta;
use crate::networking::class::{self, Served};
use crate::networking::ingress::{Ingress, IngressBackend, IngressClass};
use crate::networking::network_policy::{NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort};
use crate::table::network::ingress_addresses;

fn head(page: &mut Page, meta: &ObjectMeta) {
    page.name(meta);
    page.labels("Labels", &meta.labels);
    page.annotations("Annotations", &meta.annotations);
}

/// Endpoints in the older form.
pub fn endpoints(endpoints: &Endpoints, events: &Events) -> String {
    let mut page = Page::default();
    head(&mut page, &endpoints.metadata);
    page.put(0, format_args!("Subsets:\n"));
    let joined = |list: &[EndpointAddress]| list.iter().map(|a| a.ip.as_str()).collect::<Vec<_>>().join(",");
    for subset in &endpoints.subsets {
        page.field(1, "Addresses", or_none(&joined(&subset.addresses)));
        page.field(1, "NotReadyAddresses", or_none(&joined(&subset.not_ready_addresses)));
        if !subset.ports.is_empty() {
            page.put(1, format_args!("Ports:\n"));
            page.put(2, format_args!("Name\tPort\tProtocol\n"));
            page.put(2, format_args!("----\t----\t--------\n"));
            for port in &subset.ports {
                page.put(2, format_args!("{}\t{}\t{}\n", or_unset(Some(&port.name)), port.port, port.protocol));
            }
        }
        page.put(0, format_args!("\n"));
    }
    events.write(&mut page);
    page.finish()
}

fn or_unset(text: Option<&String>) -> &str {
    text.map(String::as_str).filter(|text| !text.is_empty()).unwrap_or("<unset>")
}

/// A slice.
pub fn endpoint_slice(slice: &EndpointSlice, events: &Events) -> String {
    let mut page = Page::default();
    head(&mut page, &slice.metadata);
    page.field(0, "AddressType", &slice.address_type);
    if slice.ports.is_empty() {
        page.put(0, format_args!("Ports: <unset>\n"));
    } else {
        page.put(0, format_args!("Ports:\n"));
        page.put(1, format_args!("Name\tPort\tProtocol\n"));
        page.put(1, format_args!("----\t----\t--------\n"));
        for port in &slice.ports {
            let number = port.port.map_or_else(|| "<unset>".to_owned(), |port| port.to_string());
            let protocol = port.protocol.as_deref().unwrap_or_default();
            page.put(1, format_args!("{}\t{number}\t{protocol}\n", or_unset(port.name.as_ref())));
        }
    }
    if slice.endpoints.is_empty() {
        page.put(0, format_args!("Endpoints: <none>\n"));
    } else {
        page.put(0, format_args!("Endpoints:\n"));
        slice.endpoints.iter().for_each(|endpoint| one_endpoint(&mut page, endpoint));
    }
    events.write(&mut page);
    page.finish()
}

fn one_endpoint(page: &mut Page, endpoint: &Endpoint) {
    let text = |text: &Option<String>| text.as_deref().unwrap_or("<unset>").to_owned();
    page.put(1, format_args!("- Addresses:\t{}\n", or_none(&endpoint.addresses.join(", "))));
    page.put(2, format_args!("Conditions:\n"));
    page.field(3, "Ready", endpoint.conditions.ready.map_or_else(|| "<unset>".to_owned(), |ready| ready.to_string()));
    page.field(2, "Hostname", text(&endpoint.hostname));
    if let Some(target) = &endpoint.target_ref {
        page.field(2, "TargetRef", format_args!("{}/{}", target.kind, target.name));
    }
    page.field(2, "NodeName", text(&endpoint.node_name));
    page.field(2, "Zone", text(&endpoint.zone));
}

/// What is behind a path: the service's port and its endpoints, or what is wrong with it.
fn backend(namespace: &str, backend: &IngressBackend, related: &Related) -> String {
    if let Some(resource) = &backend.resource {
        let group = resource.api_group.as_deref().unwrap_or("<none>");
        return format!("APIGroup: {group}, Kind: {}, Name: {}", resource.kind, resource.name);
    }
    let Some(wanted) = &backend.service else { return String::new() };
    let port = match wanted.port.number {
        0 => wanted.port.name.clone(),
        number => number.to_string(),
    };
    let label = format!("{}:{port}", wanted.name);
    let here = |meta: &ObjectMeta| meta.namespace == namespace;
    let Some(service) = related.services.iter().find(|s| here(&s.metadata) && s.metadata.name == wanted.name) else {
        return format!("{label} (<error: services \"{}\" not found>)", wanted.name);
    };
    let found = service.spec.ports.iter().find(|port| match wanted.port.number {
        0 => port.name == wanted.port.name,
        number => port.port == number,
    });
    let Some(found) = found else {
        return format!("{label} (<error: service \"{}\" has no port {port}>)", wanted.name);
    };
    let slices: Vec<&EndpointSlice> = related
        .endpoint_slices
        .iter()
        .filter(|s| here(&s.metadata) && s.metadata.labels.get(SERVICE_NAME) == Some(&wanted.name))
        .collect();
    format!("{label} ({})", shown_endpoints(&slices, &found.name))
}

/// An ingress with what is behind its paths.
pub fn ingress(ingress: &Ingress, related: &Related, events: &Events) -> String {
    let (meta, spec) = (&ingress.metadata, &ingress.spec);
    let mut page = Page::default();
    page.field(0, "Name", &meta.name);
    page.labels("Labels", &meta.labels);
    page.field(0, "Namespace", &meta.namespace);
    page.field(0, "Address", ingress_addresses(&ingress.status.load_balancer));
    page.field(0, "Ingress Class", spec.ingress_class_name.as_deref().unwrap_or("<none>"));
    let default =
        spec.default_backend.as_ref().map_or_else(|| "<default>".to_owned(), |b| backend(&meta.namespace, b, related));
    page.field(0, "Default backend", &default);
    if !spec.tls.is_empty() {
        page.put(0, format_args!("TLS:\n"));
    }
    for tls in &spec.tls {
        let hosts = tls.hosts.join(",");
        match tls.secret_name.as_str() {
            "" => page.put(1, format_args!("SNI routes {hosts}\n")),
            secret => page.put(1, format_args!("{secret} terminates {hosts}\n")),
        }
    }
    page.put(0, format_args!("Rules:\n  Host\tPath\tBackends\n"));
    page.put(1, format_args!("----\t----\t--------\n"));
    let mut rules = spec.rules.iter().filter_map(|rule| Some((rule, rule.http.as_ref()?))).peekable();
    if rules.peek().is_none() {
        page.put(1, format_args!("*\t*\t{default}\n"));
    }
    for (rule, http) in rules {
        page.put(1, format_args!("{}\t\n", if rule.host.is_empty() { "*" } else { &rule.host }));
        for path in &http.paths {
            let backend = backend(&meta.namespace, &path.backend, related);
            page.put(2, format_args!("\t{} \t{backend}\n", path.path));
        }
    }
    page.annotations("Annotations", &meta.annotations);
    if let Some(classes) = related.ingress_classes {
        let served = match class::served(ingress, classes) {
            Served::Here => "by Masthead on every node".to_owned(),
            Served::Elsewhere { controller } => format!("by {controller}, not by Masthead"),
            Served::NoClass { name } if name.is_empty() => {
                "by nobody: it names no IngressClass, and none is the default".to_owned()
            }
            Served::NoClass { name } => format!("by nobody: there is no IngressClass {name:?}"),
        };
        page.field(0, "Served", served);
    }
    events.write(&mut page);
    page.finish()
}

/// A class.
pub fn ingress_class(class: &IngressClass, events: &Events) -> String {
    let mut page = Page::default();
    page.field(0, "Name", &class.metadata.name);
    page.labels("Labels", &class.metadata.labels);
    page.annotations("Annotations", &class.metadata.annotations);
    page.field(0, "Controller", &class.spec.controller);
    if let Some(parameters) = &class.spec.parameters {
        page.put(0, format_args!("Parameters:\n"));
        if let Some(group) = &parameters.api_group {
            page.field(1, "APIGroup", group);
        }
        page.field(1, "Kind", &parameters.kind);
        page.field(1, "Name", &parameters.name);
    }
    events.write(&mut page);
    page.finish()
}

/// A network policy.
pub fn network_policy(policy: &NetworkPolicy) -> String {
    let (meta, spec) = (&policy.metadata, &policy.spec);
    let mut page = Page::default();
    page.name(meta);
    let created = meta.creation_timestamp.map(|time| time.to_string());
    // Go's own form of a time, which kubectl shows here.
    let created = created.as_deref().unwrap_or("0001-01-01T00:00:00Z").replace('T', " ").replace('Z', " +0000 UTC");
    page.field(0, "Created on", created);
    page.labels("Labels", &meta.labels);
    page.annotations("Annotations", &meta.annotations);
    page.put(0, format_args!("Spec:\n"));
    // kubectl writes label and value as two cells of two levels, which shows in the gap between them.
    page.put(1, format_args!("PodSelector: "));
    if spec.pod_selector.is_empty() {
        page.put(2, format_args!("<none> (Allowing the specific traffic to all pods in this namespace)\n"));
    } else {
        page.put(2, format_args!("{}\n", spec.pod_selector));
    }
    let has = |kind: &str| spec.policy_types.iter().any(|known| known == kind);
    let ingress = spec.ingress.iter().map(|rule| (rule.ports.as_slice(), rule.from.as_slice())).collect();
    direction(&mut page, "ingress", has("Ingress"), ("From", "source"), ingress);
    let egress = spec.egress.iter().map(|rule| (rule.ports.as_slice(), rule.to.as_slice())).collect();
    direction(&mut page, "egress", has("Egress"), ("To", "destination"), egress);
    page.put(1, format_args!("Policy Types: {}\n", spec.policy_types.join(", ")));
    page.finish()
}

type Rule<'a> = (&'a [NetworkPolicyPort], &'a [NetworkPolicyPeer]);

fn direction(page: &mut Page, way: &str, affected: bool, (word, end): (&str, &str), rules: Vec<Rule>) {
    if !affected {
        return page.put(1, format_args!("Not affecting {way} traffic\n"));
    }
    page.put(1, format_args!("Allowing {way} traffic:\n"));
    if rules.is_empty() {
        return page.put(2, format_args!("<none> (Selected pods are isolated for {way} connectivity)\n"));
    }
    let last = rules.len() - 1;
    for (i, (ports, peers)) in rules.into_iter().enumerate() {
        if ports.is_empty() {
            page.put(2, format_args!("To Port: <any> (traffic allowed to all ports)\n"));
        }
        for port in ports {
            let protocol = port.protocol.as_deref().unwrap_or("TCP");
            let number = port.port.as_ref().map_or_else(|| "<nil>".to_owned(), ToString::to_string);
            match port.end_port {
                None => page.put(2, format_args!("To Port: {number}/{protocol}\n")),
                Some(end) => page.put(2, format_args!("To Port Range: {number}-{end}/{protocol}\n")),
            }
        }
        if peers.is_empty() {
            page.put(2, format_args!("{word}: <any> (traffic not restricted by {end})\n"));
        }
        for peer in peers {
            page.put(2, format_args!("{word}:\n"));
            one_peer(page, peer);
        }
        if i != last {
            page.put(2, format_args!("----------\n"));
        }
    }
}

fn one_peer(page: &mut Page, peer: &NetworkPolicyPeer) {
    if let Some(selector) = &peer.namespace_selector {
        page.put(3, format_args!("NamespaceSelector: {selector}\n"));
    }
    if let Some(selector) = &peer.pod_selector {
        page.put(3, format_args!("PodSelector: {selector}\n"));
    }
    if let (None, None, Some(block)) = (&peer.namespace_selector, &peer.pod_selector, &peer.ip_block) {
        page.put(3, format_args!("IPBlock:\n"));
        page.put(4, format_args!("CIDR: {}\n", block.cidr));
        page.put(4, format_args!("Except: {}\n", block.except.join(", ")));
    }
}
