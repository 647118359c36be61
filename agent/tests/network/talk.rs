//! Pods, node and outside talk with each other as they should, and with nobody else's ports.

use std::net::{IpAddr, TcpListener};

use masthead_agent::network::names::Names;
use masthead_agent::network::options::Options;
use masthead_agent::network::records::home as home_of;
use nlink::netlink::addr::Ipv4Address;
use nlink::netlink::route::Ipv4Route;

use super::bed::{ask, inside, machine, serve, serve_in};

#[test]
fn pods_and_node_reach_each_other_by_their_own_addresses() {
    machine(|bed| {
        let network = bed.network(2);
        let a = bed.attach(&network, "pod-a");
        let b = bed.attach(&network, "pod-b");
        let (ip_a, ip_b) = (a.ips[0], b.ips[0]);
        assert_eq!(ip_a.to_string(), "10.42.0.2");
        assert_eq!(ip_b.to_string(), "10.42.0.3");

        let served = serve_in(&b.netns, 80);
        assert_eq!(inside(&a.netns, move || ask(ip_b, 80)).unwrap(), "10.42.0.2", "pod to pod");
        served.join().unwrap();

        let served = serve_in(&b.netns, 80);
        assert_eq!(ask(ip_b, 80).unwrap(), "10.42.0.1", "node to pod");
        served.join().unwrap();

        let node: IpAddr = "10.42.0.1".parse().unwrap();
        let served = serve(TcpListener::bind((node, 81)).unwrap());
        assert_eq!(inside(&a.netns, move || ask(node, 81)).unwrap(), "10.42.0.2", "pod to node");
        served.join().unwrap();

        let served = serve_in(&a.netns, 82);
        assert_eq!(inside(&a.netns, move || ask(ip_a, 82)).unwrap(), "10.42.0.2", "pod to itself");
        served.join().unwrap();
    });
}

#[test]
fn each_pod_has_all_ports_to_itself_and_shares_them_among_its_containers() {
    machine(|bed| {
        let network = bed.network(0);
        let a = bed.attach(&network, "pod-a");
        let b = bed.attach(&network, "pod-b");
        let first = inside(&a.netns, || TcpListener::bind("0.0.0.0:80"));
        let other = inside(&b.netns, || TcpListener::bind("0.0.0.0:80"));
        let again = inside(&a.netns, || TcpListener::bind("0.0.0.0:80"));
        assert!(first.is_ok() && other.is_ok());
        assert_eq!(again.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    });
}

#[test]
fn a_pod_reaches_the_outside_as_the_node() {
    machine(|bed| {
        let outside = bed.outside();
        let network = bed.network(1);
        let a = bed.attach(&network, "pod-a");
        let far: IpAddr = "192.0.2.9".parse().unwrap();
        let served = serve_in(&outside, 80);
        assert_eq!(inside(&a.netns, move || ask(far, 80)).unwrap(), "192.0.2.2");
        served.join().unwrap();
    });
}

#[test]
fn both_families_at_once() {
    machine(|bed| {
        let network = bed.start(Options { pool_size: 1, ..Options::new(&bed.data) });
        let cidrs = vec!["10.42.0.0/24".to_owned(), "fd00:42::/112".to_owned()];
        bed.wait(network.set_cidrs(cidrs)).unwrap();
        let a = bed.attach(&network, "pod-a");
        let b = bed.attach(&network, "pod-b");
        assert_eq!(b.ips.len(), 2);
        let (v6_a, v6_b) = (a.ips[1], b.ips[1]);
        assert_eq!(v6_a.to_string(), "fd00:42::2");
        let listener = inside(&b.netns, || TcpListener::bind("[::]:80").unwrap());
        let served = serve(listener);
        assert_eq!(inside(&a.netns, move || ask(v6_b, 80)).unwrap(), "fd00:42::2", "pod to pod");
        served.join().unwrap();
        let listener = inside(&b.netns, || TcpListener::bind("[::]:80").unwrap());
        let served = serve(listener);
        assert_eq!(ask(v6_b, 80).unwrap(), "fd00:42::1", "node to pod");
        served.join().unwrap();
    });
}

#[test]
fn a_pod_cannot_use_the_nodes_loopback_nor_anothers_address() {
    machine(|bed| {
        let network = bed.network(0);
        let a = bed.attach(&network, "pod-a");
        let b = bed.attach(&network, "pod-b");
        let local = TcpListener::bind("127.0.0.1:90").unwrap();
        let home: IpAddr = "127.0.0.1".parse().unwrap();
        // From inside, with its own loopback out of the way and the node's led to.
        let ns = masthead_agent::network::netns::open(&a.netns).unwrap();
        bed.wait(async {
            let conn = masthead_agent::network::kernel::connect(&ns).unwrap();
            conn.del_address_if_exists("lo", home, 8).await.unwrap();
            let gateway = std::net::Ipv4Addr::new(169, 254, 1, 1);
            let all = Ipv4Route::new(std::net::Ipv4Addr::new(127, 0, 0, 1), 32).gateway(gateway).dev("eth0").onlink();
            conn.add_route(all).await.unwrap();
        });
        inside(&a.netns, || std::fs::write("/proc/sys/net/ipv4/conf/eth0/route_localnet", "1").unwrap());
        assert!(inside(&a.netns, move || ask(home, 90)).is_err(), "the node's loopback is its own");
        // Without the rule it would have got there.
        bed.wait(async {
            let nft = masthead_agent::network::rules::apply::connect().unwrap();
            let names = Names::of(&home_of(&bed.data));
            masthead_agent::network::rules::apply::remove(&nft, &names.table()).await.unwrap();
        });
        let served = serve(local);
        inside(&a.netns, move || ask(home, 90)).unwrap();
        served.join().unwrap();
        let stolen = b.ips[0];
        bed.wait(async {
            let conn = masthead_agent::network::kernel::connect(&ns).unwrap();
            let IpAddr::V4(stolen) = stolen else { unreachable!("the CIDR is of IPv4") };
            conn.add_address(Ipv4Address::new("eth0", stolen, 32)).await.unwrap();
        });
        let node = std::net::UdpSocket::bind("10.42.0.1:91").unwrap();
        node.set_read_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
        let spoof = || {
            inside(&a.netns, move || {
                let own = std::net::UdpSocket::bind((stolen, 0)).unwrap();
                own.send_to(b"spoofed", "10.42.0.1:91").unwrap();
            });
        };
        spoof();
        assert!(node.recv(&mut [0; 16]).is_err(), "a packet from another pod's address arrives");
        for conf in ["all", &a.interface] {
            std::fs::write(format!("/proc/sys/net/ipv4/conf/{conf}/rp_filter"), "0").unwrap();
        }
        spoof();
        assert!(node.recv(&mut [0; 16]).is_ok(), "it is the link's filter that stops it");
    });
}
