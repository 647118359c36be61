//! Services in a real kernel: who is led where, who is told that nobody is there, and what lives on.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};

use masthead_agent::network::contract::Attachment;
use masthead_agent::network::datapath::handle::Datapath;
use masthead_agent::network::routed::RoutedNetwork;
use serde_json::{Value, json};

use super::bed::{Bed, inside, machine};
use super::cluster::{PATIENCE, Server, Told, connect, hello, is_dropped, is_refused, on, until, who};

/// A node with two pods that serve on port 80, and a machine outside of the cluster.
struct Cluster<'a> {
    bed: &'a Bed,
    told: Told,
    _network: RoutedNetwork,
    datapath: Datapath,
    outside: PathBuf,
    pods: Vec<Attachment>,
    _servers: Vec<Server>,
}

impl<'a> Cluster<'a> {
    fn new(bed: &'a Bed) -> Self {
        let outside = bed.outside();
        bed.way_in(&outside);
        let network = bed.network(0);
        let cluster = vec!["10.42.0.0/16".to_owned()];
        bed.wait(network.set_ranges(vec!["10.42.0.0/24".into()], cluster)).unwrap();
        let pods: Vec<Attachment> = ["pod-a", "pod-b"].iter().map(|uid| bed.attach(&network, uid)).collect();
        let servers = pods.iter().zip(["a", "b"]).map(|(pod, name)| Server::tcp(&pod.netns, name, 80)).collect();
        let told = Told::new("10.42.0.0/24");
        let datapath = told.start(bed, "here");
        Self { bed, told, _network: network, datapath, outside, pods, _servers: servers }
    }

    fn tell(&mut self, name: &str, spec: Value, endpoints: Value) {
        self.told.service(name, spec, endpoints, 80);
        self.told.tell(self.bed, &self.datapath);
    }

    fn both(&self) -> Value {
        json!([on("here", self.pods[0].ips[0]), on("here", self.pods[1].ips[0])])
    }

    fn netns(&self, pod: usize) -> &Path {
        &self.pods[pod].netns
    }
}

/// Everybody who answers within patience, when two must.
fn both(from: Option<&Path>, ip: &str, port: u16) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    until("both endpoints are used", || {
        seen.insert(who(from, ip, port).unwrap().0);
        seen.len() == 2
    });
    seen
}

#[test]
fn a_cluster_ip_leads_pods_and_the_node_to_all_endpoints() {
    machine(|bed| {
        let mut c = Cluster::new(bed);
        let spec = json!({"clusterIP": "10.96.0.20", "ports": [{"port": 8080}]});
        c.tell("web", spec.clone(), c.both());
        let ip = "10.96.0.20";
        both(Some(c.netns(0)), ip, 8080);
        both(None, ip, 8080);
        both(Some(&c.outside), ip, 8080);
        // The pod that asks sees itself, when it is its own answer, as the node; else it is seen as it is.
        until("a pod leads to itself", || {
            let (name, from) = who(Some(c.netns(0)), ip, 8080).unwrap();
            assert_eq!(from, if name == "a" { "10.42.0.1" } else { "10.42.0.2" });
            name == "a"
        });
        assert!(is_refused(Some(c.netns(0)), ip, 81), "a port that the service does not have");
        assert!(is_refused(Some(c.netns(0)), "10.96.9.9", 80), "an address that nobody has");

        c.tell("web", spec.clone(), json!([on("here", c.pods[1].ips[0])]));
        assert_eq!(who(Some(c.netns(0)), ip, 8080).unwrap().0, "b");
        c.tell("web", spec, json!([]));
        assert!(is_refused(Some(c.netns(0)), ip, 8080), "no endpoint");
        assert!(is_refused(None, ip, 8080), "no endpoint, from the node");
        c.told.take("Service", "n", "web");
        c.told.take("EndpointSlice", "n", "web");
        c.told.tell(bed, &c.datapath);
        assert!(is_refused(Some(c.netns(0)), ip, 8080), "no service");
    });
}

#[test]
fn node_ports_and_outer_addresses() {
    machine(|bed| {
        let mut c = Cluster::new(bed);
        let spec = json!({
            "type": "LoadBalancer", "clusterIP": "10.96.0.21", "externalIPs": ["198.51.100.7"],
            "ports": [{"port": 80, "nodePort": 30080}],
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.2"}, {"ip": "192.0.2.77", "ipMode": "Proxy"}]}},
        });
        c.tell("web", spec, c.both());
        both(Some(&c.outside), "192.0.2.2", 30080);
        both(Some(&c.outside), "192.0.2.2", 80);
        // An endpoint of this node answers through this node: it may see who asks.
        assert_eq!(who(Some(&c.outside), "192.0.2.2", 30080).unwrap().1, "192.0.2.9");
        both(Some(c.netns(0)), "10.42.0.1", 30080);
        both(None, "192.0.2.2", 30080);
        both(None, "127.0.0.1", 30080);
        both(Some(c.netns(0)), "198.51.100.7", 80);
        assert!(is_refused(None, "192.0.2.2", 30081));
    });
}

