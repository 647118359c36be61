//! A daemon with nodes of its own on this machine, which the machine reaches at their addresses and at those of services.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use masthead::daemon::data::Data;
use masthead::fleet::record::{Record, node_data};
use masthead_agent::fleet::plan::Places;
use masthead_agent::network::names::Names;
use masthead_agent::node::paths::Paths;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::node::site::Site;

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A fleet.
pub struct Lab {
    pub site: Site,
    pub runtime: Runtime,
    nodes: usize,
    /// Which nodes, on the command line.
    asked: [String; 2],
    /// The machine's forwarding before it.
    forward_before: String,
    /// Its settings of IPv6, where it has any.
    v6_before: String,
}

const FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";

/// How the machine forwards IPv6, and from which links it takes routers' word; pods' links of other tests come and go.
fn settings_v6() -> String {
    let conf = std::path::Path::new("/proc/sys/net/ipv6/conf");
    let read = |name: &str, key: &str| fs::read_to_string(conf.join(name).join(key)).unwrap_or_default();
    let links = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let mut links: Vec<String> = links
        .filter(|link| link.path().join("device").exists())
        .map(|link| link.file_name().to_string_lossy().into_owned())
        .map(|link| format!("{link} {}", read(&link, "accept_ra")))
        .collect();
    links.sort();
    links.push(read("all", "forwarding"));
    links.join(" ")
}

impl Lab {
    /// Starts one; None, after a plain message, where the machine has not what it takes.
    pub fn up(nodes: usize) -> Option<Lab> {
        Self::begin(Site::new()?, nodes, ["--nodes".to_owned(), nodes.to_string()])
    }

    /// One with workers of these families (kind's `ipFamily`); None also where the machine has no IPv6.
    pub fn of_family(family: &str, nodes: usize) -> Option<Lab> {
        if let Some(why) = masthead_agent::network::host::lacks_v6() {
            eprintln!("skipped: this machine has no IPv6: {why}");
            return None;
        }
        let site = Site::new()?;
        let head = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nname: lab\n";
        let config = site.dir.path().join("kind.yaml");
        let text = format!("{head}networking: {{ipFamily: {family}}}\nnodes:\n{}", "- role: worker\n".repeat(nodes));
        fs::write(&config, text).expect("a file");
        Self::begin(site, nodes, ["--config".to_owned(), config.display().to_string()])
    }

    fn begin(site: Site, nodes: usize, asked: [String; 2]) -> Option<Lab> {
        let v6_before = settings_v6();
        let forward_before = fs::read_to_string(FORWARD).expect("the machine's forwarding");
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let mut lab = Lab { site, runtime, nodes, asked, forward_before, v6_before };
        lab.start();
        for name in lab.names() {
            // Each node keeps images of its own.
            lab.site.agent_data = node_data(&lab.site.data, &name);
            lab.site.busybox();
            lab.site.demo_image();
        }
        lab.site.agent_data = lab.site.data.clone();
        Some(lab)
    }

    /// Starts the daemon, and waits until its nodes are ready.
    pub fn start(&self) {
        let [flag, value] = &self.asked;
        let said = self.site.masthead(&["up", "--detach", "--listen", "127.0.0.1:0", flag, value]);
        assert!(said.ok, "{}{}", said.out, said.err);
        self.until("all nodes are ready", || {
            let status = self.site.status();
            let ready = status["nodes"].as_array().into_iter().flatten().filter(|node| node["ready"] == true);
            ready.count() == self.nodes
        });
    }

    fn record(&self) -> Record {
        Record::load(&self.site.data).expect("it reads").expect("a fleet")
    }

    pub fn names(&self) -> Vec<String> {
        self.record().nodes.into_keys().collect()
    }

    /// Where a node is.
    pub fn address(&self, node: &str, port: u16) -> SocketAddr {
        let record = self.record();
        SocketAddr::new(record.segment.node(record.nodes[node].number).into(), port)
    }

    /// The same of IPv6.
    pub fn address_v6(&self, node: &str, port: u16) -> SocketAddr {
        let record = self.record();
        SocketAddr::new(record.segment.node_v6(record.nodes[node].number).expect("an address").into(), port)
    }

    /// The addresses that a service has in the cluster.
    pub fn services(&self, name: &str, port: u16) -> Vec<SocketAddr> {
        let service = self.site.json(&["get", "svc", name, "-o", "json"]);
        let ips = service["spec"]["clusterIPs"].as_array().into_iter().flatten().filter_map(Value::as_str);
        ips.map(|ip| SocketAddr::new(ip.parse().expect("an address"), port)).collect()
    }

