//! Services to faults, on create and on update.

use std::collections::BTreeSet;

use crate::core::service::{Service, ServicePort};
use crate::validate::error::{Errors, Shown};
use crate::validate::internal;
use crate::validate::ip::{is_dual_stack, is_v6, parse, validate_cidr, validate_ip, validate_non_special};
use crate::validate::meta::{Scope, validate_create as validate_meta, validate_update as validate_meta_update};
use crate::validate::name;
use crate::validate::path::Path;
use crate::validate::pod::probe::validate_port;
use crate::validate::selector::validate_labels;

const SPEC: Path<'static> = Path::root("spec");
const META: Path<'static> = Path::root("metadata");
const TYPES: &[&str] = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const LB_ONLY: &str = "may only be used when `type` is 'LoadBalancer'";
const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const MODE: &str = "service.kubernetes.io/topology-mode";

/// Whether it has no virtual address of its own.
pub fn is_headless(service: &Service) -> bool {
    service.spec.cluster_ips == ["None"]
}

/// Whether clients outside of the cluster can reach it.
pub fn is_externally_accessible(service: &Service) -> bool {
    let spec = &service.spec;
    matches!(spec.type_.as_str(), "LoadBalancer" | "NodePort")
        || (spec.type_ == "ClusterIP" && !spec.external_ips.is_empty())
}

/// Whether load balancers ask nodes for its health.
pub fn needs_health_check(service: &Service) -> bool {
    service.spec.type_ == "LoadBalancer" && service.spec.external_traffic_policy == "Local"
}

/// A new service.
pub fn validate_create(service: &Service, errors: &mut Errors) {
    validate_meta(&service.metadata, Scope::Namespaced, name::dns_label, errors);
    validate(service, errors);
}

fn validate(service: &Service, errors: &mut Errors) {
    let annotations = &service.metadata.annotations;
    if let (Some(mode), Some(hints)) = (annotations.get(MODE), annotations.get(HINTS))
        && mode != hints
    {
        let detail = format!("must match annotations[{HINTS}] when both are specified");
        errors.invalid(&META.child("annotations").key(MODE), mode, &detail);
    }
    validate_type(service, errors);
    validate_ports(service, errors);
    validate_labels(&SPEC.child("selector"), &service.spec.selector, errors);
    validate_affinity(service, errors);
    validate_cluster_ips(service, errors);
    let external = SPEC.child("externalIPs");
    for (i, ip) in service.spec.external_ips.iter().enumerate() {
        let at = external.index(i);
        if validate_ip(&at, ip, errors) {
            validate_non_special(&at, ip, errors);
        }
    }
    errors.required_one_of(&SPEC.child("type"), &service.spec.type_, TYPES);
    validate_port_numbers(service, errors);
    validate_load_balancer(service, errors);
    validate_class(service, errors);
    validate_external_traffic(service, errors);
    validate_internal_traffic(service, errors);
}

/// A service that replaces another.
pub fn validate_update(new: &Service, old: &Service, errors: &mut Errors) {
    validate_meta_update(&new.metadata, &old.metadata, true, errors);
    let external = |service: &Service| service.spec.type_ == "ExternalName";
    if !external(new) && !external(old) {
        validate_ip_changes(new, old, errors);
        validate_family_changes(new, old, errors);
    }
    let balanced = |service: &Service| service.spec.type_ == "LoadBalancer";
    if balanced(new) && balanced(old) && new.spec.load_balancer_class != old.spec.load_balancer_class {
        errors.invalid(&SPEC.child("loadBalancerClass"), &new.spec.load_balancer_class, "may not change once set");
    }
    validate_class(new, errors);
    if needs_health_check(old)
        && needs_health_check(new)
        && new.spec.health_check_node_port != old.spec.health_check_node_port
    {
        errors.forbidden(&SPEC.child("healthCheckNodePort"), "field is immutable");
    }
    validate(new, errors);
}

