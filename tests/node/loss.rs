//! The store deleted under running pods, and a watched repository that is gone or broken for a while: nothing restarts.

use std::fs;
use std::path::Path;

use masthead::daemon::data::Data;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::site::{Site, deployment};
use crate::push::git;

const SCRIPT: &str = "trap 'exit 0' TERM; /bin/busybox sleep 100000 & wait";

#[test]
fn the_store_is_deleted_under_twenty_pods() {
    let Some(site) = Site::up() else { return };
    site.write("web.yaml", &deployment("web", 20, "v1", SCRIPT, ""));
    site.push_healthy("twenty");
    let (processes, before) = (site.processes_of("web"), names(&site));
    assert_eq!(before.len(), 20);
    killed(&site);
    tear(&site.data.join("store"));
    site.detach();
    site.until_healthy(&site.head());
    assert_eq!(
        (site.processes_of("web"), names(&site)),
        (processes.clone(), before.clone()),
        "after a torn last write"
    );

    killed(&site);
    fs::remove_dir_all(site.data.join("store")).expect("the store is deleted");
    site.detach();
    site.until_healthy(&site.head());
    let available = || site.json(&["get", "deploy", "web", "-o", "json"])["status"]["availableReplicas"] == 20;
    site.until("all are available again", available);
    assert_eq!(names(&site), before, "other pods than before");
    assert_eq!(site.processes_of("web"), processes, "other processes than before");

    // And what was rebuilt is steered as before.
    site.write("web.yaml", &deployment("web", 20, "v2", SCRIPT, ""));
    let said = site.push_healthy("v2");
    println!("{said}");
    site.until("the old pods are gone", || site.pods("web").len() == 20);
    assert!(names(&site).iter().all(|name| !before.contains(name)), "a pod of v1 stayed");
    site.down();
}

/// What a web hook sends.
fn poke(site: &Site) {
    let api = site.status()["apiUrl"].as_str().expect("the API's URL").replace("http://", "");
    let mut stream = std::net::TcpStream::connect(&api).expect("a connection");
    let request = format!(
        "POST /apis/masthead.dev/v1/poll HTTP/1.1\r\nHost: {api}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    std::io::Write::write_all(&mut stream, request.as_bytes()).expect("a request");
    let answer = std::io::read_to_string(stream).expect("an answer");
    assert!(answer.contains("\"polling\":true"), "{answer}");
}

/// Ends the daemon with no time to tidy up.
fn killed(site: &Site) {
    let pid = site.status()["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("a pid");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("a kill");
    // A process lets go of its files a moment after it is killed.
    site.until("the daemon is dead", || Data::open(&site.data).is_ok());
}

/// Leaves the store's last write half done, as a power failure does.
fn tear(store: &Path) {
    let mut logs: Vec<_> = fs::read_dir(store)
        .expect("the store")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.display().to_string().contains("/wal-"))
        .collect();
    logs.sort();
    let last = logs.pop().expect("a log");
    let body = fs::read(&last).expect("the log");
    let half = &body[..body.len() - 7];
    fs::write(&last, half).expect("the log");
}

/// The names of the pods, none of which restarted.
fn names(site: &Site) -> Vec<String> {
    let pods = site.pods("web");
    assert!(pods.iter().all(|pod| pod["status"]["containerStatuses"][0]["restartCount"] == 0), "a restart: {pods:#?}");
    let mut names: Vec<String> =
        pods.iter().filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned)).collect();
    names.sort();
    names
}

#[test]
fn a_watched_repository_is_gone_and_broken_for_a_while() {
    let Some(mut site) = Site::new() else { return };
    let clone = site.dir.path().canonicalize().expect("a path").join("clone");
    site.write("web.yaml", &deployment("web", 2, "v1", SCRIPT, ""));
    site.commit("v1");
    let data = site.data.display().to_string();
    let child = site.spawn(&[
        "up",
        "--data",
        &data,
        "--listen",
        "127.0.0.1:0",
        "--node-name",
        "one",
        "--repo",
        &clone.display().to_string(),
    ]);
    let pid = child.id();
    site.children.push(child);
    site.ready(pid);
    site.busybox();
    site.until_healthy(&site.head());
    let processes = site.processes_of("web");

    let away = clone.with_file_name("away");
    fs::rename(&clone, &away).expect("moved away");
    site.until("the trouble is told", || !site.status()["repository"]["trouble"].is_null());
    let text = site.ok(&["status"]);
    assert!(text.contains("cannot be read") && text.contains("the last good commit stays applied"), "{text}");
    fs::rename(&away, &clone).expect("moved back");
    // A hook that means "look now" is answered, and does no harm where the kernel was faster.
    poke(&site);
    site.until("the trouble is over", || site.status()["repository"]["trouble"].is_null());
    assert_eq!(site.processes_of("web"), processes, "a repository that is gone for a while restarted something");

    truncated(&site, &clone);
    assert_eq!(site.processes_of("web"), processes, "a truncated pack restarted something");
    site.write("web.yaml", &deployment("web", 2, "v3", SCRIPT, ""));
    site.commit("v3");
    site.until_healthy(&site.head());
    site.down();
}

/// A commit whose pack is cut short, then repaired.
fn truncated(site: &Site, clone: &Path) {
    let before = site.head();
    site.write("settings.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n");
    git(clone, &["config", "gc.auto", "0"]);
    // Prepared aside, so that the daemon never sees it whole.
    let aside = clone.with_file_name("aside");
    git(clone.parent().expect("a parent"), &["clone", "-q", "--no-hardlinks", "clone", "aside"]);
    fs::copy(clone.join("settings.yaml"), aside.join("settings.yaml")).expect("a copy");
    fs::remove_file(clone.join("settings.yaml")).expect("removed");
    git(&aside, &["add", "-A"]);
    git(&aside, &["commit", "-q", "-m", "settings"]);
    git(&aside, &["repack", "-q", "-a", "-d"]);
    let head = String::from_utf8(git(&aside, &["rev-parse", "HEAD"]).stdout).expect("an id").trim().to_owned();
    assert_ne!(head, before);
    let packs = clone.join(".git/objects/pack");
    let mut whole = Vec::new();
    for entry in fs::read_dir(aside.join(".git/objects/pack")).expect("packs").flatten() {
        let (from, to) = (entry.path(), packs.join(entry.file_name()));
        let body = fs::read(&from).expect("a pack");
        let is_pack = from.extension().is_some_and(|e| e == "pack");
        fs::write(&to, if is_pack { &body[..40.min(body.len())] } else { &body[..] }).expect("a pack");
        whole.push((to, body));
    }
    fs::write(clone.join(".git/refs/heads/main"), format!("{head}\n")).expect("the ref");
    site.until("the cut pack is told", || !site.status()["repository"]["trouble"].is_null());
    println!("{}", site.status()["repository"]["trouble"]["why"]);
    assert_eq!(site.status()["appliedCommit"], before.as_str());
    for (to, body) in whole {
        fs::write(to, body).expect("a pack");
    }
    site.until_healthy(&head);
    git(clone, &["reset", "-q", "--hard"]);
}
