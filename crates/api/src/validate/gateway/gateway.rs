//! Gateways to faults: first the form of each value, then the rules among them, then what is not served here.

use std::collections::BTreeMap;

use crate::gateway::filter::LocalObjectReference;
use crate::gateway::gateway::{
    Gateway, GatewayInfrastructure, GatewaySpecAddress, Listener, ListenerTLSConfig, RouteNamespaces,
};
use crate::validate::error::Errors;
use crate::validate::gateway::schema::{
    HOSTNAME, LABEL_MAX, NAME_MAX, PROTOCOL, SUBDOMAIN, can_go_on, group_kind, is_hostname, is_subdomain, items,
    list_rule, optional, port, reference, required, rule, text, unique,
};
use crate::validate::ip;
use crate::validate::meta::{Scope, validate_common};
use crate::validate::name;
use crate::validate::path::Path;
use crate::validate::selector;

const SPEC: Path<'static> = Path::root("spec");
const LISTENERS_MAX: usize = 64;
const CERTIFICATES_MAX: usize = 64;
const KINDS_MAX: usize = 8;
const OPTIONS_MAX: usize = 16;
const ADDRESSES_MAX: usize = 16;
const LABELS_MAX: usize = 8;
const ANNOTATIONS_MAX: usize = 16;
const PROTOCOL_MAX: usize = 255;
/// Characters of an annotation's or option's value.
const VALUE_MAX: usize = 4096;

/// A gateway, new or in the place of another.
pub fn validate(gateway: &Gateway, errors: &mut Errors) {
    validate_common(&gateway.metadata, Scope::Namespaced, name::dns_subdomain, errors);
    let spec = &gateway.spec;
    required(&SPEC.child("gatewayClassName"), &spec.gateway_class_name, NAME_MAX, None, errors);
    let at = SPEC.child("listeners");
    if spec.listeners.is_empty() {
        errors.required(&at, "");
    }
    items(&at, spec.listeners.len(), LISTENERS_MAX, errors);
    for (i, listener) in spec.listeners.iter().enumerate() {
        form_of_listener(&at.index(i), listener, errors);
    }
    let addresses = SPEC.child("addresses");
    items(&addresses, spec.addresses.len(), ADDRESSES_MAX, errors);
    for (i, address) in spec.addresses.iter().enumerate() {
        form_of_address(&addresses.index(i), address, errors);
    }
    if let Some(infrastructure) = &spec.infrastructure {
        form_of_infrastructure(&SPEC.child("infrastructure"), infrastructure, errors);
    }
    if let Some(allowed) = &spec.allowed_listeners {
        let at = SPEC.child("allowedListeners");
        namespaces(&at, allowed.namespaces.as_ref(), &["All", "Selector", "Same", "None"], errors);
    }
    unique(&at, "name", spec.listeners.iter().map(|listener| listener.name.as_str()), errors);
    if can_go_on(errors) {
        rules_of_addresses(&addresses, &spec.addresses, errors);
        rules_of_listeners(&at, &spec.listeners, errors);
    }
    not_served(gateway, errors);
}

fn form_of_listener(at: &Path<'_>, listener: &Listener, errors: &mut Errors) {
    required(&at.child("name"), &listener.name, NAME_MAX, Some(&SUBDOMAIN), errors);
    optional(&at.child("hostname"), listener.hostname.as_ref(), NAME_MAX, Some(&HOSTNAME), errors);
    let port_at = at.child("port");
    match listener.port {
        0 => errors.required(&port_at, ""),
        number => port(&port_at, number, errors),
    }
    required(&at.child("protocol"), &listener.protocol, PROTOCOL_MAX, Some(&PROTOCOL), errors);
    if let Some(tls) = &listener.tls {
        form_of_tls(&at.child("tls"), tls, errors);
    }
    let Some(allowed) = &listener.allowed_routes else { return };
    let at = at.child("allowedRoutes");
    namespaces(&at, allowed.namespaces.as_ref(), &["All", "Selector", "Same"], errors);
    let kinds = at.child("kinds");
    items(&kinds, allowed.kinds.len(), KINDS_MAX, errors);
    for (i, kind) in allowed.kinds.iter().enumerate() {
        group_kind(&kinds.index(i), kind.group.as_deref().unwrap_or_default(), &kind.kind, errors);
    }
}

