//! Pods, node and outside talk with each other as they should, and with nobody else's ports.

use std::net::{IpAddr, TcpListener};

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
