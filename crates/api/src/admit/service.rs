//! A service as the server stores it, short of the addresses and ports that it gives out.

use crate::admit::families::{Families, family_of, other};
use crate::core::service::{Service, ServiceStatus};
use crate::validate::error::Errors;
use crate::validate::ip::is_v6;
use crate::validate::path::Path;
use crate::validate::service as rules;

const SPEC: Path<'static> = Path::root("spec");
const SINGLE: &str = "SingleStack";
const PREFER: &str = "PreferDualStack";
const REQUIRE: &str = "RequireDualStack";

fn is_external_name(service: &Service) -> bool {
    service.spec.type_ == "ExternalName"
}

fn has_node_ports(service: &Service) -> bool {
    matches!(service.spec.type_.as_str(), "NodePort" | "LoadBalancer")
}

/// What the server sets on create.
pub fn prepare_create(service: &mut Service) {
    service.status = ServiceStatus::default();
    drop_internal_traffic(service);
    let spec = &mut service.spec;
    if !spec.cluster_ip.is_empty() && spec.cluster_ips.is_empty() {
        spec.cluster_ips = vec![spec.cluster_ip.clone()];
    }
}

/// A name elsewhere has no traffic within the cluster; Kubernetes drops the policy when it reads the service.
fn drop_internal_traffic(service: &mut Service) {
    if is_external_name(service) && matches!(service.spec.internal_traffic_policy.as_deref(), Some("Cluster" | "Local"))
    {
        service.spec.internal_traffic_policy = None;
    }
}

/// Fills in policy and families, or says what stands in the way of giving out addresses and ports; Kubernetes does so
/// before it looks at any other rule (`Allocators.allocateCreate` and `allocateUpdate`).
pub fn fit(service: &mut Service, old: Option<&Service>, families: Families, errors: &mut Errors) {
    if is_external_name(service) {
        return;
    }
    if !old.is_some_and(|old| stays_preferred(service, old)) {
        init_families(service, old, families, errors);
    }
    if errors.is_empty() {
        validate_requested_ports(service, errors);
    }
}

/// A service that prefers two families and is the same as before stays as it is, whatever the cluster has become
/// (`isMatchingPreferDualStackClusterIPFields`).
fn stays_preferred(new: &Service, old: &Service) -> bool {
    let (new, old) = (&new.spec, &old.spec);
    new.ip_family_policy.as_deref() == Some(PREFER)
        && old.ip_family_policy.as_deref().is_none_or(|policy| policy == PREFER)
        && new.type_ == old.type_
        && matches!(new.type_.as_str(), "ClusterIP" | "NodePort" | "LoadBalancer")
        && new.cluster_ips == old.cluster_ips
        && new.ip_families == old.ip_families
}

/// Policy and families that follow from the rest (`initIPFamilyFields`).
fn init_families(service: &mut Service, old: Option<&Service>, families: Families, errors: &mut Errors) {
    let selectorless = service.spec.cluster_ip == "None" && service.spec.selector.is_empty();
    if service.spec.ip_family_policy.is_none() {
        let before = old.and_then(|old| old.spec.ip_family_policy.clone());
        let policy = before.unwrap_or_else(|| if selectorless { REQUIRE } else { SINGLE }.to_owned());
        service.spec.ip_family_policy = Some(policy);
    }
    let is_single = service.spec.ip_family_policy.as_deref() == Some(SINGLE);
    rules::validate_cluster_ips(service, errors);
    if !errors.is_empty() {
        return;
    }
    if let Some(old) = old {
        release(service, old, is_single, errors);
    }
    if is_single {
        refuse_several(service, errors);
    }
    infer_families(service, families, errors);
    if !errors.is_empty() {
        return;
    }
    if selectorless {
        // Nobody but its user knows which addresses it has: both families may be named in any cluster.
        add_preferred(service, families);
        if let ([only], false) = (&service.spec.ip_families[..], is_single) {
            let second = other(only).to_owned();
            service.spec.ip_families.push(second);
        }
        return;
    }
    refuse_unconfigured(service, families, errors);
    if !errors.is_empty() {
        return;
    }
    add_preferred(service, families);
    if let ([only], false, true) = (&service.spec.ip_families[..], is_single, families.is_dual()) {
        let second = other(only).to_owned();
        service.spec.ip_families.push(second);
    }
}