fn validate_type(service: &Service, errors: &mut Errors) {
    let spec = &service.spec;
    let headless = is_headless(service);
    if spec.ports.is_empty() && !headless && spec.type_ != "ExternalName" {
        errors.required(&SPEC.child("ports"), "");
    }
    match spec.type_.as_str() {
        "LoadBalancer" | "NodePort" if headless => {
            let detail = format!("may not be set to 'None' for {} services", spec.type_);
            errors.invalid(&SPEC.child("clusterIPs").index(0), "None", &detail);
        }
        "ExternalName" => {
            const DETAIL: &str = "may not be set for ExternalName services";
            for (field, set) in [
                ("clusterIPs", !spec.cluster_ips.is_empty()),
                ("ipFamilies", !spec.ip_families.is_empty()),
                ("ipFamilyPolicy", spec.ip_family_policy.is_some()),
            ] {
                if set {
                    errors.forbidden(&SPEC.child(field), DETAIL);
                }
            }
            let name = spec.external_name.strip_suffix('.').unwrap_or(&spec.external_name);
            if !errors.required_text(&SPEC.child("externalName"), name) {
                errors.invalid_each(&SPEC.child("externalName"), name, name::dns_subdomain(name));
            }
        }
        _ => {}
    }
}

fn validate_ports(service: &Service, errors: &mut Errors) {
    let ports = SPEC.child("ports");
    let mut names = BTreeSet::new();
    for (i, port) in service.spec.ports.iter().enumerate() {
        let at = ports.index(i);
        let name_at = at.child("name");
        if !port.name.is_empty() {
            errors.invalid_each(&name_at, &port.name, name::dns_label(&port.name));
            if !names.insert(port.name.as_str()) {
                errors.duplicate(&name_at, &port.name);
            }
        } else if service.spec.ports.len() > 1 {
            errors.required(&name_at, "");
        }
        errors.port(&at.child("port"), port.port);
        errors.required_one_of(&at.child("protocol"), &port.protocol, &["SCTP", "TCP", "UDP"]);
        validate_port(&at.child("targetPort"), &port.target_port, errors);
        if let Some(protocol) = &port.app_protocol {
            errors.invalid_each(&at.child("appProtocol"), protocol, name::qualified_name(protocol));
        }
    }
}

fn validate_port_numbers(service: &Service, errors: &mut Errors) {
    let ports = SPEC.child("ports");
    let spec = &service.spec;
    if spec.type_ == "ClusterIP" {
        for (i, _) in spec.ports.iter().enumerate().filter(|(_, port)| port.node_port != 0) {
            let at = ports.index(i);
            errors.forbidden(&at.child("nodePort"), "may not be used when `type` is 'ClusterIP'");
        }
    }
    let mut node_ports = BTreeSet::new();
    for (i, port) in spec.ports.iter().enumerate().filter(|(_, port)| port.node_port != 0) {
        if !node_ports.insert((&port.protocol, port.node_port)) {
            let at = ports.index(i);
            errors.duplicate(&at.child("nodePort"), &port.node_port);
        }
    }
    let mut numbers = BTreeSet::new();
    for (i, port) in spec.ports.iter().enumerate() {
        if !numbers.insert((&port.protocol, port.port)) {
            let key = ServicePort { protocol: port.protocol.clone(), port: port.port, ..Default::default() };
            errors.duplicate_shown(&ports.index(i), internal::compact(&key), "");
        }
    }
}

fn validate_affinity(service: &Service, errors: &mut Errors) {
    let spec = &service.spec;
    errors.required_one_of(&SPEC.child("sessionAffinity"), &spec.session_affinity, &["ClientIP", "None"]);
    let path = SPEC.child("sessionAffinityConfig");
    match spec.session_affinity.as_str() {
        "ClientIP" => {
            const DETAIL: &str = "when session affinity type is ClientIP";
            let Some(config) = &spec.session_affinity_config else { return errors.required(&path, DETAIL) };
            let client_at = path.child("clientIP");
            let Some(client) = &config.client_ip else { return errors.required(&client_at, DETAIL) };
            let at = client_at.child("timeoutSeconds");
            match client.timeout_seconds {
                None => errors.required(&at, DETAIL),
                Some(seconds) if !(1..=86_400).contains(&seconds) => {
                    errors.invalid(&at, &seconds, "must be greater than 0 and less than 86400");
                }
                Some(_) => {}
            }
        }
        "None" if spec.session_affinity_config.is_some() => {
            errors.forbidden(&path, "must not be set when session affinity is None");
        }
        _ => {}
    }
}

