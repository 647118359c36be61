//! The store deleted under running pods, and a watched repository that is gone or broken for a while: nothing restarts.

use std::fs;
use std::path::Path;

use super::site::{Site, deployment};
use crate::push::git;

const SCRIPT: &str = "trap 'exit 0' TERM; /bin/busybox sleep 100000 & wait";

#[test]
fn the_store_is_deleted_under_twenty_pods() {
    let Some(site) = Site::up() else { return };
    site.write("web.yaml", &deployment("web", 20, "v1", SCRIPT, ""));
    site.push_healthy("twenty");
    let (processes, names) = (site.processes_of("web"), names(&site));
    assert_eq!(names.len(), 20);
    let pid = site.status()["pid"].as_u64().expect("a pid");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::Signal::SIGKILL).expect("a kill");
    site.until("the daemon is dead", || !is_alive(pid));
    fs::remove_dir_all(site.data.join("store")).expect("the store is deleted");
    site.detach();
    site.until_healthy(&site.head());
    let available = || site.json(&["get", "deploy", "web", "-o", "json"])["status"]["availableReplicas"] == 20;
    site.until("all are available again", available);
    assert_eq!(names_of(&site, 0), names, "other pods than before");
    assert_eq!(site.processes_of("web"), processes, "other processes than before");

    // And what was rebuilt is steered as before.
    site.write("web.yaml", &deployment("web", 20, "v2", SCRIPT, ""));
    let said = site.push_healthy("v2");
    println!("{said}");
    site.until("the old pods are gone", || site.pods("web").len() == 20);
    assert!(names_of(&site, 0).iter().all(|name| !names.contains(name)), "a pod of v1 stayed");
    site.down();
}

/// A zombie is dead.
fn is_alive(pid: u64) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn names(site: &Site) -> Vec<String> {
    names_of(site, 0)
}

/// The names of the pods, each of which restarted this often.
fn names_of(site: &Site, restarts: u64) -> Vec<String> {
    let pods = site.pods("web");
    assert!(pods.iter().all(|pod| pod["status"]["containerStatuses"][0]["restartCount"] == restarts), "a restart: {pods:#?}");
    let mut names: Vec<String> = pods.iter().filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned)).collect();
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
    let child = site.spawn(&["up", "--data", &data, "--listen", "127.0.0.1:0", "--node-name", "one", "--repo", &clone.display().to_string()]);
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
