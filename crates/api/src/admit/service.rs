//! A service as the server stores it, short of the addresses and ports that it gives out.
//!
//! The rules are those of a cluster with IPv4 alone.

use crate::core::service::{Service, ServiceStatus};
use crate::validate::error::Errors;
use crate::validate::ip::is_v6;
use crate::validate::path::Path;
use crate::validate::service as rules;

const SPEC: Path<'static> = Path::root("spec");

fn is_external_name(service: &Service) -> bool {
    service.spec.type_ == "ExternalName"
}

fn has_node_ports(service: &Service) -> bool {
    matches!(service.spec.type_.as_str(), "NodePort" | "LoadBalancer")
}

/// What the server sets on create.
pub fn prepare_create(service: &mut Service) {
    service.status = ServiceStatus::default();
    let spec = &mut service.spec;
    if !spec.cluster_ip.is_empty() && spec.cluster_ips.is_empty() {
        spec.cluster_ips = vec![spec.cluster_ip.clone()];
    }
    families(service);
}

/// Policy and families that follow from the rest.
fn families(service: &mut Service) {
    if is_external_name(service) || fault(service).is_some() {
        return;
    }
    let spec = &mut service.spec;
    let selectorless = spec.cluster_ip == "None" && spec.selector.is_empty();
    if spec.ip_family_policy.is_none() {
        let policy = if selectorless { "RequireDualStack" } else { "SingleStack" };
        spec.ip_family_policy = Some(policy.to_owned());
    }
    for ip in spec.cluster_ips.iter().skip(spec.ip_families.len()).filter(|ip| *ip != "None") {
        spec.ip_families.push(if is_v6(ip) { "IPv6" } else { "IPv4" }.to_owned());
    }
    if spec.ip_families.is_empty() {
        spec.ip_families.push("IPv4".to_owned());
    }
    if selectorless && spec.ip_families.len() < 2 && spec.ip_family_policy.as_deref() != Some("SingleStack") {
        let other = if spec.ip_families[0] == "IPv4" { "IPv6" } else { "IPv4" };
        spec.ip_families.push(other.to_owned());
    }
}

/// What stands in the way of giving out addresses; Kubernetes reports it before any other rule.
fn fault(service: &Service) -> Option<Errors> {
    if is_external_name(service) {
        return None;
    }
    let mut errors = Errors::default();
    rules::validate_cluster_ips(service, &mut errors);
    if !errors.is_empty() {
        return Some(errors);
    }
    let spec = &service.spec;
    let policy_at = SPEC.child("ipFamilyPolicy");
    let policy = spec.ip_family_policy.as_deref();
    let selectorless = spec.cluster_ip == "None" && spec.selector.is_empty();
    if policy == Some("SingleStack") || (policy.is_none() && !selectorless) {
        for (several, what) in
            [(spec.cluster_ips.len() == 2, "cluster IPs"), (spec.ip_families.len() == 2, "IP families")]
        {
            if several {
                let detail =
                    format!("must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified");
                errors.invalid(&policy_at, policy.unwrap_or("SingleStack"), &detail);
            }
        }
    }
    let ips_at = SPEC.child("clusterIPs");
    for (i, ip) in spec.cluster_ips.iter().enumerate().skip(spec.ip_families.len()) {
        if ip != "None" && is_v6(ip) {
            errors.invalid(&ips_at.index(i), &spec.cluster_ips, "IPv6 is not configured on this cluster");
        }
    }
    if errors.is_empty() && !selectorless {
        if policy == Some("RequireDualStack") {
            let detail = "this cluster is not configured for dual-stack services";
            errors.invalid(&policy_at, "RequireDualStack", detail);
        }
        let families_at = SPEC.child("ipFamilies");
        for (i, family) in spec.ip_families.iter().enumerate().filter(|(_, family)| *family != "IPv4") {
            errors.invalid(&families_at.index(i), family, "not configured on this cluster");
        }
    }
    if errors.is_empty() {
        validate_requested_ports(service, &mut errors);
    }
    (!errors.is_empty()).then_some(errors)
}

/// Two ports that ask for one node port: it can be given out once, unless both are the same port number.
fn validate_requested_ports(service: &Service, errors: &mut Errors) {
    if !has_node_ports(service) {
        return;
    }
    let ports = SPEC.child("ports");
    let mut given: Vec<(i32, i32)> = Vec::new();
    for (i, port) in service.spec.ports.iter().enumerate().filter(|(_, port)| port.node_port != 0) {
        let element = ports.index(i);
        let at = element.child("nodePort");
        if given.iter().any(|(number, node)| *node == port.node_port && *number == port.port) {
            continue;
        }
        if given.iter().any(|(_, node)| *node == port.node_port) {
            return errors.invalid(&at, &port.node_port, "provided port is already allocated");
        }
        if !(30_000..=32_767).contains(&port.node_port) {
            let detail = "provided port is not in the valid range. The range of valid ports is 30000-32767";
            return errors.invalid(&at, &port.node_port, detail);
        }
        given.push((port.port, port.node_port));
    }
}

