//! A full disk below the store: what is refused says so, pods go on running, and with room again all goes on.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::site::{Site, deployment, said};

const SCRIPT: &str = "trap 'exit 0' TERM; /bin/busybox sleep 100000 & wait";

/// A small file system that goes when it is dropped.
struct Small<'a>(&'a Path);

impl Small<'_> {
    fn mount(at: &Path) -> Small<'_> {
        fs::create_dir_all(at).expect("a folder");
        mount(Some("tmpfs"), at, Some("tmpfs"), MsFlags::empty(), Some("size=24m")).expect("a tmpfs");
        Small(at)
    }

    /// Writes until nothing more fits.
    fn fill(&self) {
        let mut file = fs::File::create(self.0.join("ballast")).expect("a file");
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![1; size]).is_ok() {}
        }
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = umount2(self.0, MntFlags::MNT_DETACH);
    }
}

#[test]
fn the_disk_of_the_store_is_full_for_a_while() {
    let Some(mut site) = Site::new() else { return };
    let store = site.data.join("store");
    let small = Small::mount(&store);
    let data = site.data.display().to_string();
    let start = |site: &mut Site| {
        site.stop_children();
        let child = site.spawn(&["up", "--data", &data, "--listen", "127.0.0.1:0", "--node-name", "one"]);
        let pid = child.id();
        site.children.push(child);
        pid
    };
    let pid = start(&mut site);
    site.ready(pid);
    site.busybox();
    site.write("web.yaml", &deployment("web", 3, "v1", SCRIPT, ""));
    site.push_healthy("v1");
    let processes = site.processes_of("web");

    small.fill();
    site.write("web.yaml", &deployment("web", 3, "v2", SCRIPT, ""));
    site.commit("v2");
    let url = site.json(&["status", "-o", "json"])["repository"]["url"].as_str().expect("a URL").to_owned();
    let clone = site.dir.path().join("clone");
    // The pusher may wait for an outcome that cannot be written; it is not made to.
    let pushed = said(
        Command::new("timeout")
            .arg("20")
            .arg("git")
            .args(["push", "-o", "no-wait", &url, "HEAD:main"])
            .current_dir(&clone),
    );
    println!("{}", pushed.err);
    let log = || fs::read_to_string(site.dir.path().join("daemons.log")).unwrap_or_default();
    site.until("the full disk is told", || log().contains("No space left") || !pushed.ok);
    std::thread::sleep(Duration::from_secs(1));
    let tries = log().lines().filter(|line| line.contains("not applied yet")).count();
    println!("{tries} tries in the second or so in which the disk was full");
    assert!(tries < 50, "{tries} tries: a full disk is no reason to spin");
    // The newest record may still be that of v1: not even "it is being applied" could be written of v2.
    let newest = &site.status()["commit"];
    let of_v2 = newest["commit"]["subject"] == "v2";
    assert!(!of_v2 || newest["outcome"] != "healthy", "nothing could be written, and yet: {newest}");
    assert!(
        processes.iter().all(|(pid, _)| Path::new(&format!("/proc/{pid}")).exists()),
        "a full disk ended a container"
    );

    fs::remove_file(store.join("ballast")).expect("removed");
    // Who runs it starts it again when it has ended by itself.
    if site.children[0].try_wait().expect("a child").is_some() {
        println!("the daemon had ended by itself");
        let pid = start(&mut site);
        site.ready(pid);
    }
    if !pushed.ok {
        let (taken, text) = site.push("v2 again", &["-o", "no-wait"]);
        assert!(taken, "{text}");
    }
    site.until_healthy(&site.head());
    site.stop_children();
    drop(small);
    site.down();
}