#[test]
fn local_policies_keep_the_source_and_drop_where_nobody_is() {
    machine(|bed| {
        let mut c = Cluster::new(bed);
        let spec = json!({
            "type": "NodePort", "clusterIP": "10.96.0.22", "externalTrafficPolicy": "Local",
            "internalTrafficPolicy": "Local", "ports": [{"port": 80, "nodePort": 30080}],
        });
        let elsewhere = on("there", c.pods[1].ips[0]);
        c.tell("web", spec.clone(), json!([on("here", c.pods[0].ips[0]), elsewhere]));
        for _ in 0..6 {
            let answer = who(Some(&c.outside), "192.0.2.2", 30080).unwrap();
            assert_eq!(answer, ("a".to_owned(), "192.0.2.9".to_owned()));
            assert_eq!(who(Some(c.netns(1)), "10.96.0.22", 80).unwrap().0, "a", "internal policy");
        }
        both(Some(c.netns(0)), "192.0.2.2", 30080);
        c.tell("web", spec, json!([elsewhere]));
        assert!(is_dropped(&c.outside, "192.0.2.2", 30080), "from outside");
        let netns = c.netns(0).to_owned();
        assert!(is_dropped(&netns, "10.96.0.22", 80), "internal policy");
        assert_eq!(who(Some(&netns), "192.0.2.2", 30080).unwrap().0, "b", "the cluster's own traffic goes on");
    });
}

#[test]
fn a_client_stays_with_its_endpoint_while_that_is_there() {
    machine(|bed| {
        let mut c = Cluster::new(bed);
        let spec = json!({
            "clusterIP": "10.96.0.23", "sessionAffinity": "ClientIP", "ports": [{"port": 80}],
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 3600}},
        });
        c.tell("web", spec.clone(), c.both());
        let client = c.outside.clone();
        let first = who(Some(&client), "10.96.0.23", 80).unwrap().0;
        for _ in 0..10 {
            assert_eq!(who(Some(&client), "10.96.0.23", 80).unwrap().0, first);
        }
        let (stays, other) = if first == "a" { (1, "b") } else { (0, "a") };
        c.tell("web", spec.clone(), json!([on("here", c.pods[stays].ips[0])]));
        for _ in 0..3 {
            assert_eq!(who(Some(&client), "10.96.0.23", 80).unwrap().0, other, "the first is gone");
        }
        c.tell("web", spec, c.both());
        for _ in 0..10 {
            assert_eq!(who(Some(&client), "10.96.0.23", 80).unwrap().0, other, "it stays with the second");
        }
    });
}

#[test]
fn only_source_ranges_pass_the_load_balancer() {
    machine(|bed| {
        let mut c = Cluster::new(bed);
        let spec = |range: &str| {
            json!({
                "type": "LoadBalancer", "clusterIP": "10.96.0.24", "loadBalancerSourceRanges": [range, "203.0.113.0/24"],
                "ports": [{"port": 80}], "status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.8"}]}},
            })
        };
        c.tell("web", spec("192.0.2.8/30"), c.both());
        both(Some(&c.outside), "198.51.100.8", 80);
        c.tell("web", spec("192.0.2.12/30"), c.both());
        assert!(is_dropped(&c.outside, "198.51.100.8", 80));
        both(Some(&c.outside), "10.96.0.24", 80);
    });
}

