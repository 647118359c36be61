//! Nodes of both families, and of IPv6 alone: services, names, node ports, Ingress, a policy, and a rollout under load.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::net::TcpStream;

use super::lab::Lab;
use super::load::{Answer, Load, Manner, ask_any};
use super::manifests::{names, web};

const REPLICAS: usize = 4;
const NODE_PORT: u16 = 30_088;
/// Clients that ask one after the other, with a pause in which a slow machine does something else.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a packet that is dropped is waited for.
const SILENCE: Duration = Duration::from_secs(2);

/// The web servers behind a service with a port of the nodes, of the families that this policy asks for.
fn site(version: &str, policy: &str) -> String {
    let ports = format!("{{name: http, port: 80, targetPort: http, nodePort: {NODE_PORT}}}");
    web(REPLICAS, version).replace(
        "  ports:\n    - {name: http, port: 80, targetPort: http}",
        &format!("  type: NodePort\n  ipFamilyPolicy: {policy}\n  ports:\n    - {ports}"),
    )
}

/// Pods with names of their own, which have addresses of all families that there are.
fn named() -> String {
    names().replace("  clusterIP: None\n", "  clusterIP: None\n  ipFamilyPolicy: PreferDualStack\n")
}

/// Nobody but the pods of `tools` may ask the web servers.
const CLOSED: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: closed
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress:
    - from: [{podSelector: {matchLabels: {app: tools}}}]
";

async fn answer(place: SocketAddr) -> std::io::Result<Answer> {
    ask_any(&mut TcpStream::connect(place).await?, "web.test", true).await
}

/// The web servers answer here; tables follow a push a moment after it is healthy.
fn answers(lab: &Lab, place: SocketAddr) {
    lab.until(&format!("{place} answers"), || {
        lab.wait("an answer", answer(place))
            .is_ok_and(|answer| answer.status == 200 && answer.body.contains(" from web-"))
    });
}

fn texts<'v>(list: &'v Value, field: &str) -> Vec<&'v str> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|item| if field.is_empty() { item.as_str() } else { item[field].as_str() }).collect()
}

/// `46` for an address of IPv4 and one of IPv6, in this order.
fn families(ips: &[&str]) -> String {
    ips.iter().map(|ip| if ip.parse::<IpAddr>().expect("an address").is_ipv4() { '4' } else { '6' }).collect()
}

#[test]
fn two_nodes_speak_both_families() {
    let Some(lab) = Lab::of_family("dual", 2) else { return };
    let began = Instant::now();
    let told = |what: &str| println!("{what} after {:?}", began.elapsed());
    lab.site.write("web.yaml", &site("v1", "RequireDualStack"));
    lab.site.write("names.yaml", &named());
    lab.site.push_healthy("v1");
    told("healthy");
    addresses_are_told(&lab, "46");
    places_answer(&lab);
    told("places");
    names_are_known(&lab, &[("a", 0), ("aaaa", 1)]);
    told("names");
    a_rollout_loses_nothing(&lab);
    told("rollout");
    a_policy_closes_both(&lab);
    told("policy");
    a_family_goes(&lab);
    told("one family");
    lab.down();
    told("down");
}

#[test]
fn a_node_speaks_ipv6_alone() {
    let Some(lab) = Lab::of_family("ipv6", 1) else { return };
    lab.site.write("web.yaml", &site("v1", "SingleStack"));
    lab.site.write("names.yaml", &named());
    lab.site.push_healthy("v1");
    addresses_are_told(&lab, "6");
    let node = lab.names().remove(0);
    for place in [lab.services("web", 80)[0], lab.address_v6(&node, NODE_PORT), lab.address_v6(&node, 80)] {
        answers(&lab, place);
    }
    names_are_known(&lab, &[("aaaa", 0)]);
    let refused = site("v1", "RequireDualStack");
    lab.site.write("web.yaml", &refused);
    let (taken, said) = lab.site.push("both families of a cluster of one", &[]);
    let why = "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services";
    assert!(!taken && said.contains(why), "{said}");
    lab.down();
}

fn addresses_are_told(lab: &Lab, expect: &str) {
    let count = expect.len();
    let nodes = lab.site.json(&["get", "nodes", "-o", "json"]);
    for node in nodes["items"].as_array().expect("nodes") {
        let ranges = texts(&node["spec"]["podCIDRs"], "");
        assert_eq!((ranges.len(), node["spec"]["podCIDR"].as_str()), (count, ranges.first().copied()));
        let internal = node["status"]["addresses"].as_array().into_iter().flatten();
        let internal: Vec<&str> =
            internal.filter(|a| a["type"] == "InternalIP").filter_map(|a| a["address"].as_str()).collect();
        assert_eq!(families(&internal), expect);
    }
    for pod in lab.site.pods("web") {
        let (pods, hosts) = (texts(&pod["status"]["podIPs"], "ip"), texts(&pod["status"]["hostIPs"], "ip"));
        assert_eq!((families(&pods).as_str(), families(&hosts).as_str()), (expect, expect));
        assert_eq!(
            (pod["status"]["podIP"].as_str(), pod["status"]["hostIP"].as_str()),
            (Some(pods[0]), Some(hosts[0]))
        );
    }
    let service = lab.site.json(&["get", "svc", "web", "-o", "json"]);
    assert_eq!(families(&texts(&service["spec"]["clusterIPs"], "")), expect);
    lab.until("slices of each family have all pods", || {
        let slices = lab.site.json(&["get", "endpointslices", "-l", "kubernetes.io/service-name=web", "-o", "json"]);
        let mut kinds: Vec<&str> = texts(&slices["items"], "addressType");
        kinds.sort_unstable();
        let wanted: Vec<&str> = if expect == "46" { vec!["IPv4", "IPv6"] } else { vec!["IPv6"] };
        kinds == wanted && lab.endpoints("web").len() == count * REPLICAS
    });
    let endpoints = lab.site.json(&["get", "endpoints", "web", "-o", "json"]);
    let old = texts(&endpoints["subsets"][0]["addresses"], "ip");
    assert!(old.len() == REPLICAS && families(&old).chars().all(|family| expect.starts_with(family)), "{old:?}");
}

