//! Two nodes, each a network namespace: pods across, services across, direct and through a router.

use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use masthead_agent::network::contract::{Attachment, PodNetwork};
use masthead_agent::network::datapath::handle::Datapath;
use masthead_agent::network::netns;
use masthead_agent::network::options::Options;
use masthead_agent::network::routed::RoutedNetwork;
use nlink::netlink::addr::Ipv4Address;
use nlink::netlink::link::VethLink;
use nlink::netlink::route::Ipv4Route;
use nlink::netlink::{Connection, Route};
use serde_json::json;

use super::bed::{Bed, inside, machine};
use super::cluster::{PATIENCE, Server, Told, connect, hello, on, who};

/// One node with a pod.
pub(super) struct Node {
    pub ns: PathBuf,
    pub told: Told,
    pub datapath: Datapath,
    pub pod: Attachment,
    _network: RoutedNetwork,
    _server: Server,
}

impl Node {
    /// Starts one with these ranges of its own, in a cluster with those.
    pub fn start(bed: &Bed, ns: PathBuf, name: &str, told: Told, own: Vec<String>, cluster: Vec<String>) -> Self {
        let data = bed.data.join(format!("data-{name}"));
        std::fs::create_dir_all(&data).unwrap();
        let options = Options { pool_size: 0, ..Options::new(&data) };
        let network = inside(&ns, move || RoutedNetwork::start(options).unwrap());
        bed.wait(network.set_ranges(own, cluster)).unwrap();
        let pod = bed.wait(network.attach(&format!("pod-{name}"))).unwrap();
        let datapath = std::thread::scope(|scope| {
            let run = || {
                nix::sched::setns(std::fs::File::open(&ns).unwrap(), nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
                told.start_in(&data, name)
            };
            scope.spawn(run).join().unwrap()
        });
        let server = Server::tcp(&pod.netns, name, 80);
        Self { ns, told, datapath, pod, _network: network, _server: server }
    }

    /// A node that is gone takes the ways to its pods along.
    pub fn forget(&mut self, bed: &Bed, peer: &str) {
        self.told.take("Node", "", peer);
        self.told.tell(bed, &self.datapath);
        assert!(routes(bed, &self.ns).is_empty());
    }

    /// Whether it has a link of the overlay.
    pub fn has_overlay(&self) -> bool {
        inside(&self.ns, || std::fs::read_to_string("/proc/net/dev").unwrap()).contains("vx:")
    }
}

/// More than a packet, each way: what is too large for the way is made to fit.
pub(super) fn much(from: &Path, ip: &'static str) {
    inside(from, move || {
        let text = vec![b'x'; 256 << 10];
        let mut stream = connect(ip, 80, PATIENCE).unwrap();
        hello(&mut stream).unwrap();
        let mut back = stream.try_clone().unwrap();
        let sent = text.clone();
        let writer = std::thread::spawn(move || stream.write_all(&sent).unwrap());
        let mut heard = vec![0; text.len()];
        back.read_exact(&mut heard).unwrap();
        writer.join().unwrap();
        assert!(heard == text);
    });
}

pub(super) fn space(bed: &Bed, name: &str) -> PathBuf {
    let ns = netns::create().unwrap();
    let path = bed.data.join(name);
    netns::pin(&ns, &path).unwrap();
    bed.wait(async { Connection::<Route>::new_in(ns.as_fd()).unwrap().set_link_up("lo").await.unwrap() });
    path
}

/// Joins two namespaces by a link, each end with an address.
pub(super) fn join(bed: &Bed, (a, name_a, ip_a): (&Path, &str, Ipv4Addr), (b, name_b, ip_b): (&Path, &str, Ipv4Addr)) {
    let (one, other) = (netns::open(a).unwrap(), netns::open(b).unwrap());
    bed.wait(async {
        let near = Connection::<Route>::new_in(one.as_fd()).unwrap();
        let far = Connection::<Route>::new_in(other.as_fd()).unwrap();
        near.add_link(VethLink::new(name_a, name_b).peer_netns_fd(&other)).await.unwrap();
        for (conn, name, ip) in [(&near, name_a, ip_a), (&far, name_b, ip_b)] {
            conn.add_address(Ipv4Address::new(name, ip, 24)).await.unwrap();
            conn.set_link_up(name).await.unwrap();
        }
    });
}

pub(super) fn default_by(bed: &Bed, ns: &Path, gateway: Ipv4Addr) {
    let ns = netns::open(ns).unwrap();
    let route = Ipv4Route::default_route().gateway(gateway);
    bed.wait(async { Connection::<Route>::new_in(ns.as_fd()).unwrap().add_route(route).await.unwrap() });
}

fn node(bed: &Bed, ns: PathBuf, name: &str, number: u8) -> Node {
    let cidr = format!("10.42.{number}.0/24");
    Node::start(bed, ns, name, Told::new(&cidr), vec![cidr], vec!["10.42.0.0/16".into()])
}

/// Tells both nodes of each other, and of a service with an endpoint on each.
fn introduce(bed: &Bed, nodes: &mut [Node; 2], ips: [Ipv4Addr; 2]) {
    let pods = [nodes[0].pod.ips[0], nodes[1].pod.ips[0]];
    for node in nodes.iter_mut() {
        for (at, (name, ip)) in [("a", ips[0]), ("b", ips[1])].into_iter().enumerate() {
            node.told.put("Node", &json!({
                "metadata": {"name": name}, "spec": {"podCIDRs": [format!("10.42.{at}.0/24")]},
                "status": {"addresses": [{"type": "InternalIP", "address": ip}, {"type": "Hostname", "address": name}]},
            }));
        }
        let spec = json!({"type": "NodePort", "clusterIP": "10.96.0.40", "ports": [{"port": 80, "nodePort": 30080}]});
        node.told.service("web", spec, json!([on("b", pods[1])]), 80);
        node.told.tell(bed, &node.datapath);
    }
}

/// Everybody reaches the pod of node b, and is seen as he should be.
fn talk(nodes: &[Node; 2], node_ip: &str) {
    let [a, b] = nodes;
    let (pod_a, pod_b) = (a.pod.ips[0].to_string(), b.pod.ips[0].to_string());
    assert_eq!(who(Some(&a.pod.netns), &pod_b, 80).unwrap(), ("b".to_owned(), pod_a.clone()), "pod to pod");
    assert_eq!(who(Some(&a.pod.netns), "10.96.0.40", 80).unwrap(), ("b".to_owned(), pod_a), "through the service");
    assert_eq!(who(Some(&a.ns), &pod_b, 80).unwrap().0, "b", "the node to a pod of the other");
    assert_eq!(who(Some(&a.ns), "10.96.0.40", 80).unwrap().0, "b", "the node through the service");
    assert_eq!(who(Some(&b.pod.netns), node_ip, 30080).unwrap().0, "b", "back through the other node's port");
    much(&a.pod.netns, "10.96.0.40");
}

pub(super) fn routes(bed: &Bed, ns: &Path) -> Vec<String> {
    let ns = netns::open(ns).unwrap();
    bed.wait(async {
        let conn = Connection::<Route>::new_in(ns.as_fd()).unwrap();
        let all = conn.get_routes().await.unwrap();
        let ours = all.iter().filter(|r| masthead_agent::network::routes::apply::is_ours(r));
        ours.map(|r| format!("{:?}/{}", r.destination(), r.dst_len())).collect()
    })
}

#[test]
fn nodes_on_a_shared_link_are_reached_directly() {
    machine(|bed| {
        let (one, other) = (space(bed, "ns-a"), space(bed, "ns-b"));
        let ips = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];
        join(bed, (&one, "lan0", ips[0]), (&other, "lan0", ips[1]));
        // A node sends nothing to a service's address when it has no way out at all.
        default_by(bed, &one, ips[1]);
        let mut nodes = [node(bed, one, "a", 0), node(bed, other, "b", 1)];
        introduce(bed, &mut nodes, ips);
        talk(&nodes, "192.0.2.1");
        assert_eq!(routes(bed, &nodes[0].ns).len(), 1);
        nodes[0].forget(bed, "b");
    });
}

#[test]
fn nodes_beyond_a_router_are_reached_by_the_overlay() {
    machine(|bed| {
        let (one, other, router) = (space(bed, "ns-a"), space(bed, "ns-b"), space(bed, "ns-r"));
        let ips = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(198, 51, 100, 1)];
        let gates = [Ipv4Addr::new(192, 0, 2, 254), Ipv4Addr::new(198, 51, 100, 254)];
        join(bed, (&one, "lan0", ips[0]), (&router, "lan0", gates[0]));
        join(bed, (&other, "lan0", ips[1]), (&router, "lan1", gates[1]));
        default_by(bed, &one, gates[0]);
        default_by(bed, &other, gates[1]);
        inside(&router, || std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap());
        let mut nodes = [node(bed, one, "a", 0), node(bed, other, "b", 1)];
        introduce(bed, &mut nodes, ips);
        talk(&nodes, "192.0.2.1");
        nodes.iter_mut().zip(["b", "a"]).for_each(|(node, peer)| node.forget(bed, peer));
        assert!(!nodes[0].has_overlay(), "the overlay's link is gone with its last node");
    });
}
