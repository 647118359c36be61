//! Both families at once in a real kernel: across nodes, through services and node ports, with policies.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use masthead_agent::network::contract::Attachment;
use masthead_agent::network::options::Options;
use masthead_agent::network::{kernel, netns};
use nlink::netlink::addr::Ipv6Address;
use nlink::netlink::route::Ipv6Route;
use nlink::netlink::{Connection, Route};
use serde_json::{Value, json};

use super::bed::{Bed, inside, machine};
use super::cluster::{PATIENCE, Server, Told, is_dropped, on, who};
use super::nodes::{Node, default_by, join, much, routes, space};

const SERVICE_V4: &str = "10.96.0.40";
const SERVICE_V6: &str = "fd00:96::40";

/// The pod's address of a family.
fn own(pod: &Attachment, v6: bool) -> IpAddr {
    *pod.ips.iter().find(|ip| ip.is_ipv6() == v6).expect("an address of each family")
}

fn ranges(number: u8) -> (Vec<String>, Vec<String>) {
    let own = vec![format!("10.42.{number}.0/24"), format!("fd00:42:0:{number:x}::/64")];
    (own, vec!["10.42.0.0/16".to_owned(), "fd00:42::/56".to_owned()])
}

fn node(bed: &Bed, ns: PathBuf, name: &str, number: u8) -> Node {
    let (own, cluster) = ranges(number);
    Node::start(bed, ns, name, Told::dual(number), own, cluster)
}

/// An address of IPv6 for a link that is there.
fn address(bed: &Bed, ns: &Path, link: &str, ip: &str) {
    let (ns, ip): (_, Ipv6Addr) = (netns::open(ns).unwrap(), ip.parse().unwrap());
    bed.wait(async {
        let conn = Connection::<Route>::new_in(ns.as_fd()).unwrap();
        conn.add_address(Ipv6Address::new(link, ip, 64).nodad()).await.unwrap();
    });
}

fn default_v6(bed: &Bed, ns: &Path, gateway: &str, link: &str) {
    let (ns, gateway): (_, Ipv6Addr) = (netns::open(ns).unwrap(), gateway.parse().unwrap());
    let route = Ipv6Route::default_route().gateway(gateway).dev(link);
    bed.wait(async { Connection::<Route>::new_in(ns.as_fd()).unwrap().add_route(route).await.unwrap() });
}

/// Tells both nodes of each other, and of a service of both families whose endpoint is on the second.
fn introduce(bed: &Bed, nodes: &mut [Node; 2], ips: [&[&str]; 2]) {
    let [v4, v6] = [false, true].map(|v6| own(&nodes[1].pod, v6));
    for node in nodes.iter_mut() {
        for (at, (name, ips)) in ["a", "b"].into_iter().zip(ips).enumerate() {
            let addresses: Vec<Value> = ips.iter().map(|ip| json!({"type": "InternalIP", "address": ip})).collect();
            let (cidrs, _) = ranges(u8::try_from(at).unwrap());
            node.told.put(
                "Node",
                &json!({
                "metadata": {"name": name}, "spec": {"podCIDRs": cidrs}, "status": {"addresses": addresses}}),
            );
        }
        let spec = json!({"type": "NodePort", "clusterIP": SERVICE_V4, "clusterIPs": [SERVICE_V4, SERVICE_V6],
            "ipFamilies": ["IPv4", "IPv6"], "ports": [{"port": 80, "nodePort": 30080}]});
        node.told.service("web", spec, json!([on("b", v4)]), 80);
        node.told.slice_v6("web", json!([on("b", v6)]), 80, "TCP");
        node.told.tell(bed, &node.datapath);
    }
}

