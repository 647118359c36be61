//! An agent's facts → its Node object and its Lease, made or brought up to date.

use std::net::IpAddr;
use std::sync::Arc;

use masthead_api::change::{Change, EventKind, EventNote};
use masthead_api::coordination::lease::Lease;
use masthead_api::core::node::{Node, NodeAddress, NodeCondition};
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::meta::object_meta::OwnerReference;
use masthead_api::object::{Error, Object};

use crate::cluster::view::Cluster;
use crate::context::{Context, Reaction};
use crate::network::cidr::Cidr;
use crate::network::nodes::Blocks;
use crate::network::ranges::Network;
use crate::node::facts::Facts;
use crate::node::taints::SILENT_TAINTS;

/// The namespace of the leases of nodes.
pub const LEASE_NAMESPACE: &str = "kube-node-lease";

/// How long a lease says it is good for without renewal, in seconds (Kubernetes' `nodeLeaseDurationSeconds`).
pub const LEASE_DURATION_S: i32 = 40;

/// Registers a node that connected, or updates what changed about it; a new one gets its addresses from `blocks`.
///
/// # Errors
/// The Node object cannot be written as JSON.
pub fn register(
    cluster: &Cluster,
    name: &str,
    facts: &Facts,
    blocks: &mut Blocks,
    cx: &mut Context,
) -> Result<Reaction, Error> {
    let mut reaction = Reaction::default();
    let key = ObjectKey::new(Node::KIND, "", name);
    let known = cluster.typed::<Node>(&key);
    let uid = match &known {
        Some(node) => node.metadata.uid.clone(),
        None => cx.ids.uid(),
    };
    let mut node = known.as_deref().cloned().unwrap_or_else(|| newborn(name, &uid, facts, cx));
    describe(&mut node, name, facts, cluster.network());
    if lacks_block(&node, cluster.network()) {
        match blocks.add(cluster.network(), name, &node.spec.pod_cidrs, &facts.pod_ips) {
            Some(given) => {
                node.spec.pod_cidrs = given.iter().map(ToString::to_string).collect();
                node.spec.pod_cidr = node.spec.pod_cidrs.first().cloned().unwrap_or_default();
            }
            None => reaction.events.push(note(
                &key,
                &uid,
                EventKind::Warning,
                "CIDRNotAvailable",
                "every pod CIDR of the cluster is taken",
            )),
        }
    }
    connected(&mut node, cx);
    let object = Arc::new(Object::of(&node)?);
    match cluster.get(&key) {
        None => {
            reaction.events.push(note(
                &key,
                &uid,
                EventKind::Normal,
                "RegisteredNode",
                &format!("Node {name} event: Registered Node {name} in Controller"),
            ));
            reaction.changes.push(Change::Create { object, reason: "its agent connected".to_owned() });
        }
        Some(live) if live.body() != object.body() => {
            reaction.changes.push(Change::Update {
                object,
                base: live.revision(),
                reason: "its agent connected".to_owned(),
            });
        }
        Some(_) => {}
    }
    // To connect is to be heard of: an old lease would have the node taken for silent at once.
    let lease_key = ObjectKey::new(Lease::KIND, LEASE_NAMESPACE, name);
    match (cluster.get(&lease_key), cluster.typed::<Lease>(&lease_key)) {
        (Some(live), Some(known)) => {
            let mut renewed = Lease::clone(&known);
            renewed.spec.renew_time = Some(cx.micro_time());
            let object = Arc::new(Object::of(&renewed)?);
            reaction.changes.push(Change::Update {
                object,
                base: live.revision(),
                reason: "its agent connected".to_owned(),
            });
        }
        _ => {
            let lease = Object::of(&lease(name, &uid, cx))?;
            reaction.changes.push(Change::Create { object: Arc::new(lease), reason: "its agent connected".to_owned() });
        }
    }
    Ok(reaction)
}

fn newborn(name: &str, uid: &str, facts: &Facts, cx: &Context) -> Node {
    let mut node = Node::default();
    node.spec.taints.clone_from(&facts.taints);
    node.metadata.name = name.to_owned();
    node.metadata.uid = uid.to_owned();
    node.metadata.creation_timestamp = Some(cx.now);
    node
}