/// Virtual addresses, their families and the policy that joins them; checked before addresses are given out as well.
pub fn validate_cluster_ips(service: &Service, errors: &mut Errors) {
    let spec = &service.spec;
    if spec.type_ == "ExternalName" {
        return;
    }
    let path = SPEC.child("clusterIPs");
    let (ip, ips) = (&spec.cluster_ip, &spec.cluster_ips);
    match (ip.is_empty(), ips.first()) {
        (false, None) => errors.required(&path, ""),
        (false, Some(first)) if first != ip => errors.invalid(&path, ips, "first value must match `clusterIP`"),
        (true, Some(_)) => errors.invalid(&path, ips, "must be empty when `clusterIP` is not specified"),
        _ => {}
    }
    let families = SPEC.child("ipFamilies");
    for (i, family) in spec.ip_families.iter().enumerate() {
        errors.one_of(&families.index(i), family, &["IPv4", "IPv6"]);
        if spec.ip_families[..i].contains(family) {
            errors.duplicate(&families.index(i), family);
        }
    }
    if let Some(policy) = &spec.ip_family_policy {
        let policies = &["PreferDualStack", "RequireDualStack", "SingleStack"];
        errors.one_of(&SPEC.child("ipFamilyPolicy"), policy, policies);
    }
    let mut bad = false;
    for (i, ip) in ips.iter().enumerate() {
        if i == 0 && ip == "None" {
            if ips.len() > 1 {
                bad = true;
                errors.invalid(&path, ips, "'None' must be the first and only value");
            }
            continue;
        }
        bad |= !validate_ip(&path.index(i), ip, errors);
    }
    if ips.len() > 2 {
        errors.invalid(&path, ips, "may only hold up to 2 values");
    }
    if bad {
        return;
    }
    if ips.len() > 1 && !is_dual_stack(ips.iter().filter_map(|ip| parse(ip))) {
        errors.invalid(&path, ips, "may specify no more than one IP for each IP family");
    }
    if is_headless(service) {
        return;
    }
    for (i, (ip, family)) in ips.iter().zip(&spec.ip_families).enumerate() {
        if (family == "IPv4" && is_v6(ip)) || (family == "IPv6" && !is_v6(ip)) {
            let detail = format!("expected an {family} value as indicated by `ipFamilies[{i}]`");
            errors.invalid(&path.index(i), ip, &detail);
        }
    }
}

fn validate_load_balancer(service: &Service, errors: &mut Errors) {
    let spec = &service.spec;
    let balanced = spec.type_ == "LoadBalancer";
    let annotation = service.metadata.annotations.get(SOURCE_RANGES);
    if !spec.load_balancer_source_ranges.is_empty() {
        let path = SPEC.child("LoadBalancerSourceRanges");
        if !balanced {
            errors.forbidden(&path, LB_ONLY);
        }
        for (i, range) in spec.load_balancer_source_ranges.iter().enumerate() {
            validate_cidr(&path.index(i), range.trim(), errors);
        }
    } else if let Some(ranges) = annotation {
        let annotations = META.child("annotations");
        let path = annotations.key(SOURCE_RANGES);
        if !balanced {
            errors.forbidden(&path, LB_ONLY);
        }
        for range in ranges.trim().split(',').filter(|_| !ranges.trim().is_empty()) {
            validate_cidr(&path, range.trim(), errors);
        }
    }
    match spec.allocate_load_balancer_node_ports {
        Some(_) if !balanced => errors.forbidden(&SPEC.child("allocateLoadBalancerNodePorts"), LB_ONLY),
        None if balanced => errors.required(&Path::root("allocateLoadBalancerNodePorts"), ""),
        _ => {}
    }
}

fn validate_class(service: &Service, errors: &mut Errors) {
    let Some(class) = &service.spec.load_balancer_class else { return };
    let path = SPEC.child("loadBalancerClass");
    if service.spec.type_ == "LoadBalancer" {
        errors.invalid_each(&path, class, name::qualified_name(class));
    } else {
        errors.forbidden(&path, LB_ONLY);
    }
}