fn namespaces(at: &Path<'_>, namespaces: Option<&RouteNamespaces>, allowed: &[&str], errors: &mut Errors) {
    let Some(namespaces) = namespaces else { return };
    let at = at.child("namespaces");
    if let Some(from) = &namespaces.from {
        errors.one_of(&at.child("from"), from, allowed);
    }
    selector::validate_selector(&at.child("selector"), namespaces.selector.as_ref(), errors);
}

fn form_of_tls(at: &Path<'_>, tls: &ListenerTLSConfig, errors: &mut Errors) {
    if let Some(mode) = &tls.mode {
        errors.one_of(&at.child("mode"), mode, &["Terminate", "Passthrough"]);
    }
    let refs = at.child("certificateRefs");
    items(&refs, tls.certificate_refs.len(), CERTIFICATES_MAX, errors);
    for (i, secret) in tls.certificate_refs.iter().enumerate() {
        let at = refs.index(i);
        reference(&at, secret.group.as_ref(), secret.kind.as_ref(), secret.namespace.as_ref(), errors);
        required(&at.child("name"), &secret.name, NAME_MAX, None, errors);
    }
    let options = at.child("options");
    items(&options, tls.options.len(), OPTIONS_MAX, errors);
    for (key, value) in &tls.options {
        text(&options.key(key), value, (0, VALUE_MAX), None, errors);
    }
}

fn form_of_address(at: &Path<'_>, address: &GatewaySpecAddress, errors: &mut Errors) {
    let kind = address.type_.as_deref().unwrap_or("IPAddress");
    text(&at.child("type"), kind, (1, NAME_MAX), None, errors);
    if let Some(value) = &address.value {
        text(&at.child("value"), value, (0, NAME_MAX), None, errors);
        if kind == "IPAddress" && !value.is_empty() && ip::parse(value).is_none() {
            let detail = format!("\"{at}\" must validate one and only one schema (oneOf). Found none valid");
            errors.invalid(at, address, &detail);
        }
    }
}

fn form_of_infrastructure(at: &Path<'_>, infrastructure: &GatewayInfrastructure, errors: &mut Errors) {
    let labels = at.child("labels");
    items(&labels, infrastructure.labels.len(), LABELS_MAX, errors);
    for (key, value) in &infrastructure.labels {
        text(&labels.key(key), value, (0, LABEL_MAX), None, errors);
        errors.invalid_each(&labels.key(key), value, name::label_value(value));
    }
    let annotations = at.child("annotations");
    items(&annotations, infrastructure.annotations.len(), ANNOTATIONS_MAX, errors);
    for (key, value) in &infrastructure.annotations {
        text(&annotations.key(key), value, (0, VALUE_MAX), None, errors);
    }
    keys(&labels, "Label", &infrastructure.labels, errors);
    keys(&annotations, "Annotation", &infrastructure.annotations, errors);
    if let Some(LocalObjectReference { group, kind, name }) = &infrastructure.parameters_ref {
        let at = at.child("parametersRef");
        group_kind(&at, group, kind, errors);
        required(&at.child("name"), name, NAME_MAX, None, errors);
    }
}

fn keys(at: &Path<'_>, what: &str, map: &BTreeMap<String, String>, errors: &mut Errors) {
    let is_name = |name: &str| {
        let is_edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
        let inner = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        name.len() <= LABEL_MAX && is_edge(name.bytes().next()) && is_edge(name.bytes().last()) && inner
    };
    let is_key = |key: &String| match key.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_name(name),
        None => is_name(key),
    };
    let message = format!(
        "{what} keys must be in the form of an optional DNS subdomain prefix followed by a required name segment of up to \
         63 characters."
    );
    rule(map.keys().all(is_key), at, &message, errors);
    let is_short = |key: &String| key.split('/').next().is_none_or(|prefix| prefix.len() < NAME_MAX);
    let message = format!(
        "If specified, the {} key's prefix must be a DNS subdomain not longer than 253 characters in total.",
        what.to_lowercase()
    );
    rule(map.keys().all(is_short), at, &message, errors);
}