/// Whether its blocks are not of the families of the cluster, one of each.
fn lacks_block(node: &Node, network: &Network) -> bool {
    let held = node.spec.pod_cidrs.iter().map(|text| text.parse::<Cidr>().ok().map(|block| block.is_ipv4()));
    !held.eq(network.pods.iter().map(|range| Some(range.cidr.is_ipv4())))
}

/// Writes the facts into the object; what users set (other labels, taints, cordon) stays. Addresses of families that the
/// cluster has not are left out.
fn describe(node: &mut Node, name: &str, facts: &Facts, network: &Network) {
    let labels = &mut node.metadata.labels;
    labels.extend(facts.labels.clone());
    for (key, value) in [
        ("kubernetes.io/hostname", name),
        ("kubernetes.io/os", facts.info.operating_system.as_str()),
        ("kubernetes.io/arch", facts.info.architecture.as_str()),
    ] {
        labels.insert(key.to_owned(), value.to_owned());
    }
    node.status.capacity.clone_from(&facts.capacity);
    node.status.allocatable.clone_from(&facts.allocatable);
    node.status.addresses = of_families(&facts.addresses, network);
    node.status.node_info = facts.info.clone();
}

/// Addresses that are no IPs, as host names are, stay behind the others.
fn of_families(addresses: &[NodeAddress], network: &Network) -> Vec<NodeAddress> {
    let mut out: Vec<NodeAddress> = Vec::with_capacity(addresses.len());
    for kind in ["InternalIP", "ExternalIP"] {
        let of_kind = addresses.iter().filter(|address| address.type_ == kind);
        let ips: Vec<IpAddr> = of_kind.filter_map(|address| address.address.parse().ok()).collect();
        let told = |ip: IpAddr| NodeAddress { type_: kind.to_owned(), address: ip.to_string() };
        out.extend(network.of_families(&ips).into_iter().map(told));
    }
    out.extend(addresses.iter().filter(|a| !["InternalIP", "ExternalIP"].contains(&a.type_.as_str())).cloned());
    out
}

/// The conditions of a node whose agent answers.
pub(super) fn connected(node: &mut Node, cx: &Context) {
    for (kind, status, reason, message) in [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ] {
        set_condition(&mut node.status.conditions, kind, status, reason, message, cx);
    }
    node.spec.taints.retain(|taint| !SILENT_TAINTS.contains(&taint.key.as_str()));
}

/// Sets one condition; the time of transition moves only when the status does.
pub fn set_condition(
    conditions: &mut Vec<NodeCondition>,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    cx: &Context,
) {
    let index = conditions.iter().position(|c| c.type_ == kind).unwrap_or_else(|| {
        conditions.push(NodeCondition { type_: kind.to_owned(), ..NodeCondition::default() });
        conditions.len() - 1
    });
    let condition = &mut conditions[index];
    if condition.status != status {
        condition.last_transition_time = Some(cx.now);
        condition.last_heartbeat_time = Some(cx.now);
    }
    (condition.status, condition.reason, condition.message) =
        (status.to_owned(), reason.to_owned(), message.to_owned());
}

fn lease(name: &str, node_uid: &str, cx: &mut Context) -> Lease {
    let mut lease = Lease::default();
    lease.metadata.name = name.to_owned();
    lease.metadata.namespace = LEASE_NAMESPACE.to_owned();
    lease.metadata.uid = cx.ids.uid();
    lease.metadata.creation_timestamp = Some(cx.now);
    lease.metadata.owner_references = vec![OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Node".to_owned(),
        name: name.to_owned(),
        uid: node_uid.to_owned(),
        ..OwnerReference::default()
    }];
    lease.spec.holder_identity = Some(name.to_owned());
    lease.spec.lease_duration_seconds = Some(LEASE_DURATION_S);
    lease.spec.renew_time = Some(cx.micro_time());
    lease
}

/// An event about a node.
pub fn note(key: &ObjectKey, uid: &str, kind: EventKind, reason: &str, message: &str) -> EventNote {
    EventNote {
        about: key.clone(),
        uid: uid.to_owned(),
        kind,
        reason: reason.to_owned(),
        message: message.to_owned(),
        source: "node-controller".to_owned(),
    }
}
