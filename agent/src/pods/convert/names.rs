//! What a node learns of names while it runs → what its pods' resolver and hosts files are made of.

use std::sync::{Arc, PoisonError, RwLock};

/// What is known now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The cluster's nameservers; empty while the cluster has no DNS of its own, and pods take the node's.
    pub nameservers: Vec<String>,
    /// The cluster's domain, when the control plane tells it.
    pub domain: Option<String>,
    /// The node's own `/etc/hosts`, which pods with the node's network begin with.
    pub node_hosts: String,
}

/// What is known, shared by who learns and who uses it.
#[derive(Clone, Debug, Default)]
pub struct Learned(Arc<RwLock<Arc<Names>>>);

impl PartialEq for Learned {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Learned {}

impl Learned {
    /// What is known now.
    pub fn get(&self) -> Arc<Names> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Learns.
    pub fn set(&self, names: Names) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(names);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pods::convert::sandbox::{Site, dns, hosts_file, resolv_conf};
    use masthead_api::core::pod::Pod;
    use serde_json::{Value, json};

    fn pod(spec: &Value) -> Pod {
        let mut spec = spec.clone();
        spec["containers"] = json!([]);
        serde_json::from_value(json!({"metadata": {"name": "web-0", "namespace": "shop"}, "spec": spec})).unwrap()
    }

    fn site(nameservers: &[&str]) -> Site {
        let site = Site {
            node_nameservers: vec!["192.0.2.1".into(), "192.0.2.2".into()],
            node_searches: vec!["example.com".into(), "svc.cluster.local".into()],
            node_options: vec!["edns0".into()],
            cluster_domain: "cluster.local".into(),
            ..Site::default()
        };
        site.learned.set(Names {
            nameservers: nameservers.iter().map(ToString::to_string).collect(),
            domain: None,
            node_hosts: "127.0.0.1 localhost\n192.0.2.9 node".into(),
        });
        site
    }

    #[test]
    fn the_resolver_follows_the_policy() {
        let node = "nameserver 192.0.2.1\nnameserver 192.0.2.2\nsearch example.com svc.cluster.local\noptions edns0\n";
        let cluster = "nameserver 10.96.0.10\nsearch shop.svc.cluster.local svc.cluster.local cluster.local example.com\n\
            options ndots:5\n";
        for (spec, with_dns, expect) in [
            (json!({}), true, cluster),
            (json!({"dnsPolicy": "ClusterFirst"}), true, cluster),
            (json!({"dnsPolicy": "ClusterFirst"}), false, node),
            (json!({"dnsPolicy": "ClusterFirst", "hostNetwork": true}), true, node),
            (json!({"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": true}), true, cluster),
            (json!({"dnsPolicy": "Default"}), true, node),
            (
                json!({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["a"],
                    "options": [{"name": "ndots", "value": "2"}, {"name": "rotate"}]}}),
                true,
                "nameserver 1.1.1.1\nsearch a\noptions ndots:2 rotate\n",
            ),
            (
                json!({"dnsConfig": {"nameservers": ["1.1.1.1", "1.1.1.2", "1.1.1.3"], "searches": ["svc.cluster.local", "b"],
                    "options": [{"name": "ndots", "value": "1"}]}}),
                true,
                "nameserver 10.96.0.10\nnameserver 1.1.1.1\nnameserver 1.1.1.2\n\
                search shop.svc.cluster.local svc.cluster.local cluster.local example.com b\noptions ndots:1\n",
            ),
        ] {
            let site = site(if with_dns { &["10.96.0.10"] } else { &[] });
            assert_eq!(resolv_conf(&dns(&pod(&spec), &site)), expect, "{spec}");
        }
    }

    #[test]
    fn search_domains_stay_within_what_a_resolver_reads() {
        let many: Vec<String> = (0..40).map(|n| format!("d{n}.example")).collect();
        let got = dns(&pod(&json!({"dnsPolicy": "None", "dnsConfig": {"searches": many}})), &site(&[]));
        assert_eq!(got.searches.len(), 32);
        let long: Vec<String> = (0..20).map(|n| format!("{n:02}{}", "x".repeat(198))).collect();
        let got = dns(&pod(&json!({"dnsPolicy": "None", "dnsConfig": {"searches": long}})), &site(&[]));
        assert_eq!((got.searches.len(), got.searches.join(" ").len()), (10, 2009));
    }

    #[test]
    fn the_hosts_file_names_the_pod_and_its_aliases() {
        let ips = ["10.88.0.2".to_owned(), "fd00::2".to_owned()];
        let aliases = json!([{"ip": "10.1.2.3", "hostnames": ["a.local", "b.local"]}]);
        let own =
            hosts_file(&pod(&json!({"subdomain": "db", "hostname": "one", "hostAliases": aliases})), &ips, &site(&[]));
        for line in [
            "127.0.0.1\tlocalhost",
            "10.88.0.2\tone.db.shop.svc.cluster.local\tone",
            "fd00::2\tone.db.shop.svc.cluster.local\tone",
            "10.1.2.3\ta.local\tb.local",
        ] {
            assert!(own.lines().any(|known| known == line), "{line}:\n{own}");
        }
        let of_node = hosts_file(&pod(&json!({"hostNetwork": true, "hostAliases": aliases})), &ips, &site(&[]));
        assert!(of_node.contains("192.0.2.9 node\n") && of_node.ends_with("10.1.2.3\ta.local\tb.local\n"), "{of_node}");
        assert!(!of_node.contains("web-0"), "{of_node}");
    }
}