fn rules_of_addresses(at: &Path<'_>, addresses: &[GatewaySpecAddress], errors: &mut Errors) {
    let values = |kind: &str| -> Vec<&String> {
        let of_kind = addresses.iter().filter(|a| a.type_.as_deref() == Some(kind));
        of_kind.filter_map(|a| a.value.as_ref()).collect()
    };
    for (kind, message) in
        [("IPAddress", "IPAddress values must be unique"), ("Hostname", "Hostname values must be unique")]
    {
        let mut all = values(kind);
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        list_rule(all.len() == count, at, message, errors);
    }
    for (i, address) in addresses.iter().enumerate() {
        let is_good = address.type_.as_deref() != Some("Hostname")
            || address.value.as_ref().is_none_or(|value| is_hostname(value));
        let message = r"Hostname value must be empty or contain only valid characters (matching ^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$)";
        rule(is_good, &at.index(i), message, errors);
    }
}

fn rules_of_listeners(at: &Path<'_>, listeners: &[Listener], errors: &mut Errors) {
    let all = |holds: &dyn Fn(&Listener) -> bool| listeners.iter().all(holds);
    let is = |listener: &Listener, protocols: &[&str]| protocols.contains(&listener.protocol.as_str());
    let mode = |listener: &Listener| listener.tls.as_ref().map(|tls| tls.mode.clone().unwrap_or_default());
    let plain = all(&|l| !is(l, &["HTTP", "TCP", "UDP"]) || l.tls.is_none());
    list_rule(plain, at, "tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']", errors);
    let terminates =
        all(&|l| l.protocol != "HTTPS" || mode(l).is_none_or(|mode| mode.is_empty() || mode == "Terminate"));
    list_rule(terminates, at, "tls mode must be Terminate for protocol HTTPS", errors);
    let has_mode = all(&|l| l.protocol != "TLS" || mode(l).is_some_and(|mode| !mode.is_empty()));
    list_rule(has_mode, at, "tls mode must be set for protocol TLS", errors);
    let no_host = all(&|l| !is(l, &["TCP", "UDP"]) || l.hostname.as_ref().is_none_or(String::is_empty));
    list_rule(no_host, at, "hostname must not be specified for protocols ['TCP', 'UDP']", errors);
    // That names are unique has been checked as a property of the list.
    let places: Vec<_> = listeners.iter().map(|l| (l.port, &l.protocol, &l.hostname)).collect();
    let is_unique = places.iter().enumerate().all(|(i, place)| !places[..i].contains(place));
    let message = "Combination of port, protocol and hostname must be unique for each listener";
    list_rule(is_unique, at, message, errors);
    for (i, listener) in listeners.iter().enumerate() {
        let Some(tls) = &listener.tls else { continue };
        let has =
            tls.mode.as_deref() != Some("Terminate") || !tls.certificate_refs.is_empty() || !tls.options.is_empty();
        let message = "certificateRefs or options must be specified when mode is Terminate";
        rule(has, &at.index(i).child("tls"), message, errors);
    }
}

/// What would change who may connect must not be passed over in silence.
fn not_served(gateway: &Gateway, errors: &mut Errors) {
    let spec = &gateway.spec;
    if spec.tls.is_some() {
        let detail = "certificates of clients, and certificates towards pods, are not supported";
        errors.forbidden(&SPEC.child("tls"), detail);
    }
    let at = SPEC.child("listeners");
    for (i, listener) in spec.listeners.iter().enumerate() {
        if listener.tls.as_ref().is_some_and(|tls| !tls.options.is_empty()) {
            let detail = "no option of TLS is supported";
            errors.forbidden(&at.index(i).child("tls").child("options"), detail);
        }
    }
    let admits = |from: &str| from != "None";
    if let Some(namespaces) = spec.allowed_listeners.as_ref().and_then(|allowed| allowed.namespaces.as_ref())
        && namespaces.from.as_deref().is_some_and(admits)
    {
        let detail = "sets of listeners are not supported";
        errors.forbidden(&SPEC.child("allowedListeners"), detail);
    }
}
