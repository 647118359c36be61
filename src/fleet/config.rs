//! A kind cluster configuration (`kind.x-k8s.io/v1alpha4`) → the nodes of a fleet, or everything in it that is not supported.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Component, PathBuf};

use masthead_api::admit::families::Families;
use serde::{Deserialize, Serialize};

/// The version of kind's configuration that is read.
const API_VERSION: &str = "kind.x-k8s.io/v1alpha4";
/// kind's name for a cluster that has none.
const CLUSTER_NAME: &str = "kind";

/// What a node is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Carries Kubernetes' label of control-plane nodes, and its taint when there are workers.
    ControlPlane,
    /// Runs pods.
    Worker,
}

impl Role {
    /// Its name, as in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Role::ControlPlane => "control-plane",
            Role::Worker => "worker",
        }
    }
}

/// A transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Transport {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// A port of the machine that leads to a port of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortMapping {
    /// The node's port.
    pub node_port: u16,
    /// The machine's port.
    pub host_port: u16,
    /// The machine's address.
    pub listen: IpAddr,
    /// Transport.
    pub transport: Transport,
}

/// A directory of the machine under another path for the pods of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtraMount {
    /// On the machine.
    pub host_path: PathBuf,
    /// What hostPath volumes of the node's pods call it.
    pub node_path: PathBuf,
    /// Pods may not write.
    pub read_only: bool,
}

/// A node that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSpec {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Labels it registers with.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Ports of the machine that lead to it.
    #[serde(default)]
    pub ports: Vec<PortMapping>,
    /// Directories of the machine.
    #[serde(default)]
    pub mounts: Vec<ExtraMount>,
}

/// A fleet that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its nodes, in order.
    pub nodes: Vec<NodeSpec>,
    /// The families of addresses, when given.
    pub families: Option<Families>,
    /// The range of all pods, or one of each family with a comma between, when given.
    pub pod_cidr: Option<String>,
    /// The range of services, or one of each family, when given.
    pub service_cidr: Option<String>,
    /// Where the API is served, when given.
    pub api: Option<(Option<IpAddr>, Option<u16>)>,
}

