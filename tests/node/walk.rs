//! A user's way through the command line: up, push, look, break, repair, revert, down.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use masthead::daemon::data::Data;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::site::{Site, deployment, deployment_of};

/// Answers with its version.
const WEB: &str = "/bin/busybox mkdir -p /www; echo \"hello $VERSION\" > /www/index.html; echo \"serving $VERSION\"; exec /bin/busybox httpd -f -p 8080 -h /www";
/// Is never ready before the test is over.
const SLOW: &str = "  minReadySeconds: 300\n";

fn web(version: &str, rest: &str) -> String {
    deployment("web", 2, version, WEB, rest)
}

#[test]
fn a_detached_demo_answers_when_up_comes_back() {
    let Some(site) = Site::new() else { return };
    let said = site.masthead(&["up", "--detach", "--demo", "--listen", "127.0.0.1:0", "--node-name", "one"]);
    assert!(said.ok, "{}{}", said.out, said.err);
    let url = said.out.lines().find_map(|line| line.strip_prefix("The demo answers at http://"));
    let address = url.and_then(|url| url.split('/').next()).unwrap_or_else(|| panic!("no address: {}", said.out));
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n").expect("it takes a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.contains("Hello from Masthead v1"), "{answer}");
    site.down();
}

#[test]
fn a_user_pushes_looks_and_reverts() {
    let Some(site) = Site::up() else { return };
    site.write("web.yaml", &web("v1", ""));
    let said = site.push_healthy("The first");
    assert!(said.contains("remote:   + Deployment default/web"), "{said}");
    let first = site.head();
    status_is_for_scripts(&site, &first);
    looks(&site);
    forwards(&site);
    a_deleted_pod_comes_back(&site);
    an_invalid_push_changes_nothing(&site, &first);

    site.write("web.yaml", &web("v2", ""));
    site.commit("The second");
    let plan = site.masthead(&["plan"]);
    assert!(plan.ok, "nothing is pushed yet: {}", plan.out);
    let (taken, said) = site.push("The second, really", &[]);
    assert!(taken && said.contains("healthy after"), "{said}");
    site.git(&["checkout", "-q", "-b", "proposal"]);
    site.write("web.yaml", &web("v3", ""));
    site.commit("A proposal");
    let url = site.status()["repository"]["url"].as_str().expect("a URL").to_owned();
    let said = site.git(&["push", &url, "proposal"]);
    assert!(said.contains("hello") || said.contains("v3"), "{said}");
    let plan = site.masthead(&["plan", "proposal"]);
    assert!(plan.out.contains("-") && plan.out.contains("v3"), "{}{}", plan.out, plan.err);
    site.git(&["checkout", "-q", "main"]);
    // The one on top of it is empty.
    let second = site.git(&["rev-parse", "HEAD~1"]).trim().to_owned();
    let log = site.ok(&["log"]);
    assert!(log.contains("The first") && log.contains("The second, really") && log.contains("healthy"), "{log}");

    let said = site.masthead(&["revert", &second]);
    assert!(said.ok, "{}{}", said.out, said.err);
    site.until("the first is back", || site.pods("web").len() == 2 && versions(&site) == ["v1", "v1"]);
    let sets = site.json(&["get", "rs", "-o", "json"]);
    assert_eq!(sets["items"].as_array().map(Vec::len), Some(2), "a revert brings the previous ReplicaSet back");
    site.down();
}

fn versions(site: &Site) -> Vec<String> {
    let version = |pod: &Value| pod["spec"]["containers"][0]["env"][0]["value"].as_str().unwrap_or_default().to_owned();
    let mut versions: Vec<String> = site.pods("web").iter().map(version).collect();
    versions.sort();
    versions
}

fn status_is_for_scripts(site: &Site, head: &str) {
    let status = site.status();
    assert_eq!(status["repository"]["branch"], "main", "{status}");
    assert!(
        status["repository"]["url"]
            .as_str()
            .is_some_and(|url| url.starts_with("http://127.0.0.1:") && url.ends_with("/repo.git")),
        "{status}"
    );
    assert!(status["apiUrl"].as_str().is_some_and(|url| url.starts_with("http://127.0.0.1:")), "{status}");
    assert_eq!(status["commit"]["commit"]["id"], head, "{status}");
    assert_eq!(status["commit"]["outcome"], "healthy", "{status}");
    assert_eq!(status["nodes"][0]["name"], "one", "{status}");
    assert_eq!(status["nodes"][0]["ready"], true, "{status}");
    let pid = status["pid"].as_u64().expect("a pid");
    let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("it runs");
    assert!(line.contains("up"), "{line}");
    for place in ["repo.git", "store", "images", "logs"] {
        assert!(site.data.join(place).is_dir(), "{place}");
    }
}

