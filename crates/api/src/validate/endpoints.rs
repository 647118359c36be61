//! EndpointSlices and Endpoints to faults, on create and on update.

use std::collections::BTreeSet;

use crate::core::endpoints::{EndpointAddress, EndpointSubset, Endpoints};
use crate::discovery::endpoint_slice::{Endpoint, EndpointSlice};
use crate::validate::error::Errors;
use crate::validate::ip::{is_v6, validate_canonical_ip, validate_ip, validate_non_special};
use crate::validate::meta::{Scope, validate_create as validate_meta, validate_update as validate_meta_update};
use crate::validate::name;
use crate::validate::path::Path;
use crate::validate::selector::validate_labels;

const ADDRESSES_MAX: usize = 100;
const PORTS_MAX: usize = 20_000;
const ENDPOINTS_MAX: usize = 1000;
const TOPOLOGY_MAX: usize = 16;
const HINTS_MAX: usize = 8;
const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];

/// A new slice.
pub fn validate_slice_create(slice: &EndpointSlice, errors: &mut Errors) {
    validate_slice(slice, None, errors);
}

/// A slice that replaces another.
pub fn validate_slice_update(new: &EndpointSlice, old: &EndpointSlice, errors: &mut Errors) {
    validate_slice(new, Some(old), errors);
    errors.immutable(&Path::root("addressType"), &new.address_type, &old.address_type);
}

fn validate_slice(slice: &EndpointSlice, old: Option<&EndpointSlice>, errors: &mut Errors) {
    validate_meta(&slice.metadata, Scope::Namespaced, name::dns_subdomain, errors);
    errors.required_one_of(&Path::root("addressType"), &slice.address_type, &["FQDN", "IPv4", "IPv6"]);
    validate_slice_ports(slice, errors);
    // What stands there from a time of other rules may stay.
    if old.is_some_and(|old| old.endpoints == slice.endpoints) {
        return;
    }
    let endpoints = Path::root("endpoints");
    if slice.endpoints.len() > ENDPOINTS_MAX {
        return errors.too_many(&endpoints, slice.endpoints.len(), ENDPOINTS_MAX);
    }
    for (i, endpoint) in slice.endpoints.iter().enumerate() {
        validate_endpoint(&endpoints.index(i), endpoint, &slice.address_type, errors);
    }
}

fn validate_endpoint(at: &Path<'_>, endpoint: &Endpoint, address_type: &str, errors: &mut Errors) {
    let addresses = at.child("addresses");
    match endpoint.addresses.len() {
        0 => errors.required(&addresses, "must contain at least 1 address"),
        count if count > ADDRESSES_MAX => errors.too_many(&addresses, count, ADDRESSES_MAX),
        _ => {}
    }
    for (i, address) in endpoint.addresses.iter().enumerate() {
        let at = addresses.index(i);
        let is_address = match address_type {
            "IPv4" => validate_ip(&at, address, errors),
            "IPv6" => validate_canonical_ip(&at, address, errors),
            "FQDN" => {
                validate_fqdn(&at, address, errors);
                false
            }
            _ => false,
        };
        if is_address {
            if is_v6(address) != (address_type == "IPv6") {
                // Kubernetes names the list here.
                errors.invalid(&addresses, address, &format!("must be an {address_type} address"));
            }
            validate_non_special(&at, address, errors);
        }
    }
    if let Some(node) = &endpoint.node_name {
        errors.invalid_each(&at.child("nodeName"), node, name::dns_subdomain(node));
    }
    let topology = at.child("deprecatedTopology");
    if endpoint.deprecated_topology.len() > TOPOLOGY_MAX {
        errors.too_many(&topology, endpoint.deprecated_topology.len(), TOPOLOGY_MAX);
    }
    validate_labels(&topology, &endpoint.deprecated_topology, errors);
    if let Some(hostname) = &endpoint.hostname {
        errors.invalid_each(&at.child("hostname"), hostname, name::dns_label(hostname));
    }
    if let Some(hints) = &endpoint.hints {
        let at = at.child("hints");
        let zones: Vec<&str> = hints.for_zones.iter().map(|zone| zone.name.as_str()).collect();
        if validate_hints(&at.child("forZones"), &zones, name::label_value, errors) {
            let nodes: Vec<&str> = hints.for_nodes.iter().map(|node| node.name.as_str()).collect();
            validate_hints(&at.child("forNodes"), &nodes, name::dns_subdomain, errors);
        }
    }
}

