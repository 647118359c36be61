//! NetworkPolicies in a real kernel: who is let through, and what was there before.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use masthead_agent::network::contract::Attachment;
use masthead_agent::network::datapath::handle::Datapath;
use masthead_agent::network::routed::RoutedNetwork;
use serde_json::{Value, json};

use super::bed::{Bed, inside, machine};
use super::cluster::{PATIENCE, Server, Told, connect, is_dropped, on, until, who};

struct Walled<'a> {
    bed: &'a Bed,
    told: Told,
    datapath: Datapath,
    outside: PathBuf,
    a: Attachment,
    b: Attachment,
    _network: RoutedNetwork,
    _servers: Vec<Server>,
}

impl<'a> Walled<'a> {
    fn new(bed: &'a Bed) -> Self {
        let outside = bed.outside();
        bed.way_in(&outside);
        let network = bed.network(0);
        let (a, b) = (bed.attach(&network, "pod-a"), bed.attach(&network, "pod-b"));
        let servers =
            vec![Server::tcp(&a.netns, "a", 80), Server::tcp(&b.netns, "b", 80), Server::tcp(&outside, "outside", 80)];
        let told = Told::new("10.42.0.0/24");
        let datapath = told.start(bed, "here");
        Self { bed, told, datapath, outside, a, b, _network: network, _servers: servers }
    }

    fn policy(&mut self, name: &str, body: Value) {
        let mut policy = body;
        policy["metadata"] = json!({"namespace": "n", "name": name});
        self.told.put("NetworkPolicy", &policy);
        self.told.tell(self.bed, &self.datapath);
    }

    fn set(&mut self, name: &str, addresses: Value) {
        self.told.put("AddressSet", &json!({"metadata": {"namespace": "n", "name": name}, "addresses": addresses}));
        self.told.tell(self.bed, &self.datapath);
    }
}

fn passes(from: &Path, ip: &str, port: u16) -> bool {
    who(Some(from), ip, port).is_ok()
}

#[test]
fn ingress_is_closed_and_opened_again() {
    machine(|bed| {
        let mut w = Walled::new(bed);
        let ip = w.a.ips[0].to_string();
        let (a, b, outside) = (w.a.netns.clone(), w.b.netns.clone(), w.outside.clone());
        let mut old = inside(&b, {
            let ip = ip.clone();
            move || connect(&ip, 80, PATIENCE).unwrap()
        });
        assert!(passes(&b, &ip, 80) && passes(&outside, &ip, 80), "without a policy");

        w.policy("deny", json!({"pods": [ip], "policyTypes": ["Ingress"]}));
        assert!(is_dropped(&b, &ip, 80), "another pod");
        assert!(is_dropped(&outside, &ip, 80), "from outside");
        assert!(who(None, &ip, 80).is_ok(), "this node, as for probes");
        assert!(passes(&a, &w.b.ips[0].to_string(), 80), "what the pod asks for itself is answered");
        old.write_all(b"old").unwrap();
        old.read_exact(&mut [0; 3]).unwrap();
        let spec = json!({"clusterIP": "10.96.0.30", "ports": [{"port": 80}]});
        w.told.service("web", spec, json!([on("here", w.a.ips[0])]), 80);
        w.told.tell(bed, &w.datapath);
        assert!(passes(&a, "10.96.0.30", 80), "a pod reaches itself by way of a service");
        assert!(is_dropped(&b, "10.96.0.30", 80), "another does not");

        w.set("0123456789abcdef", json!([w.b.ips[0]]));
        let rule = json!({"sets": ["0123456789abcdef"], "ports": [{"protocol": "TCP", "port": 70, "endPort": 90}]});
        w.policy("allow", json!({"pods": [ip], "policyTypes": ["Ingress"], "ingress": [rule]}));
        assert!(passes(&b, &ip, 80), "policies add up");
        assert!(is_dropped(&outside, &ip, 80));
        let rule = json!({"sets": ["0123456789abcdef"], "ports": [{"protocol": "TCP", "port": 81}]});
        w.policy("allow", json!({"pods": [ip], "policyTypes": ["Ingress"], "ingress": [rule]}));
        assert!(is_dropped(&b, &ip, 80), "another port");
        let rule = json!({"sets": ["0123456789abcdef"], "ports": [{"protocol": "TCP", "port": 80, "toSet": "00"}]});
        w.set("00", json!([ip]));
        w.policy("allow", json!({"pods": [ip], "policyTypes": ["Ingress"], "ingress": [rule]}));
        assert!(passes(&b, &ip, 80), "a named port of this pod");
        w.set("0123456789abcdef", json!([]));
        assert!(is_dropped(&b, &ip, 80), "the pod is not selected any more");

        w.told.take("NetworkPolicy", "n", "deny");
        w.told.take("NetworkPolicy", "n", "allow");
        w.told.tell(bed, &w.datapath);
        assert!(passes(&b, &ip, 80), "no policy is left");
    });
}

#[test]
fn egress_to_networks_without_some_of_their_parts() {
    machine(|bed| {
        let mut w = Walled::new(bed);
        let (own, a, b) = (w.b.ips[0].to_string(), w.a.ips[0].to_string(), w.b.netns.clone());
        let body = |except: &[&str]| {
            let rule = json!({"blocks": [{"cidr": "192.0.2.0/24", "except": except}], "ports": [{"protocol": "TCP"}]});
            json!({"pods": [own], "policyTypes": ["Egress"], "egress": [rule]})
        };
        w.policy("out", body(&[]));
        assert!(passes(&b, "192.0.2.9", 80));
        assert!(is_dropped(&b, &a, 80), "a pod is in no network of the rule");
        assert!(passes(&w.a.netns, &own, 80), "ingress is not concerned");
        w.policy("out", body(&["192.0.2.8/30"]));
        assert!(is_dropped(&b, "192.0.2.9", 80));
    });
}

#[test]
fn a_table_that_somebody_removes_comes_back_and_a_restart_changes_nothing() {
    machine(|bed| {
        let mut w = Walled::new(bed);
        let (ip, b) = (w.a.ips[0].to_string(), w.b.netns.clone());
        w.policy("deny", json!({"pods": [ip], "policyTypes": ["Ingress"]}));
        let before = bed.chains_of("policy");
        w.told.tell_nobody();
        let datapath = w.told.start(bed, "here");
        w.told.tell(bed, &datapath);
        assert_eq!(bed.chains_of("policy"), before);
        assert!(is_dropped(&b, &ip, 80));
        bed.flush_ruleset();
        until("the tables come back", || !bed.chains_of("policy").is_empty() && !bed.chains_of("services").is_empty());
        assert!(is_dropped(&b, &ip, 80));
    });
}