fn looks(site: &Site) {
    let table = site.ok(&["get", "pods", "-o", "wide"]);
    assert!(
        table.starts_with("NAME ") && table.contains("1/1") && table.contains("Running") && table.contains("one"),
        "{table}"
    );
    let deploy = site.ok(&["get", "deploy"]);
    assert!(deploy.contains("2/2"), "{deploy}");
    let name = name(site, 0);
    // Ready is a pod here whose program began: what it does comes after that.
    site.until("its words are in the log", || site.ok(&["logs", &name]).trim() == "serving v1");
    assert_eq!(site.ok(&["exec", &name, "--", "/bin/busybox", "cat", "/www/index.html"]).trim(), "hello v1");
    let failed = site.masthead(&["exec", &name, "--", "/bin/busybox", "sh", "-c", "exit 7"]);
    assert!(!failed.ok, "{}{}", failed.out, failed.err);
    site.until("it is described with its events", || {
        let described = site.ok(&["describe", "pod", &name]);
        described.contains("Started") && described.contains("IP:")
    });
    site.until("the events are told", || {
        let events = site.ok(&["events"]);
        events.contains("ScalingReplicaSet") && events.contains("Started")
    });
}

fn name(site: &Site, at: usize) -> String {
    site.pods("web")[at]["metadata"]["name"].as_str().expect("a name").to_owned()
}

fn forwards(site: &Site) {
    let mut forward = site.command(&["port-forward", &format!("pod/{}", name(site, 0)), ":8080"]);
    let mut forward = forward.stdout(Stdio::piped()).spawn().expect("it runs");
    let mut line = String::new();
    BufReader::new(forward.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let port = line
        .split("127.0.0.1:")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|port| port.parse::<u16>().ok());
    let port = port.unwrap_or_else(|| panic!("{line}"));
    let mut answer = String::new();
    site.until("the pod's server answers through it", || {
        answer.clear();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        // Until the server listens, the connection ends at once.
        let asked = stream.write_all(b"GET / HTTP/1.0\r\n\r\n").and_then(|()| stream.read_to_string(&mut answer));
        asked.is_ok() && answer.contains("hello v1")
    });
    forward.kill().expect("a kill");
    forward.wait().expect("its end");
}

fn a_deleted_pod_comes_back(site: &Site) {
    let gone = name(site, 0);
    site.ok(&["delete", "pod", &gone]);
    site.until("another pod is there", || {
        let pods = site.pods("web");
        let ready = |pod: &Value| {
            pod["status"]["containerStatuses"][0]["ready"] == true && pod["metadata"]["name"] != gone.as_str()
        };
        pods.len() == 2 && pods.iter().all(ready)
    });
}

fn an_invalid_push_changes_nothing(site: &Site, first: &str) {
    site.write("web.yaml", &web("v1", "").replace("replicas: 2", "replicas: -2").replace("image:", "imagge:"));
    let (taken, said) = site.push("wrong", &["-o", "no-wait"]);
    assert!(!taken && said.contains("web.yaml:6: Deployment/web: spec.replicas") && said.contains("imagge"), "{said}");
    assert_eq!(site.status()["appliedCommit"], first);
    site.git(&["reset", "-q", "--hard", "HEAD~1"]);
}

/// A registry in which no image is.
fn empty_registry() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || not_found(stream));
        }
    });
    address
}

fn not_found(mut stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut first, mut line) = (String::new(), String::new());
    reader.read_line(&mut first).ok()?;
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    }
    let (code, body) = if first.contains(" /v2/ ") {
        ("200 OK", "{}")
    } else {
        ("404 Not Found", "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\"}]}")
    };
    let body = if first.starts_with("HEAD") { "" } else { body };
    write!(
        stream,
        "HTTP/1.1 {code}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .ok()
}