fn add_preferred(service: &mut Service, families: Families) {
    if service.spec.ip_families.is_empty() {
        service.spec.ip_families.extend(families.preferred().map(str::to_owned));
    }
}

/// One family less than before is asked for by the policy; the second address and family go when they were left as they
/// were.
fn release(service: &mut Service, old: &Service, is_single: bool, errors: &mut Errors) {
    let (new, old) = (&mut service.spec, &old.spec);
    if is_single {
        if new.cluster_ips == old.cluster_ips {
            new.cluster_ips.truncate(1);
        }
        if new.ip_families == old.ip_families {
            new.ip_families.truncate(1);
        }
        return;
    }
    let path = SPEC.child("ipFamilyPolicy");
    for (is_fewer, what) in [
        (!new.cluster_ips.is_empty() && new.cluster_ips.len() < old.cluster_ips.len(), "cluster IP"),
        (!new.ip_families.is_empty() && new.ip_families.len() < old.ip_families.len(), "IP family"),
    ] {
        if is_fewer {
            let detail = format!("must be 'SingleStack' to release the secondary {what}");
            errors.invalid(&path, &new.ip_family_policy, &detail);
        }
    }
}

fn refuse_several(service: &Service, errors: &mut Errors) {
    let spec = &service.spec;
    let counts = [(spec.cluster_ips.len(), "cluster IPs"), (spec.ip_families.len(), "IP families")];
    for (_, what) in counts.into_iter().filter(|(count, _)| *count == 2) {
        let detail = format!("must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified");
        errors.invalid(&SPEC.child("ipFamilyPolicy"), &spec.ip_family_policy, &detail);
    }
}

/// Families of the addresses that a manifest names.
fn infer_families(service: &mut Service, families: Families, errors: &mut Errors) {
    if families == Families::Unknown {
        return;
    }
    let path = SPEC.child("clusterIPs");
    let spec = &mut service.spec;
    for (i, ip) in spec.cluster_ips.iter().enumerate().take_while(|(_, ip)| *ip != "None") {
        if i < spec.ip_families.len() {
            continue;
        }
        let family = family_of(is_v6(ip));
        if families.has(family) {
            spec.ip_families.push(family.to_owned());
        } else {
            let detail = format!("{family} is not configured on this cluster");
            errors.invalid(&path.index(i), &spec.cluster_ips, &detail);
        }
    }
}

fn refuse_unconfigured(service: &Service, families: Families, errors: &mut Errors) {
    let spec = &service.spec;
    if families.is_single() && spec.ip_family_policy.as_deref() == Some(REQUIRE) {
        let detail = "this cluster is not configured for dual-stack services";
        errors.invalid(&SPEC.child("ipFamilyPolicy"), &spec.ip_family_policy, detail);
    }
    let path = SPEC.child("ipFamilies");
    for (i, family) in spec.ip_families.iter().enumerate().filter(|(_, family)| !families.has(family)) {
        errors.invalid(&path.index(i), family, "not configured on this cluster");
    }
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

/// What a new version of a service takes over: its status, and what was given out to it.
pub fn prepare_update(new: &mut Service, old: &Service) {
    new.status.clone_from(&old.status);
    keep_given_out(new, old);
    sync_cluster_ips(new, old);
    drop_unneeded(new, old);
    drop_internal_traffic(new);
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
    } else if new.spec.cluster_ips.is_empty() || new.spec.cluster_ips == old.spec.cluster_ips {
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