fn validate_external_traffic(service: &Service, errors: &mut Errors) {
    let spec = &service.spec;
    let path = SPEC.child("externalTrafficPolicy");
    if is_externally_accessible(service) {
        errors.required_one_of(&path, &spec.external_traffic_policy, &["Cluster", "Local"]);
    } else if !spec.external_traffic_policy.is_empty() {
        let detail = "may only be set for externally-accessible services";
        errors.invalid(&path, &spec.external_traffic_policy, detail);
    }
    let path = SPEC.child("healthCheckNodePort");
    let port = spec.health_check_node_port;
    if needs_health_check(service) {
        // Zero stands for a port that is given out when the service is stored.
        if port != 0 {
            errors.port(&path, port);
        }
    } else if port != 0 {
        let detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        errors.invalid(&path, &port, detail);
    }
}

fn validate_internal_traffic(service: &Service, errors: &mut Errors) {
    let spec = &service.spec;
    let path = SPEC.child("internalTrafficPolicy");
    match &spec.internal_traffic_policy {
        None if ["NodePort", "LoadBalancer", "ClusterIP"].contains(&spec.type_.as_str()) => errors.required(&path, ""),
        None => {}
        Some(policy) => errors.one_of(&path, policy, &["Cluster", "Local"]),
    }
    if let Some(distribution) = &spec.traffic_distribution {
        let allowed = &["PreferClose", "PreferSameZone", "PreferSameNode"];
        if !allowed.contains(&distribution.as_str()) {
            errors.not_supported_shown(&SPEC.child("trafficDistribution"), distribution.shown(), allowed);
        }
    }
}

fn validate_ip_changes(new: &Service, old: &Service, errors: &mut Errors) {
    const CHANGED: &str = "may not change once set";
    if is_headless(new) && is_headless(old) {
        return;
    }
    let path = SPEC.child("clusterIPs");
    let (after, before) = (&new.spec.cluster_ips, &old.spec.cluster_ips);
    if after.len() == before.len() {
        for (i, _) in before.iter().zip(after).enumerate().filter(|(_, (b, a))| b != a) {
            errors.invalid(&path.index(i), after, CHANGED);
        }
        return;
    }
    if after.is_empty() {
        errors.invalid_shown(&path.index(0), "null".to_owned(), "primary clusterIP can not be unset");
    }
    if let (Some(a), Some(b)) = (after.first(), before.first())
        && a != b
    {
        errors.invalid(&path.index(0), after, CHANGED);
    }
    let single = new.spec.ip_family_policy.as_deref() == Some("SingleStack");
    if before.len() > after.len() && after.len() == 1 && !single {
        let detail = "must be set to 'SingleStack' when releasing the secondary clusterIP";
        errors.invalid(&SPEC.child("ipFamilyPolicy"), &new.spec.ip_family_policy, detail);
    }
}

fn validate_family_changes(new: &Service, old: &Service, errors: &mut Errors) {
    const CHANGED: &str = "may not change once set";
    if is_headless(new) || is_headless(old) {
        return;
    }
    let path = SPEC.child("ipFamilies");
    let (after, before) = (&new.spec.ip_families, &old.spec.ip_families);
    if after.len() == before.len() {
        for _ in before.iter().zip(after).filter(|(b, a)| b != a) {
            errors.invalid(&path.index(0), after, CHANGED);
        }
        return;
    }
    let fewer = before.len() > after.len();
    if fewer && new.spec.cluster_ips.is_empty() {
        errors.invalid(&path.index(0), after, "primary ipFamily can not be unset");
    }
    if let (Some(a), Some(b)) = (after.first(), before.first())
        && a != b
    {
        errors.invalid(&path.index(0), &new.spec.cluster_ips, CHANGED);
    }
    let single = new.spec.ip_family_policy.as_deref() == Some("SingleStack");
    if fewer && after.len() == 1 && !single {
        let detail = "must be set to 'SingleStack' when releasing the secondary ipFamily";
        errors.invalid(&SPEC.child("ipFamilyPolicy"), &new.spec.ip_family_policy, detail);
    }
}