    /// The address that a service has in the cluster; the machine is led there by a node.
    pub fn service(&self, name: &str, port: u16) -> SocketAddr {
        let service = self.site.json(&["get", "svc", name, "-o", "json"]);
        let ip = service["spec"]["clusterIP"].as_str().expect("an address");
        SocketAddr::new(ip.parse().expect("an address"), port)
    }

    /// Pods with this label `app` by the node they are on.
    pub fn pods_by_node(&self, app: &str) -> BTreeMap<String, Vec<Value>> {
        let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for pod in self.site.pods(app) {
            let node = pod["spec"]["nodeName"].as_str().unwrap_or_default().to_owned();
            found.entry(node).or_default().push(pod);
        }
        found
    }

    /// The addresses of a service's endpoints that are ready.
    pub fn endpoints(&self, service: &str) -> Vec<String> {
        let selector = format!("kubernetes.io/service-name={service}");
        let slices = self.site.json(&["get", "endpointslices", "-l", &selector, "-o", "json"]);
        let endpoints = slices["items"].as_array().into_iter().flatten();
        let endpoints = endpoints.flat_map(|slice| slice["endpoints"].as_array().cloned().unwrap_or_default());
        let ready = endpoints.filter(|endpoint| endpoint["conditions"]["ready"] == true);
        ready.map(|endpoint| endpoint["addresses"][0].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The process of a node's agent.
    pub fn agent(&self, node: &str) -> Option<Pid> {
        let data = node_data(&self.site.data, node).display().to_string();
        fs::read_dir("/proc").expect("/proc").flatten().find_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
            let is_agent = words.get(1) == Some(&&b"agent"[..]) && words.contains(&data.as_bytes());
            is_agent.then(|| Pid::from_raw(pid))
        })
    }

    /// Ends the daemon with no time to tidy up; its agents end with it, its containers do not.
    pub fn kill(&self) {
        let pid = self.site.status()["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("a pid");
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("a kill");
        // A process lets go of its files a moment after it is killed.
        self.until("the daemon is dead", || Data::open(&self.site.data).is_ok());
        self.until("its agents are dead", || self.names().iter().all(|name| self.agent(name).is_none()));
    }

    /// Waits until something holds.
    pub fn until(&self, what: &str, holds: impl FnMut() -> bool) {
        self.site.until(what, holds);
    }

    /// The first answer of a future, which has its time.
    pub fn wait<T>(&self, what: &str, future: impl Future<Output = T>) -> T {
        let waited = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await });
        waited.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
    }

    /// Takes it all down and asserts that nothing is left.
    pub fn down(self) {
        let Lab { site, runtime, forward_before, v6_before, .. } = self;
        runtime.shutdown_background();
        let data = site.data.clone();
        let nodes: Vec<PathBuf> = Record::load(&data)
            .expect("it reads")
            .expect("a fleet")
            .nodes
            .keys()
            .map(|name| node_data(&data, name))
            .collect();
        let (places, began) = (Places::new(&data), Instant::now());
        // It asserts for the data directory: processes, mounts (the pins of namespaces are mounts below it), links, tables.
        site.down();
        println!("down after {:?}", began.elapsed());
        let routes =
            said("ip", &["route", "show", "table", "all"]) + &said("ip", &["-6", "route", "show", "table", "all"]);
        let links = said("ip", &["-o", "link"]) + &routes;
        assert!(!links.contains(&places.names.link_prefix()), "links or routes are left: {links}");
        let tables = said("nft", &["list", "ruleset"]);
        for data in nodes {
            let (paths, names) = (Paths::new(&data), Names::of(&data));
            let own = paths.cgroup_root();
            let own = own.trim_start_matches('/');
            let hierarchies = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten().map(|entry| entry.path());
            let left: Vec<PathBuf> = hierarchies.map(|path| path.join(own)).filter(|path| path.exists()).collect();
            assert!(left.is_empty(), "control groups are left: {left:?}");
            assert!(!links.contains(&names.link_prefix()), "links or routes are left: {links}");
            assert!(!tables.contains(&names.table()), "nftables are left: {tables}");
        }
        assert!(!tables.contains(&places.table()), "nftables are left: {tables}");
        assert_eq!(fs::read_to_string(FORWARD).expect("the machine's forwarding"), forward_before);
        assert_eq!(settings_v6(), v6_before);
    }
}

/// What a program says; nothing where the machine has it not.
fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}