/// Names of zones or nodes, each once; says whether there are few enough of them to be looked at.
fn validate_hints(list: &Path<'_>, names: &[&str], rule: fn(&str) -> Vec<String>, errors: &mut Errors) -> bool {
    if names.len() > HINTS_MAX {
        errors.too_many(list, names.len(), HINTS_MAX);
        return false;
    }
    let mut seen = BTreeSet::new();
    for (i, name) in names.iter().enumerate() {
        let element = list.index(i);
        let at = element.child("name");
        if !seen.insert(name) {
            errors.duplicate(&at, name);
        }
        errors.invalid_each(&at, name, rule(name));
    }
    true
}

/// A domain of at least two labels, a dot at the end allowed.
fn validate_fqdn(at: &Path<'_>, text: &str, errors: &mut Errors) {
    if errors.required_text(at, text) {
        return;
    }
    let domain = text.strip_suffix('.').unwrap_or(text);
    let faults = name::dns_subdomain(domain);
    if !faults.is_empty() {
        return errors.invalid(at, domain, &faults.join(","));
    }
    if !domain.contains('.') {
        return errors.invalid(at, domain, "should be a domain with at least two segments separated by dots");
    }
    if let Some(label) = domain.split('.').find(|label| !name::dns_label(label).is_empty()) {
        errors.invalid(at, label, &name::dns_label(label).join(","));
    }
}

fn validate_slice_ports(slice: &EndpointSlice, errors: &mut Errors) {
    let ports = Path::root("ports");
    if slice.ports.len() > PORTS_MAX {
        return errors.too_many(&ports, slice.ports.len(), PORTS_MAX);
    }
    let mut names = BTreeSet::new();
    for (i, port) in slice.ports.iter().enumerate() {
        let at = ports.index(i);
        let (name_at, name) = (at.child("name"), port.name.as_deref().unwrap_or_default());
        if !name.is_empty() {
            errors.invalid_each(&name_at, name, name::dns_label(name));
        }
        if !names.insert(name) {
            errors.duplicate(&name_at, name);
        }
        match port.protocol.as_deref() {
            None => errors.required(&at.child("protocol"), ""),
            Some(protocol) => errors.one_of(&at.child("protocol"), protocol, PROTOCOLS),
        }
        if let Some(protocol) = &port.app_protocol {
            errors.invalid_each(&at.child("appProtocol"), protocol, name::qualified_name(protocol));
        }
    }
}

/// New endpoints in the older form.
pub fn validate_create(endpoints: &Endpoints, errors: &mut Errors) {
    validate_meta(&endpoints.metadata, Scope::Namespaced, name::dns_subdomain, errors);
    validate_subsets(endpoints, errors);
}

/// Endpoints that replace others.
pub fn validate_update(new: &Endpoints, old: &Endpoints, errors: &mut Errors) {
    validate_meta_update(&new.metadata, &old.metadata, true, errors);
    validate_create(new, errors);
}

fn validate_subsets(endpoints: &Endpoints, errors: &mut Errors) {
    let subsets = Path::root("subsets");
    for (i, subset) in endpoints.subsets.iter().enumerate() {
        let at = subsets.index(i);
        if subset.addresses.is_empty() && subset.not_ready_addresses.is_empty() {
            errors.required(&at, "must specify `addresses` or `notReadyAddresses`");
        }
        for (field, addresses) in [("addresses", &subset.addresses), ("notReadyAddresses", &subset.not_ready_addresses)]
        {
            let list = at.child(field);
            for (j, address) in addresses.iter().enumerate() {
                validate_address(&list.index(j), address, errors);
            }
        }
        validate_subset_ports(&at.child("ports"), subset, errors);
    }
}

fn validate_address(at: &Path<'_>, address: &EndpointAddress, errors: &mut Errors) {
    let ip_at = at.child("ip");
    validate_ip(&ip_at, &address.ip, errors);
    if !address.hostname.is_empty() {
        errors.invalid_each(&at.child("hostname"), &address.hostname, name::dns_label(&address.hostname));
    }
    if let Some(node) = &address.node_name {
        errors.invalid_each(&at.child("nodeName"), node, name::dns_subdomain(node));
    }
    // What is no address at all is said twice, as from Kubernetes.
    validate_non_special(&ip_at, &address.ip, errors);
}

fn validate_subset_ports(ports: &Path<'_>, subset: &EndpointSubset, errors: &mut Errors) {
    for (i, port) in subset.ports.iter().enumerate() {
        let at = ports.index(i);
        if !port.name.is_empty() {
            errors.invalid_each(&at.child("name"), &port.name, name::dns_label(&port.name));
        } else if subset.ports.len() > 1 {
            errors.required(&at.child("name"), "");
        }
        errors.port(&at.child("port"), port.port);
        errors.required_one_of(&at.child("protocol"), &port.protocol, PROTOCOLS);
        if let Some(protocol) = &port.app_protocol {
            errors.invalid_each(&at.child("appProtocol"), protocol, name::qualified_name(protocol));
        }
    }
}