#[test]
fn udp_flows_leave_an_endpoint_that_is_gone() {
    machine(|bed| {
        let mut c = Cluster::new(bed);
        let _servers: Vec<Server> =
            c.pods.iter().zip(["a", "b"]).map(|(pod, name)| Server::udp(&pod.netns, name, 53)).collect();
        let spec = json!({"clusterIP": "10.96.0.25", "ports": [{"port": 53, "protocol": "UDP"}]});
        c.told.service("dns", spec.clone(), json!([on("here", c.pods[0].ips[0])]), 53);
        c.told.tell(bed, &c.datapath);
        // One socket, so one flow that never ends.
        let socket = inside(c.netns(1), || UdpSocket::bind("0.0.0.0:5353").unwrap());
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect("10.96.0.25:53").unwrap();
        let ask = || {
            socket.send(b"?").unwrap();
            let mut buffer = [0; 64];
            let count = socket.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..count]).into_owned()
        };
        assert_eq!(ask(), "a 10.42.0.3");
        c.told.service("dns", spec.clone(), json!([on("here", c.pods[1].ips[0])]), 53);
        c.told.tell(bed, &c.datapath);
        assert!(ask().starts_with("b "), "the flow went on to who is there");
        c.told.service("dns", spec, json!([]), 53);
        c.told.tell(bed, &c.datapath);
        let outside = inside(&c.outside, || UdpSocket::bind("0.0.0.0:0").unwrap());
        outside.set_read_timeout(Some(PATIENCE)).unwrap();
        outside.connect("10.96.0.25:53").unwrap();
        outside.send(b"?").unwrap();
        let refused = outside.recv(&mut [0; 64]).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_connection_outlives_the_agent_and_the_change_of_everything() {
    machine(|bed| {
        let mut c = Cluster::new(bed);
        let spec = json!({"type": "NodePort", "clusterIP": "10.96.0.26", "ports": [{"port": 80, "nodePort": 30080}]});
        c.tell("web", spec.clone(), json!([on("here", c.pods[0].ips[0])]));
        let mut inner = inside(c.netns(1), || connect("10.96.0.26", 80, PATIENCE).unwrap());
        let mut outer = inside(&c.outside, || connect("192.0.2.2", 30080, PATIENCE).unwrap());
        let mut say = |what: &str| {
            for stream in [&mut inner, &mut outer] {
                stream.write_all(b"still there?").unwrap();
                let mut back = [0; 12];
                stream.read_exact(&mut back).unwrap_or_else(|e| panic!("{what}: {e}"));
            }
        };
        let table = bed.chains_of("services");
        say("at first");
        // The agent ends, and another begins: nothing of the table is made anew.
        let Cluster { mut told, pods, outside, .. } = c;
        told.tell_nobody();
        let datapath = told.start(bed, "here");
        told.tell(bed, &datapath);
        assert_eq!(bed.chains_of("services"), table, "the very same chains");
        say("after a restart");
        assert_eq!(who(Some(&outside), "192.0.2.2", 30080).unwrap().0, "a");
        // While it is away, endpoints change; the next life makes the table right.
        told.service("web", spec.clone(), json!([on("here", pods[1].ips[0])]), 80);
        told.tell_nobody();
        let datapath = told.start(bed, "here");
        told.tell(bed, &datapath);
        assert_eq!(bed.chains_of("services"), table, "lists of one have their chain already");
        assert_eq!(who(Some(&outside), "192.0.2.2", 30080).unwrap().0, "b");
        say("after the endpoint has left");
        // The node's ranges change: the table is another, in one step.
        told.service_cidr("10.96.0.0/15");
        told.tell(bed, &datapath);
        assert_ne!(bed.chains_of("services"), table);
        say("after the whole table was replaced");
        assert_eq!(who(Some(&outside), "192.0.2.2", 30080).unwrap().0, "b");
    });
}

#[test]
fn a_firewall_that_comes_later_is_passed_too() {
    machine(|bed| {
        let mut c = Cluster::new(bed);
        let spec = json!({"type": "NodePort", "clusterIP": "10.96.0.27", "ports": [{"port": 80, "nodePort": 30080}]});
        c.tell("web", spec, json!([on("here", c.pods[0].ips[0])]));
        bed.drop_forwarded();
        let outside = c.outside.clone();
        until("the node port is reached through a firewall that came later", || {
            let answer = inside(&outside, || connect("192.0.2.2", 30080, std::time::Duration::from_secs(1)));
            answer.and_then(|mut stream| hello(&mut stream)).is_ok_and(|(name, _)| name == "a")
        });
    });
}

#[test]
fn load_balancers_are_told_whether_to_come() {
    machine(|bed| {
        let mut c = Cluster::new(bed);
        let spec = json!({
            "type": "LoadBalancer", "clusterIP": "10.96.0.28", "externalTrafficPolicy": "Local",
            "healthCheckNodePort": 30999, "ports": [{"port": 80, "nodePort": 30080}],
        });
        let ask = || {
            let mut stream = connect("127.0.0.1", 30999, PATIENCE).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        };
        c.tell("web", spec.clone(), c.both());
        let answer = ask();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""localEndpoints":2"#), "{answer}");
        c.tell("web", spec, json!([on("there", c.pods[1].ips[0])]));
        let answer = ask();
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains(r#""localEndpoints":0"#), "{answer}");
    });
}