#[test]
fn a_missing_image_and_a_slow_rollout_are_superseded() {
    let Some(site) = Site::up() else { return };
    site.write("web.yaml", &web("v1", "  strategy:\n    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}\n"));
    site.push_healthy("v1");
    let old = site.processes_of("web");
    let image = format!("{}/web:v9", empty_registry());
    let strategy = "  strategy:\n    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}\n";
    site.write("web.yaml", &deployment_of(&image, "web", 2, "v9", WEB, strategy));
    let (taken, said) = site.push("no such tag", &["-o", "no-wait"]);
    assert!(taken, "{said}");
    // The first reason shows for a second at a time, and stays among the events.
    site.until("the failed pull is told", || {
        let events = site.ok(&["events"]);
        events.contains("Failed to pull image") && events.contains("Error: ErrImagePull")
    });
    site.until("ImagePullBackOff", || site.ok(&["get", "pods"]).contains("ImagePullBackOff"));
    let now = site.processes();
    assert!(old.iter().all(|process| now.contains_key(process)), "the old pods do not serve on");

    // A commit that takes its place without mending it is not healthy either.
    site.write("settings.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: b}\n");
    let (taken, said) = site.push("beside it", &["-o", "no-wait"]);
    assert!(taken, "{said}");
    site.until("it is applied", || site.ok(&["get", "configmaps", "-o", "name"]).contains("configmap/settings"));

    // Nothing waits behind it.
    site.write("web.yaml", &web("v2", strategy));
    let began = Instant::now();
    site.push_healthy("fixed");
    println!("a fix was healthy after {:?}", began.elapsed());
    let outcome = |subject: &str| {
        let commits = site.json(&["log", "-o", "json"]);
        let items =
            commits["items"].as_array().cloned().unwrap_or_else(|| commits.as_array().cloned().unwrap_or_default());
        items
            .iter()
            .find(|item| item["commit"]["subject"] == subject)
            .map(|item| item["outcome"].clone())
            .unwrap_or_default()
    };
    assert_eq!(outcome("no such tag"), "superseded");
    assert_eq!(outcome("beside it"), "superseded");

    site.write("web.yaml", &web("v3", &format!("{SLOW}{strategy}")));
    let (taken, said) = site.push("slow", &["-o", "no-wait"]);
    assert!(taken, "{said}");
    site.until("the slow one rolls", || site.pods("web").len() > 2);
    site.write("web.yaml", &web("v4", strategy));
    site.push_healthy("fast");
    assert_eq!(outcome("slow"), "superseded");
    site.until("only the last is left", || versions(&site) == ["v4", "v4"]);
    site.down();
}

#[test]
fn an_interrupt_leaves_containers_and_up_adopts_them() {
    let Some(mut site) = Site::up() else { return };
    site.write("web.yaml", &web("v1", ""));
    site.push_healthy("v1");
    let before = site.processes_of("web");
    let pid = site.status()["pid"].as_u64().expect("a pid");
    kill(Pid::from_raw(i32::try_from(pid).expect("a pid")), Signal::SIGINT).expect("a signal");
    site.until("the daemon ends", || !site.data.join("daemon.json").exists());
    std::thread::sleep(Duration::from_millis(300));
    let now = site.processes();
    assert!(before.iter().all(|process| now.contains_key(process)), "an interrupt ended containers");
    let data = site.data.display().to_string();
    site.until("the directory is free", || Data::open(&site.data).is_ok());
    let child = site.spawn(&["up", "--data", &data, "--listen", "127.0.0.1:0", "--node-name", "one"]);
    let pid = child.id();
    site.children.push(child);
    site.ready(pid);
    site.until_healthy(&site.head());
    assert_eq!(site.processes_of("web"), before, "up restarted something");
    assert!(site.pods("web").iter().all(|pod| pod["status"]["containerStatuses"][0]["restartCount"] == 0));
    assert_eq!(site.ok(&["exec", &name(&site, 0), "--", "/bin/busybox", "cat", "/www/index.html"]).trim(), "hello v1");
    // `down` ends a daemon that is interrupted by it.
    kill(Pid::from_raw(i32::try_from(pid).expect("a pid")), Signal::SIGINT).expect("a signal");
    let status = site.children[0].wait().expect("its end");
    assert!(status.success(), "{status}");
    site.down();
}
