//! A port of the node leads to a pod from everywhere, and stops when it is taken off the list.

use std::net::IpAddr;
use std::path::Path;

use masthead_agent::network::contract::{Attachment, PodNetwork};
use masthead_agent::network::pod_ports::{Asked, PodPort};
use masthead_agent::network::routed::RoutedNetwork;
use masthead_agent::network::rules::ports::{HostPort, Protocol};

use super::bed::{Bed, ask, inside, machine, serve_in};

fn port(port: u16, host_ip: Option<&str>, pod: &Attachment, pod_port: u16) -> HostPort {
    HostPort {
        protocol: Protocol::Tcp,
        host_ip: host_ip.map(|ip| ip.parse().unwrap()),
        port,
        pod_ip: pod.ips[0],
        pod_port,
    }
}

fn set(bed: &Bed, network: &RoutedNetwork, ports: Vec<HostPort>) {
    bed.wait(network.set_host_ports(ports)).unwrap();
}

fn reaches(pod: &Attachment, from: Option<&Path>, ip: &str, port: u16) -> std::io::Result<String> {
    let ip: IpAddr = ip.parse().unwrap();
    let server = serve_in(&pod.netns, 80);
    let answer = match from {
        Some(netns) => inside(netns, move || ask(ip, port)),
        None => ask(ip, port),
    };
    if answer.is_err() {
        // Lets the server go.
        let own = pod.ips[0];
        inside(&pod.netns, move || ask(own, 80)).unwrap();
    }
    server.join().unwrap();
    answer
}

#[test]
fn a_host_port_is_reached_from_everywhere() {
    machine(|bed| {
        let outside = bed.outside();
        let network = bed.network(1);
        let a = bed.attach(&network, "pod-a");
        let b = bed.attach(&network, "pod-b");
        set(bed, &network, vec![port(8080, None, &a, 80), port(8081, Some("192.0.2.2"), &b, 80)]);

        assert_eq!(reaches(&a, Some(&outside), "192.0.2.2", 8080).unwrap(), "192.0.2.9", "outside");
        assert_eq!(reaches(&a, Some(&b.netns), "192.0.2.2", 8080).unwrap(), "10.42.0.3", "another pod");
        assert_eq!(reaches(&a, Some(&a.netns), "192.0.2.2", 8080).unwrap(), "10.42.0.1", "the pod itself");
        assert_eq!(reaches(&a, None, "192.0.2.2", 8080).unwrap(), "192.0.2.2", "the node");
        assert_eq!(reaches(&a, None, "127.0.0.1", 8080).unwrap(), "10.42.0.1", "the node's loopback");

        assert_eq!(reaches(&b, Some(&outside), "192.0.2.2", 8081).unwrap(), "192.0.2.9");
        assert!(reaches(&b, None, "127.0.0.1", 8081).is_err(), "not on another address");
    });
}

#[test]
fn the_list_is_the_whole_truth_also_after_a_restart() {
    machine(|bed| {
        let outside = bed.outside();
        let network = bed.network(0);
        let a = bed.attach(&network, "pod-a");
        let b = bed.attach(&network, "pod-b");
        set(bed, &network, vec![port(8080, None, &a, 80), port(8081, None, &a, 80)]);
        set(bed, &network, vec![port(8080, None, &b, 80)]);
        assert!(reaches(&b, Some(&outside), "192.0.2.2", 8080).is_ok(), "moved");
        assert!(reaches(&a, Some(&outside), "192.0.2.2", 8081).is_err(), "gone");
        drop(network);
        let network = bed.start(masthead_agent::network::options::Options {
            pool_size: 0,
            ..masthead_agent::network::options::Options::new(&bed.data)
        });
        assert!(reaches(&b, Some(&outside), "192.0.2.2", 8080).is_ok(), "kept before anybody said so");
        set(bed, &network, vec![]);
        assert!(reaches(&b, Some(&outside), "192.0.2.2", 8080).is_err(), "gone");
    });
}

#[test]
fn a_thousand_ports_in_one_change() {
    machine(|bed| {
        let outside = bed.outside();
        let network = bed.network(0);
        let a = bed.attach(&network, "pod-a");
        let many: Vec<HostPort> = (10_000..15_000).map(|p| port(p, None, &a, 80)).collect();
        let begin = std::time::Instant::now();
        set(bed, &network, many.clone());
        println!("5000 host ports in {:?}", begin.elapsed());
        assert!(reaches(&a, Some(&outside), "192.0.2.2", 14_999).is_ok());
        let begin = std::time::Instant::now();
        set(bed, &network, many[1..].to_vec());
        println!("one of them removed in {:?}", begin.elapsed());
        assert!(reaches(&a, Some(&outside), "192.0.2.2", 10_000).is_err());
    });
}

#[test]
fn a_pod_has_its_host_ports_from_attach_to_detach_or_is_told_who_has_them() {
    machine(|bed| {
        let outside = bed.outside();
        let network = bed.network(0);
        let port = |port| PodPort { protocol: Protocol::Tcp, host_ip: None, port, pod_port: 80 };
        let asked = [("pod-a", 8080), ("pod-b", 8080), ("pod-c", 8081)];
        let asked: Asked = asked.into_iter().map(|(uid, number)| (uid.to_owned(), vec![port(number)])).collect();
        bed.wait(network.set_pod_ports(asked)).unwrap();
        let refused = |uid: &str, expect: &str| {
            let error = bed.wait(network.attach(uid)).unwrap_err();
            let text = format!("{error}: {}", error.source);
            assert!(text.contains(expect), "{text}");
        };
        let a = bed.attach(&network, "pod-a");
        assert_eq!(reaches(&a, Some(&outside), "192.0.2.2", 8080).unwrap(), "192.0.2.9");
        assert!(std::net::TcpListener::bind("0.0.0.0:8080").is_err(), "nobody else takes the port");
        refused("pod-b", "host port 8080/TCP of the pod is already in use on the node, by pod pod-a");
        let other = std::net::TcpListener::bind("0.0.0.0:8081").unwrap();
        refused("pod-c", "by another process");
        drop(other);
        let c = bed.attach(&network, "pod-c");
        assert_eq!(reaches(&c, Some(&outside), "192.0.2.2", 8081).unwrap(), "192.0.2.9");
        bed.wait(network.detach("pod-a")).unwrap();
        let b = bed.attach(&network, "pod-b");
        assert_eq!(reaches(&b, Some(&outside), "192.0.2.2", 8080).unwrap(), "192.0.2.9");
    });
}