/// Everybody reaches the pod of the second node by both families, and is seen as he should be.
fn talk(nodes: &[Node; 2], node_ips: &[&str]) {
    let [a, b] = nodes;
    for v6 in [false, true] {
        let [pod_a, pod_b] = [a, b].map(|node| own(&node.pod, v6).to_string());
        let service = if v6 { SERVICE_V6 } else { SERVICE_V4 };
        assert_eq!(who(Some(&a.pod.netns), &pod_b, 80).unwrap(), ("b".to_owned(), pod_a.clone()), "pod to pod");
        assert_eq!(who(Some(&a.pod.netns), service, 80).unwrap(), ("b".to_owned(), pod_a), "through {service}");
        assert_eq!(who(Some(&a.ns), &pod_b, 80).unwrap().0, "b", "the node to a pod of the other");
        assert_eq!(who(Some(&a.ns), service, 80).unwrap().0, "b", "the node through {service}");
        assert_eq!(who(Some(&b.pod.netns), service, 80).unwrap().0, "b", "back to itself through {service}");
        much(&a.pod.netns, service);
    }
    for node_ip in node_ips {
        assert_eq!(who(Some(&b.pod.netns), node_ip, 30080).unwrap().0, "b", "through the other node's port");
    }
}

fn part(bed: &Bed, nodes: &mut [Node; 2]) {
    for (node, peer) in nodes.iter_mut().zip(["b", "a"]) {
        assert_eq!(routes(bed, &node.ns).len(), 2, "a way to the pods of each family");
        node.forget(bed, peer);
    }
}

#[test]
fn nodes_on_a_shared_link_speak_both_families() {
    machine(|bed| {
        let (one, other) = (space(bed, "ns-a"), space(bed, "ns-b"));
        let ips = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];
        join(bed, (&one, "lan0", ips[0]), (&other, "lan0", ips[1]));
        address(bed, &one, "lan0", "2001:db8::1");
        address(bed, &other, "lan0", "2001:db8::2");
        default_by(bed, &one, ips[1]);
        default_v6(bed, &one, "2001:db8::2", "lan0");
        let mut nodes = [node(bed, one, "a", 0), node(bed, other, "b", 1)];
        introduce(bed, &mut nodes, [&["192.0.2.1", "2001:db8::1"], &["192.0.2.2", "2001:db8::2"]]);
        talk(&nodes, &["192.0.2.1", "2001:db8::1"]);
        assert!(!nodes[0].has_overlay(), "nobody is behind a router");
        part(bed, &mut nodes);
    });
}

/// Nodes beyond a router that know addresses of one family of each other: pods speak both all the same.
fn beyond_a_router(v6: bool) {
    machine(move |bed| {
        let (one, other, router) = (space(bed, "ns-a"), space(bed, "ns-b"), space(bed, "ns-r"));
        let ips = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(198, 51, 100, 1)];
        let gates = [Ipv4Addr::new(192, 0, 2, 254), Ipv4Addr::new(198, 51, 100, 254)];
        join(bed, (&one, "lan0", ips[0]), (&router, "lan0", gates[0]));
        join(bed, (&other, "lan0", ips[1]), (&router, "lan1", gates[1]));
        for (ns, link, net) in [(&one, "lan0", "a"), (&other, "lan0", "b")] {
            address(bed, ns, link, &format!("2001:db8:{net}::1"));
            default_v6(bed, ns, &format!("2001:db8:{net}::fe"), link);
        }
        address(bed, &router, "lan0", "2001:db8:a::fe");
        address(bed, &router, "lan1", "2001:db8:b::fe");
        default_by(bed, &one, gates[0]);
        default_by(bed, &other, gates[1]);
        inside(&router, || {
            std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
            std::fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").unwrap();
        });
        let mut nodes = [node(bed, one, "a", 0), node(bed, other, "b", 1)];
        let known: [&[&str]; 2] =
            if v6 { [&["2001:db8:a::1"], &["2001:db8:b::1"]] } else { [&["192.0.2.1"], &["198.51.100.1"]] };
        introduce(bed, &mut nodes, known);
        talk(&nodes, known[0]);
        part(bed, &mut nodes);
        assert!(!nodes[0].has_overlay(), "the overlay's link is gone with its last node");
    });
}

#[test]
fn pods_speak_both_families_over_nodes_that_speak_ipv4() {
    beyond_a_router(false);
}

#[test]
fn pods_speak_both_families_over_nodes_that_speak_ipv6() {
    beyond_a_router(true);
}