/// Rules for a new service.
pub fn validate_create(service: &Service, errors: &mut Errors) {
    match fault(service) {
        Some(fault) => errors.0.extend(fault.0),
        None => rules::validate_create(service, errors),
    }
}

/// Rules for a service that replaces another.
pub fn validate_update(new: &Service, old: &Service, errors: &mut Errors) {
    match fault(new) {
        // The families of a service may only be judged once its addresses are.
        Some(fault) => {
            errors.0.clear();
            errors.0.extend(fault.0);
        }
        None => rules::validate_update(new, old, errors),
    }
}

/// What a new version of a service takes over: its status, and what was given out to it.
pub fn prepare_update(new: &mut Service, old: &Service) {
    new.status.clone_from(&old.status);
    keep_given_out(new, old);
    sync_cluster_ips(new, old);
    drop_unneeded(new, old);
    if new.spec.ip_family_policy.is_none() && !is_external_name(new) {
        new.spec.ip_family_policy.clone_from(&old.spec.ip_family_policy);
    }
    if new.spec.ip_families.is_empty() && !is_external_name(new) && new.spec.cluster_ips == old.spec.cluster_ips {
        new.spec.ip_families.clone_from(&old.spec.ip_families);
    }
    families(new);
}

fn keep_given_out(new: &mut Service, old: &Service) {
    if !is_external_name(new) && !is_external_name(old) && new.spec.cluster_ip.is_empty() {
        new.spec.cluster_ip.clone_from(&old.spec.cluster_ip);
        if new.spec.cluster_ips.is_empty() {
            new.spec.cluster_ips.clone_from(&old.spec.cluster_ips);
        }
    }
    if has_node_ports(new) && has_node_ports(old) {
        let taken: Vec<i32> = new.spec.ports.iter().map(|p| p.node_port).collect();
        for port in new.spec.ports.iter_mut().filter(|port| port.node_port == 0) {
            let same = old.spec.ports.iter().find(|o| o.port == port.port && o.protocol == port.protocol);
            if let Some(same) = same.filter(|same| !taken.contains(&same.node_port)) {
                port.node_port = same.node_port;
            }
        }
    }
    if rules::needs_health_check(new) && rules::needs_health_check(old) && new.spec.health_check_node_port == 0 {
        new.spec.health_check_node_port = old.spec.health_check_node_port;
    }
}

/// The older field and the newer list of addresses, one of which the user may have changed alone.
fn sync_cluster_ips(new: &mut Service, old: &Service) {
    let same_ip = new.spec.cluster_ip == old.spec.cluster_ip;
    if same_ip {
        if new.spec.cluster_ips.is_empty() {
            new.spec.cluster_ips.clone_from(&old.spec.cluster_ips);
        }
    } else if new.spec.cluster_ip.is_empty() && !old.spec.cluster_ip.is_empty() {
        new.spec.cluster_ips.clear();
    } else if new.spec.cluster_ips == old.spec.cluster_ips {
        new.spec.cluster_ips = vec![new.spec.cluster_ip.clone()];
    }
}

/// What the new type has no use for goes, when the user left it as it was.
fn drop_unneeded(new: &mut Service, old: &Service) {
    if !is_external_name(old) && is_external_name(new) {
        if new.spec.cluster_ips == old.spec.cluster_ips {
            new.spec.cluster_ip.clear();
            new.spec.cluster_ips.clear();
        }
        if new.spec.ip_families == old.spec.ip_families {
            new.spec.ip_families.clear();
        }
        if new.spec.ip_family_policy == old.spec.ip_family_policy {
            new.spec.ip_family_policy = None;
        }
    }
    if has_node_ports(old) && !has_node_ports(new) {
        let ports = |service: &Service| service.spec.ports.iter().map(|p| p.node_port).collect::<Vec<_>>();
        if ports(new) == ports(old) {
            new.spec.ports.iter_mut().for_each(|port| port.node_port = 0);
        }
    }
    if rules::needs_health_check(old)
        && !rules::needs_health_check(new)
        && new.spec.health_check_node_port == old.spec.health_check_node_port
    {
        new.spec.health_check_node_port = 0;
    }
    let balanced = |service: &Service| service.spec.type_ == "LoadBalancer";
    if balanced(old) && !balanced(new) {
        let (to, from) = (&mut new.spec, &old.spec);
        if to.allocate_load_balancer_node_ports == from.allocate_load_balancer_node_ports {
            to.allocate_load_balancer_node_ports = None;
        }
        if to.load_balancer_class == from.load_balancer_class {
            to.load_balancer_class = None;
        }
    }
    if rules::is_externally_accessible(old)
        && !rules::is_externally_accessible(new)
        && new.spec.external_traffic_policy == old.spec.external_traffic_policy
    {
        new.spec.external_traffic_policy.clear();
    }
}