fn places_answer(lab: &Lab) {
    let mut places = lab.services("web", 80);
    for node in lab.names() {
        for port in [NODE_PORT, 80] {
            places.extend([lab.address(&node, port), lab.address_v6(&node, port)]);
        }
    }
    for pod in lab.site.pods("web") {
        let ips = texts(&pod["status"]["podIPs"], "ip").into_iter();
        places.extend(ips.map(|ip| SocketAddr::new(ip.parse().expect("an address"), 8080)));
    }
    for place in places {
        answers(lab, place);
    }
    // From a pod, through the service of each family.
    for place in lab.services("web", 80) {
        lab.until(&format!("{place} answers a pod"), || fetch(lab, place).contains(" from web-"));
    }
}

/// What a pod hears from there.
fn fetch(lab: &Lab, place: SocketAddr) -> String {
    let url = format!("http://{place}/");
    let said = lab.site.masthead(&["exec", "tools", "--", "/bin/busybox", "wget", "-q", "-O", "-", &url]);
    said.out + &said.err
}

/// The service has these records, each with its address of this index, and each address has a name.
fn names_are_known(lab: &Lab, records: &[(&str, usize)]) {
    let look = |args: &[&str]| {
        let command = [&["exec", "tools", "--", "/bin/busybox", "nslookup"], args].concat();
        let said = lab.site.masthead(&command);
        said.out + &said.err
    };
    let own = lab.services("web", 80);
    let first = lab.site.json(&["get", "pod", "db-0", "-o", "json"]);
    let pods = texts(&first["status"]["podIPs"], "ip");
    for (kind, index) in records {
        let (kind, ip) = (format!("-type={kind}"), own[*index].ip().to_string());
        for (name, expect) in [
            ("web.default.svc.cluster.local", ip.as_str()),
            ("db.default.svc.cluster.local", pods[*index]),
            ("db-0.db.default.svc.cluster.local", pods[*index]),
        ] {
            lab.until(&format!("{name} has {expect}"), || look(&[&kind, name]).contains(expect));
        }
        lab.until(&format!("{ip} has a name"), || look(&[&ip]).contains("web.default.svc.cluster.local"));
        let host = pods[*index];
        lab.until(&format!("{host} has a name"), || look(&[host]).contains("db-0.db.default.svc.cluster.local"));
    }
}

fn a_rollout_loses_nothing(lab: &Lab) {
    let node = lab.names().remove(0);
    let mut groups: Vec<(SocketAddr, Manner, usize)> =
        lab.services("web", 80).into_iter().map(|place| (place, Manner::Anew, 5)).collect();
    groups.push((lab.address_v6(&node, 80), Manner::Kept, 10));
    groups.push((lab.address_v6(&node, NODE_PORT), Manner::Anew, 5));
    let load = Load::start(lab, &groups, PAUSE);
    load.more(lab, " v1 ", 200);
    lab.site.write("web.yaml", &site("v2", "RequireDualStack"));
    lab.site.push_healthy("v2");
    lab.until("the old pods are gone", || lab.site.pods("web").len() == REPLICAS);
    load.more(lab, " v2 ", 200);
    load.end(lab).assert_whole("a rollout");
}

fn a_policy_closes_both(lab: &Lab) {
    lab.site.write("closed.yaml", CLOSED);
    lab.site.push_healthy("closed");
    let places = lab.services("web", 80);
    for place in &places {
        lab.until(&format!("{place} is closed"), || {
            let tried = async { tokio::time::timeout(SILENCE, TcpStream::connect(*place)).await };
            lab.runtime.block_on(tried).is_err()
        });
        lab.until(&format!("{place} is open to some"), || fetch(lab, *place).contains(" from web-"));
    }
    std::fs::remove_file(lab.site.dir.path().join("clone/closed.yaml")).expect("a file");
    lab.site.push_healthy("open");
    places.into_iter().for_each(|place| answers(lab, place));
}

/// The second address goes with the policy that asked for it; the first stays, and so does what it leads to.
fn a_family_goes(lab: &Lab) {
    let before = lab.services("web", 80);
    lab.site.write("web.yaml", &site("v2", "SingleStack"));
    lab.site.push_healthy("one family");
    assert_eq!(lab.services("web", 80), before[..1]);
    lab.until("slices of the other family are gone", || lab.endpoints("web").len() == REPLICAS);
    answers(lab, before[0]);
    lab.site.write("web.yaml", &site("v2", "PreferDualStack"));
    lab.site.push_healthy("both again");
    lab.until("it has two addresses again", || lab.services("web", 80).len() == 2);
    let again = lab.services("web", 80);
    assert_eq!(again, before, "and those that it had");
    again.into_iter().for_each(|place| answers(lab, place));
}