#[test]
fn datagrams_of_both_families_leave_an_endpoint_that_is_gone() {
    machine(|bed| {
        let network = bed.start(Options { pool_size: 0, ..Options::new(&bed.data) });
        let (first, cluster) = ranges(0);
        bed.wait(network.set_ranges(first, cluster)).unwrap();
        let pods = ["pod-a", "pod-b", "pod-c"].map(|uid| bed.attach(&network, uid));
        let _servers = [Server::udp(&pods[0].netns, "a", 53), Server::udp(&pods[1].netns, "b", 53)];
        let mut told = Told::dual(0);
        let datapath = told.start(bed, "here");
        let mut lead_to = |pods: &[&Attachment]| {
            let spec = json!({"type": "NodePort", "clusterIP": SERVICE_V4, "clusterIPs": [SERVICE_V4, SERVICE_V6],
                "ipFamilies": ["IPv4", "IPv6"], "ports": [{"port": 53, "nodePort": 30053, "protocol": "UDP"}]});
            let endpoints = |v6| -> Value { pods.iter().map(|pod| on("here", own(pod, v6))).collect() };
            told.service("dns", spec, endpoints(false), 53);
            told.slice_v6("dns", endpoints(true), 53, "UDP");
            told.tell(bed, &datapath);
        };
        lead_to(&[&pods[0]]);
        let places: Vec<SocketAddr> = [(SERVICE_V4, 53), (SERVICE_V6, 53), ("10.42.0.1", 30053), ("fd00:42::1", 30053)]
            .map(|(ip, port)| SocketAddr::new(ip.parse().unwrap(), port))
            .into();
        // Each is one flow that never ends.
        let flows: Vec<UdpSocket> = places
            .iter()
            .map(|place| {
                let any = if place.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
                let socket = inside(&pods[2].netns, move || UdpSocket::bind(any).unwrap());
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                socket.connect(place).unwrap();
                socket
            })
            .collect();
        let ask = |flow: &UdpSocket| {
            let mut heard = [0; 64];
            flow.send(b"?")?;
            flow.recv(&mut heard).map(|size| String::from_utf8_lossy(&heard[..size]).into_owned())
        };
        let from = |v6| own(&pods[2], v6).to_string();
        for (flow, place) in flows.iter().zip(&places).take(2) {
            assert_eq!(ask(flow).unwrap(), format!("a {}", from(place.is_ipv6())), "{place}");
        }
        for (flow, place) in flows.iter().zip(&places).skip(2) {
            assert!(ask(flow).unwrap().starts_with("a "), "{place}");
        }
        lead_to(&[&pods[1]]);
        for (flow, place) in flows.iter().zip(&places) {
            assert!(ask(flow).unwrap().starts_with("b "), "the flow to {place} went on to who is there");
        }
        lead_to(&[]);
        for (flow, place) in flows.iter().zip(&places) {
            assert_eq!(ask(flow).unwrap_err().kind(), ErrorKind::ConnectionRefused, "{place}");
        }
    });
}

#[test]
fn a_policy_holds_for_both_families() {
    machine(|bed| {
        let network = bed.start(Options { pool_size: 0, ..Options::new(&bed.data) });
        let (own, cluster) = ranges(0);
        bed.wait(network.set_ranges(own, cluster)).unwrap();
        let (a, b) = (bed.attach(&network, "pod-a"), bed.attach(&network, "pod-b"));
        let _servers = [Server::tcp(&a.netns, "a", 80), Server::tcp(&b.netns, "b", 80)];
        let mut told = Told::dual(0);
        let datapath = told.start(bed, "here");
        let ips: Vec<String> = a.ips.iter().map(ToString::to_string).collect();
        let mut policy = |body: Value| {
            let mut policy = body;
            policy["metadata"] = json!({"namespace": "n", "name": "p"});
            policy["pods"] = json!(ips);
            policy["policyTypes"] = json!(["Ingress"]);
            told.put("AddressSet", &json!({"metadata": {"namespace": "n", "name": "b"}, "addresses": b.ips}));
            told.put("NetworkPolicy", &policy);
            told.tell(bed, &datapath);
        };
        policy(json!({}));
        for ip in &ips {
            assert!(is_dropped(&b.netns, ip, 80), "{ip} is closed");
            assert!(who(None, ip, 80).is_ok(), "this node, as for probes, reaches {ip}");
        }
        policy(json!({"ingress": [{"sets": ["b"], "ports": [{"protocol": "TCP", "port": 80}]}]}));
        for (ip, seen) in ips.iter().zip(&b.ips) {
            assert_eq!(who(Some(&b.netns), ip, 80).unwrap(), ("a".to_owned(), seen.to_string()));
        }
        policy(json!({"ingress": [{"blocks": [{"cidr": "fd00:42::/56"}], "ports": []}]}));
        assert!(is_dropped(&b.netns, &ips[0], 80), "a block of IPv6 opens nothing of IPv4");
        assert!(who(Some(&b.netns), &ips[1], 80).is_ok());
    });
}

