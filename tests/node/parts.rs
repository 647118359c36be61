//! Parts that a team already trusts in place of our own: a real etcd for the store, a real containerd for the runtime.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::containerd::{Containerd, PROGRAMS};
use super::machine::machine;
use super::site::{Site, deployment};

/// Answers with its version.
const WEB: &str = "/bin/busybox mkdir -p /tmp/www; echo \"hello $VERSION\" > /tmp/www/index.html; echo \"serving $VERSION\"; exec /bin/busybox httpd -f -p 8080 -h /tmp/www";
/// Where these tests serve, and where their agents dial: nobody else is on their machine.
const API: &str = "127.0.0.1:7070";
const NODES: &str = "127.0.0.1:7071";

/// How long etcd may take on a busy machine.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// A process that ends with its test.
pub struct Ends(pub Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The web server with a probe, so that ready means that it answers.
pub fn web(version: &str, rest: &str) -> String {
    let probe = "          readinessProbe:\n            httpGet: {path: /index.html, port: 8080}\n            periodSeconds: 1\n";
    let text = deployment("web", 2, version, WEB, rest);
    text.replace("          volumeMounts:\n", &format!("{probe}          volumeMounts:\n"))
}

/// Whether etcd has a leader and takes writes.
fn is_healthy() -> bool {
    let Ok(mut stream) = TcpStream::connect("127.0.0.1:2379") else { return false };
    let mut answer = String::new();
    let asked = stream.write_all(b"GET /health HTTP/1.0\r\n\r\n").and_then(|()| stream.read_to_string(&mut answer));
    asked.is_ok() && answer.contains("true")
}

fn etcd(dir: &Path) -> Ends {
    let log = fs::File::create(dir.join("etcd.log")).expect("a log");
    let mut command = Command::new("etcd");
    command.arg("--data-dir").arg(dir.join("etcd"));
    for (flag, port) in [
        ("--listen-client-urls", 2379),
        ("--advertise-client-urls", 2379),
        ("--listen-peer-urls", 2380),
        ("--initial-advertise-peer-urls", 2380),
    ] {
        command.arg(flag).arg(format!("http://127.0.0.1:{port}"));
    }
    command.arg("--initial-cluster").arg("default=http://127.0.0.1:2380");
    let etcd = Ends(command.stdout(Stdio::null()).stderr(log).spawn().expect("etcd starts"));
    let began = Instant::now();
    while !is_healthy() {
        let log = || fs::read_to_string(dir.join("etcd.log")).unwrap_or_default();
        assert!(began.elapsed() < WAIT_MAX, "etcd is not healthy: {}", log());
        std::thread::sleep(Duration::from_millis(50));
    }
    etcd
}

/// A control plane of its own; `more` are further arguments.
pub fn serve(site: &mut Site, more: &[&str]) {
    let data = site.data.display().to_string();
    let args = ["serve", "--data", &data, "--listen", API, "--listen-nodes", NODES];
    let child = site.spawn(&[&args[..], more].concat());
    let pid = child.id();
    site.children.insert(0, child);
    let announced = || {
        let daemon = fs::read(site.data.join("daemon.json")).ok();
        daemon.and_then(|body| serde_json::from_slice::<Value>(&body).ok()).is_some_and(|daemon| daemon["pid"] == pid)
    };
    site.until("the control plane listens", announced);
}

/// An agent of its own, joined by a token that the command line made.
pub fn agent(site: &mut Site, more: &[&str], environment: &[(&str, &str)]) {
    site.agent_data = site.data.with_file_name("agent");
    fs::create_dir_all(&site.agent_data).expect("a folder");
    let token = site.ok(&["token"]).trim().to_owned();
    assert!(!token.is_empty());
    let data = site.agent_data.display().to_string();
    let args = ["agent", "--data", &data, "--join", NODES, "--token", &token, "--node-name", "one"];
    let child = site.spawn_with(&[&args[..], more].concat(), environment);
    site.children.push(child);
    site.ready(site.children[0].id());
}

fn names(site: &Site) -> Vec<String> {
    let name = |pod: &Value| pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    site.pods("web").iter().map(name).collect()
}

fn fetch(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// What a pod answers at a port through `port-forward`.
fn forwarded(site: &Site, pod: &str, port: u16) -> String {
    let mut forward = site.command(&["port-forward", &format!("pod/{pod}"), &format!(":{port}")]);
    let mut forward = Ends(forward.stdout(Stdio::piped()).spawn().expect("it runs"));
    let mut line = String::new();
    BufReader::new(forward.0.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let local = line.split("127.0.0.1:").nth(1).and_then(|rest| rest.split_whitespace().next());
    let local: u16 = local.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("{line:?}"));
    fetch(([127, 0, 0, 1], local).into())
}

/// What became of the commit with this subject.
fn outcome(site: &Site, subject: &str) -> Value {
    let commits = site.json(&["log", "-o", "json"]);
    let items = commits["items"].as_array().or(commits.as_array()).cloned().unwrap_or_default();
    let found = items.iter().find(|item| item["commit"]["subject"] == subject);
    found.map(|item| item["outcome"].clone()).unwrap_or_default()
}

#[test]
fn a_control_plane_on_etcd_and_an_agent_apart() {
    machine(&["etcd", "busybox", "ip"], || {
        let Some(mut site) = Site::new() else { return };
        let _etcd = etcd(site.dir.path());
        let store = ["--store", "etcd://127.0.0.1:2379"];
        serve(&mut site, &store);
        agent(&mut site, &[], &[]);
        site.busybox();
        site.write("web.yaml", &web("v1", ""));
        let said = site.push_healthy("The first");
        assert!(said.contains("remote:   + Deployment default/web"), "{said}");
        site.write("web.yaml", &web("v2", ""));
        site.push_healthy("The second");
        let second = site.head();
        site.until("only the second is left", || site.pods("web").len() == 2);
        let before = site.processes_of("web");

        let mut ended = site.children.remove(0);
        ended.kill().expect("a kill");
        ended.wait().expect("its end");
        serve(&mut site, &store);
        site.ready(site.children[0].id());
        site.until_healthy(&second);
        assert_eq!(site.processes_of("web"), before, "a restart of the control plane restarted containers");
        assert_eq!((outcome(&site, "The first"), outcome(&site, "The second")), ("healthy".into(), "healthy".into()));

        let said = site.masthead(&["revert", &second]);
        assert!(said.ok, "{}{}", said.out, said.err);
        site.until("the first is back", || {
            let pods = site.pods("web");
            pods.len() == 2 && pods.iter().all(|pod| pod["spec"]["containers"][0]["env"][0]["value"] == "v1")
        });
        let sets = site.json(&["get", "rs", "-o", "json"]);
        assert_eq!(sets["items"].as_array().map(Vec::len), Some(2), "a revert brings the previous ReplicaSet back");
        assert!(!site.data.join("store").exists(), "there is an embedded store beside etcd");
        site.down();
    });
}

#[test]
fn pods_on_a_containerd_with_its_own_network() {
    let needed = [&PROGRAMS[..], &["/usr/lib/cni/bridge", "/usr/lib/cni/host-local"]].concat();
    machine(&needed, || {
        let Some(mut site) = Site::new() else { return };
        let containerd = Containerd::start();
        serve(&mut site, &[]);
        agent(&mut site, &["--runtime", &containerd.endpoint()], &[]);
        site.write("web.yaml", &web("v1", ""));
        site.push_healthy("The first");
        let pods = site.pods("web");
        let address = pods[0]["status"]["podIP"].as_str().expect("an address").to_owned();
        assert!(address.starts_with("10.97.0."), "{address}");
        assert!(fetch(format!("{address}:8080").parse().expect("an address")).contains("hello v1"));
        let id = pods[0]["status"]["containerStatuses"][0]["containerID"].as_str().unwrap_or_default().to_owned();
        assert!(id.starts_with("containerd://"), "{id}");
        let name = names(&site)[0].clone();
        assert_eq!(site.ok(&["logs", &name]).trim(), "serving v1");
        assert_eq!(site.ok(&["exec", &name, "--", "/bin/busybox", "cat", "/tmp/www/index.html"]).trim(), "hello v1");
        let failed = site.command(&["exec", &name, "--", "/bin/busybox", "sh", "-c", "exit 7"]).status();
        assert_eq!(failed.expect("it runs").code(), Some(7));
        assert!(forwarded(&site, &name, 8080).contains("hello v1"));

        site.write("web.yaml", &web("v2", ""));
        site.push_healthy("The second");
        on_the_node_s_network(&site);
        assert_eq!(containerd.holds(), (3, 3));
        assert_eq!(containerd.addresses().len(), 2, "a pod on the node's network has no address of its own");

        for file in ["web.yaml", "node.yaml"] {
            fs::remove_file(site.dir.path().join("clone").join(file)).expect("a file");
        }
        let (taken, said) = site.push("Nothing\n\nMasthead-Confirm: delete", &[]);
        assert!(taken, "{said}");
        site.until("containerd holds nothing", || containerd.holds() == (0, 0));
        site.until("no pod is left", || site.ok(&["get", "pods", "-o", "name"]).trim().is_empty());
        assert_eq!(containerd.addresses(), Vec::<String>::new());
        let links = Command::new("ip").args(["-o", "link"]).output().expect("ip");
        let links = String::from_utf8_lossy(&links.stdout).into_owned();
        assert!(!links.contains("veth"), "{links}");
        let left: Vec<_> = fs::read_dir("/run/netns").into_iter().flatten().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
        let kept = |folder: &str| fs::read_dir(site.agent_data.join(folder)).into_iter().flatten().count();
        assert_eq!((kept("node/pods"), kept("logs/pods")), (0, 0), "directories of pods are left");
        site.down();
    });
}

/// A pod without a network of its own, beside one that has the image's port there already.
fn on_the_node_s_network(site: &Site) {
    let text = deployment("node", 1, "v1", &WEB.replace("8080", "8181"), "");
    site.write("node.yaml", &text.replace("      containers:\n", "      hostNetwork: true\n      containers:\n"));
    site.push_healthy("On the node's network");
    assert!(fetch(([127, 0, 0, 1], 8181).into()).contains("hello v1"));
    let pod = site.pods("node")[0].clone();
    assert_eq!(pod["status"]["podIP"], pod["status"]["hostIP"], "{pod}");
    let name = pod["metadata"]["name"].as_str().expect("a name");
    assert_eq!(site.ok(&["logs", name]).trim(), "serving v1");
    assert!(forwarded(site, name, 8181).contains("hello v1"));
}