/// `count` nodes, `node-1` and so on.
pub fn plain(count: u8) -> Vec<NodeSpec> {
    let node = |n| NodeSpec {
        name: format!("node-{n}"),
        role: Role::Worker,
        labels: BTreeMap::new(),
        ports: Vec::new(),
        mounts: Vec::new(),
    };
    (1..=count).map(node).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    kind: String,
    api_version: String,
    name: Option<String>,
    networking: Option<Networking>,
    #[serde(default)]
    nodes: Vec<Node>,
    #[serde(flatten)]
    other: BTreeMap<String, serde_json::Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Networking {
    ip_family: Option<String>,
    api_server_address: Option<IpAddr>,
    api_server_port: Option<u16>,
    pod_subnet: Option<String>,
    service_subnet: Option<String>,
    #[serde(flatten)]
    other: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    #[serde(default)]
    role: Option<Role>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    extra_port_mappings: Vec<Mapping>,
    #[serde(default)]
    extra_mounts: Vec<Mount>,
    #[serde(flatten)]
    other: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mapping {
    container_port: u16,
    host_port: Option<u16>,
    listen_address: Option<IpAddr>,
    protocol: Option<String>,
    #[serde(flatten)]
    other: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mount {
    host_path: PathBuf,
    container_path: PathBuf,
    #[serde(default)]
    read_only: bool,
    propagation: Option<String>,
    #[serde(default)]
    selinux_relabel: bool,
    #[serde(flatten)]
    other: BTreeMap<String, serde_json::Value>,
}

/// Reads a configuration.
///
/// # Errors
/// Everything in it that is wrong or not supported, each with its field.
pub fn read(text: &str) -> Result<Wanted, Vec<String>> {
    let limits = masthead_yaml::limits::Limits::default();
    let value = masthead_yaml::parse::value(text.as_bytes(), &limits)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let file: File = serde_json::from_value(value).map_err(|error| vec![error.to_string()])?;
    let mut faults = Vec::new();
    if file.kind != "Cluster" || file.api_version != API_VERSION {
        faults.push(format!("this is {} {}, not {API_VERSION} Cluster", file.api_version, file.kind));
    }
    unsupported("", &file.other, &mut faults);
    let networking = file.networking.unwrap_or_default();
    unsupported("networking.", &networking.other, &mut faults);
    let families = families(&networking, &mut faults);
    let cluster = file.name.unwrap_or_else(|| CLUSTER_NAME.to_owned());
    // kind makes one node of a configuration that names none.
    let asked = if file.nodes.is_empty() { vec![single()] } else { file.nodes };
    let nodes = nodes(&cluster, asked, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let api = (networking.api_server_address, networking.api_server_port);
    Ok(Wanted {
        nodes,
        families,
        pod_cidr: networking.pod_subnet,
        service_cidr: networking.service_subnet,
        api: (api != (None, None)).then_some(api),
    })
}

/// The families that are asked for; kind's subnets are of those, both of `dual`.
fn families(networking: &Networking, faults: &mut Vec<String>) -> Option<Families> {
    let family = networking.ip_family.as_deref()?;
    let families = match family {
        "ipv4" => Families::V4,
        "ipv6" => Families::V6,
        "dual" => Families::V4V6,
        other => {
            faults.push(format!("networking.ipFamily: {other} is none of ipv4, ipv6 and dual"));
            return None;
        }
    };
    for (field, subnet) in [("podSubnet", &networking.pod_subnet), ("serviceSubnet", &networking.service_subnet)] {
        let Some(subnet) = subnet else { continue };
        let of = |part: &str| if part.contains(':') { "IPv6" } else { "IPv4" };
        let mut found: Vec<&str> = subnet.split(',').map(of).collect();
        found.sort_unstable();
        let mut asked = families.list().to_vec();
        asked.sort_unstable();
        if found != asked {
            faults.push(format!("networking.{field}: {subnet} is not of the families of ipFamily {family}"));
        }
    }
    Some(families)
}

fn single() -> Node {
    Node {
        role: Some(Role::ControlPlane),
        labels: BTreeMap::new(),
        extra_port_mappings: Vec::new(),
        extra_mounts: Vec::new(),
        other: BTreeMap::new(),
    }
}

fn nodes(cluster: &str, asked: Vec<Node>, faults: &mut Vec<String>) -> Vec<NodeSpec> {
    let most = usize::from(masthead_agent::fleet::plan::NODES_MAX);
    if asked.len() > most {
        faults.push(format!("nodes: {} of them, where {most} is the most", asked.len()));
    }
    let mut counts = BTreeMap::new();
    let mut taken = BTreeMap::new();
    let mut out = Vec::new();
    for (i, node) in asked.into_iter().enumerate() {
        let at = format!("nodes[{i}].");
        unsupported(&at, &node.other, faults);
        // kind's own default and names: the first of a role has no number.
        let role = node.role.unwrap_or(Role::ControlPlane);
        let count: &mut u32 = counts.entry(role.name()).or_default();
        *count += 1;
        let name = match *count {
            1 => format!("{cluster}-{}", role.name()),
            n => format!("{cluster}-{}{n}", role.name()),
        };
        let ports = ports(&at, node.extra_port_mappings, faults);
        for port in &ports {
            let socket = (port.listen, port.host_port, port.transport == Transport::Udp);
            if port.host_port != 0
                && let Some(other) = taken.insert(socket, name.clone())
            {
                faults.push(format!("{at}extraPortMappings: host port {} is {other}'s already", port.host_port));
            }
        }
        out.push(NodeSpec { name, role, labels: node.labels, ports, mounts: mounts(&at, node.extra_mounts, faults) });
    }
    out
}

fn ports(at: &str, mappings: Vec<Mapping>, faults: &mut Vec<String>) -> Vec<PortMapping> {
    let mut out = Vec::new();
    for (i, mapping) in mappings.into_iter().enumerate() {
        let at = format!("{at}extraPortMappings[{i}].");
        unsupported(&at, &mapping.other, faults);
        let transport = match mapping.protocol.as_deref() {
            None | Some("TCP") => Transport::Tcp,
            Some("UDP") => Transport::Udp,
            Some(other) => {
                faults.push(format!("{at}protocol: {other} is not supported, TCP and UDP are"));
                continue;
            }
        };
        out.push(PortMapping {
            node_port: mapping.container_port,
            host_port: mapping.host_port.unwrap_or(0),
            // kind's default is all addresses; ours is loopback, as for everything that listens.
            listen: mapping.listen_address.unwrap_or(IpAddr::from([127, 0, 0, 1])),
            transport,
        });
    }
    out
}

fn mounts(at: &str, asked: Vec<Mount>, faults: &mut Vec<String>) -> Vec<ExtraMount> {
    let mut out = Vec::new();
    for (i, mount) in asked.into_iter().enumerate() {
        let at = format!("{at}extraMounts[{i}].");
        unsupported(&at, &mount.other, faults);
        if let Some(other) = mount.propagation.filter(|propagation| !["", "None"].contains(&propagation.as_str())) {
            faults.push(format!("{at}propagation: {other} is not supported, None is"));
        }
        if mount.selinux_relabel {
            faults.push(format!("{at}selinuxRelabel is not supported"));
        }
        for (field, path) in [("hostPath", &mount.host_path), ("containerPath", &mount.container_path)] {
            if !path.is_absolute() {
                faults.push(format!("{at}{field}: {} is not absolute", path.display()));
            }
            if path.components().any(|part| part == Component::ParentDir) || path.to_string_lossy().contains(':') {
                faults.push(format!("{at}{field}: {} has \"..\" or a colon in it", path.display()));
            }
        }
        if out.iter().any(|other: &ExtraMount| other.node_path == mount.container_path) {
            faults.push(format!("{at}containerPath: {} is there already", mount.container_path.display()));
        }
        out.push(ExtraMount {
            host_path: mount.host_path,
            node_path: mount.container_path,
            read_only: mount.read_only,
        });
    }
    out
}

fn unsupported(at: &str, fields: &BTreeMap<String, serde_json::Value>, faults: &mut Vec<String>) {
    faults.extend(fields.keys().map(|field| format!("{at}{field} is not supported")));
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n";

    fn names(text: &str) -> Vec<String> {
        read(&format!("{HEAD}{text}")).unwrap().nodes.into_iter().map(|node| node.name).collect()
    }

    #[test]
    fn nodes_are_named_as_kind_names_them() {
        assert_eq!(names(""), ["kind-control-plane"]);
        assert_eq!(
            names("name: dev\nnodes:\n- role: control-plane\n- role: worker\n- role: worker\n"),
            ["dev-control-plane", "dev-worker", "dev-worker2"]
        );
    }

    #[test]
    fn ports_and_mounts_are_read() {
        let wanted = read(&format!(
            "{HEAD}networking:\n  podSubnet: 10.1.0.0/16\nnodes:\n- extraPortMappings:\n  - containerPort: 80\n    hostPort: 8080\n    listenAddress: 0.0.0.0\n  - {{containerPort: 53, hostPort: 5353, protocol: UDP}}\n  labels: {{zone: a}}\n  extraMounts:\n  - {{hostPath: /srv/a, containerPath: /a, propagation: None}}\n  - {{hostPath: /srv/b, containerPath: /b, readOnly: true}}\n"
        ))
        .unwrap();
        assert_eq!(wanted.pod_cidr.as_deref(), Some("10.1.0.0/16"));
        let node = &wanted.nodes[0];
        assert_eq!(node.labels["zone"], "a");
        assert_eq!((node.ports[0].node_port, node.ports[0].host_port), (80, 8080));
        assert_eq!(node.ports[1].transport, Transport::Udp);
        assert_eq!(node.ports[1].listen, IpAddr::from([127, 0, 0, 1]));
        let mounts: Vec<_> =
            node.mounts.iter().map(|m| (m.host_path.to_str(), m.node_path.to_str(), m.read_only)).collect();
        assert_eq!(mounts, [(Some("/srv/a"), Some("/a"), false), (Some("/srv/b"), Some("/b"), true)]);
    }

    #[test]
    fn families_and_their_subnets_are_read() {
        let read = |networking: &str| read(&format!("{HEAD}networking: {{{networking}}}\n"));
        assert_eq!(read("").unwrap().families, None);
        for (family, families) in [("ipv4", Families::V4), ("ipv6", Families::V6), ("dual", Families::V4V6)] {
            assert_eq!(read(&format!("ipFamily: {family}")).unwrap().families, Some(families));
        }
        let both =
            read("ipFamily: dual, podSubnet: '10.1.0.0/16,fd00:1::/56', serviceSubnet: 'fd00:2::/112,10.2.0.0/16'");
        assert_eq!(both.unwrap().pod_cidr.as_deref(), Some("10.1.0.0/16,fd00:1::/56"));
        for (networking, fault) in [
            ("ipFamily: both", "networking.ipFamily: both is none of ipv4, ipv6 and dual"),
            (
                "ipFamily: dual, podSubnet: 10.1.0.0/16",
                "networking.podSubnet: 10.1.0.0/16 is not of the families of ipFamily dual",
            ),
            (
                "ipFamily: ipv6, serviceSubnet: 10.2.0.0/16",
                "networking.serviceSubnet: 10.2.0.0/16 is not of the families of ipFamily ipv6",
            ),
        ] {
            assert_eq!(read(networking).unwrap_err(), [fault], "{networking}");
        }
    }

    #[test]
    fn what_is_not_supported_is_named_all_at_once() {
        let faults = read(&format!(
            "{HEAD}featureGates: {{a: true}}\nnetworking: {{disableDefaultCNI: true, ipFamily: ipv5}}\nnodes:\n- image: x\n  extraPortMappings:\n  - {{containerPort: 1, hostPort: 2, protocol: SCTP}}\n  extraMounts:\n  - {{hostPath: a, containerPath: /b}}\n  - {{hostPath: '/a:b', containerPath: /b, propagation: Bidirectional, selinuxRelabel: true}}\n"
        ))
        .unwrap_err();
        for word in [
            "featureGates",
            "disableDefaultCNI",
            "ipFamily",
            "nodes[0].image",
            "SCTP",
            "hostPath: a",
            "/a:b has",
            "/b is there already",
            "Bidirectional",
            "selinuxRelabel",
        ] {
            assert!(faults.iter().any(|fault| fault.contains(word)), "{word}: {faults:?}");
        }
        assert!(read("kind: Pod\napiVersion: v1\n").is_err());
        let twice = "nodes:\n- extraPortMappings:\n  - {containerPort: 1, hostPort: 2}\n- role: worker\n  extraPortMappings:\n  - {containerPort: 1, hostPort: 2}\n";
        assert_eq!(read(&format!("{HEAD}{twice}")).unwrap_err().len(), 1);
    }
}