#[test]
fn a_pod_cannot_send_from_anothers_address_of_ipv6() {
    machine(|bed| {
        let network = bed.start(Options { pool_size: 0, ..Options::new(&bed.data) });
        let (own, cluster) = ranges(0);
        bed.wait(network.set_ranges(own, cluster)).unwrap();
        let (a, b) = (bed.attach(&network, "pod-a"), bed.attach(&network, "pod-b"));
        let node = std::net::UdpSocket::bind("[fd00:42::1]:91").unwrap();
        node.set_read_timeout(Some(PATIENCE)).unwrap();
        let (IpAddr::V6(mine), IpAddr::V6(stolen)) = (a.ips[1], b.ips[1]) else {
            unreachable!("the second is of IPv6")
        };
        let ns = netns::open(&a.netns).unwrap();
        bed.wait(async {
            let conn = kernel::connect(&ns).unwrap();
            conn.add_address(Ipv6Address::new("eth0", stolen, 128).nodad()).await.unwrap();
        });
        let send = |from: Ipv6Addr, text: &'static [u8]| {
            inside(&a.netns, move || {
                let own = std::net::UdpSocket::bind((from, 0)).unwrap();
                own.send_to(text, "[fd00:42::1]:91").unwrap();
            });
        };
        // One way, in order: what comes first is what was let through.
        send(stolen, b"spoofed");
        send(mine, b"own");
        let mut heard = [0; 16];
        let length = node.recv(&mut heard).unwrap();
        assert_eq!(&heard[..length], b"own");
        // Without the table it would have got there.
        bed.flush_ruleset();
        send(stolen, b"spoofed");
        let length = node.recv(&mut heard).unwrap();
        assert_eq!(&heard[..length], b"spoofed");
    });
}

#[test]
fn a_node_without_ipv6_says_so() {
    machine(|bed| {
        std::fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1").unwrap();
        let network = bed.start(Options { pool_size: 0, ..Options::new(&bed.data) });
        let (own, cluster) = ranges(0);
        let error = bed.wait(network.set_ranges(own.clone(), cluster.clone())).unwrap_err().to_string();
        assert!(error.contains("IPv6 is off on this node (net.ipv6.conf.all.disable_ipv6 is 1)"), "{error}");
        bed.wait(network.set_ranges(own[..1].to_vec(), cluster[..1].to_vec())).unwrap();
        assert_eq!(bed.attach(&network, "pod-a").ips.len(), 1, "IPv4 works as ever");
    });
}

#[test]
fn forwarding_leaves_routers_word_in_force_and_is_put_back() {
    machine(|bed| {
        let read = |key: &str| {
            let text = std::fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{key}")).unwrap();
            text.trim().to_owned()
        };
        let _outside = bed.outside();
        std::fs::write("/proc/sys/net/ipv6/conf/up0/accept_ra", "1").unwrap();
        let before = bed.world();
        let network = bed.start(Options { pool_size: 0, ..Options::new(&bed.data) });
        let (own, cluster) = ranges(0);
        bed.wait(network.set_ranges(own, cluster)).unwrap();
        assert_eq!((read("all/forwarding"), read("up0/accept_ra")), ("1".to_owned(), "2".to_owned()));
        bed.wait(network.close()).unwrap();
        drop(network);
        bed.wait(masthead_agent::network::destroy::destroy(&bed.data)).unwrap();
        assert_eq!((read("all/forwarding"), read("up0/accept_ra")), ("0".to_owned(), "1".to_owned()));
        assert_eq!(bed.world(), before);
    });
}
