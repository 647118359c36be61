//! Hooks as real containers, and `kill -9` while they run: each runs once, and the change comes to the same end.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::Value;

use super::site::{BUSYBOX, Site};

/// Changes of the release that are killed, and kills of each at most.
const CHANGES: u64 = 5;
const KILLS: u64 = 3;

const VALUES: &str = "version: ";

/// A hook that writes that it began, and takes a while.
fn hook(kind: &str, events: &str, script: &str, folder: &str) -> String {
    let spec = format!(
        "restartPolicy: Never\nterminationGracePeriodSeconds: 1\ncontainers:\n  - name: c\n    image: {BUSYBOX}\n    env: [{{name: SCRIPT, value: {script:?}}}, {{name: VERSION, value: {{{{ .Values.version | quote }}}}}}]\n    volumeMounts: [{{name: starts, mountPath: /starts}}]\nvolumes: [{{name: starts, hostPath: {{path: {folder}}}}}]"
    );
    let indented = |by: usize| spec.lines().map(|line| format!("{}{line}\n", " ".repeat(by))).collect::<String>();
    let name = events.split(',').next().unwrap_or_default();
    let head = |version: &str| {
        format!(
            "apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}\n  annotations: {{helm.sh/hook: '{events}'}}\n"
        )
    };
    match kind {
        "Job" => format!("{}spec:\n  backoffLimit: 0\n  template:\n    spec:\n{}", head("batch/v1"), indented(6)),
        _ => format!("{}spec:\n{}", head("v1"), indented(2)),
    }
}

fn settings() -> &'static str {
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop}\ndata: {version: {{ .Values.version | quote }}}\n"
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn start(site: &mut Site) {
    let data = site.data.display().to_string();
    let child = site.spawn(&["up", "--data", &data, "--listen", "127.0.0.1:0", "--node-name", "one"]);
    site.children.push(child);
}

fn chart(site: &Site, pre: &str, post: &str) -> String {
    let folder = site.dir.path().join("starts");
    fs::create_dir_all(&folder).expect("a folder");
    fs::create_dir_all(site.dir.path().join("clone/charts/shop/templates")).expect("a folder");
    let folder = folder.display().to_string();
    site.write("charts/shop/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n");
    site.write("charts/shop/templates/settings.yaml", settings());
    site.write("charts/shop/templates/pre.yaml", &hook("Pod", "pre-install,pre-upgrade", pre, &folder));
    site.write("charts/shop/templates/post.yaml", &hook("Job", "post-install,post-upgrade", post, &folder));
    site.write("charts/shop/values.yaml", &format!("{VALUES}v0\n"));
    folder
}

/// How often each hook began, by what it wrote.
fn began(folder: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for line in fs::read_to_string(format!("{folder}/log")).unwrap_or_default().lines() {
        *found.entry(line.to_owned()).or_default() += 1;
    }
    found
}

#[test]
fn hooks_run_once_whenever_the_daemon_is_killed() {
    let Some(mut site) = Site::new() else { return };
    let script = |which: &str| format!("echo {which} $VERSION >> /starts/log; /bin/busybox sleep 1");
    let folder = chart(&site, &script("pre"), &script("post"));
    start(&mut site);
    site.ready(site.children[0].id());
    site.busybox();
    site.push_healthy("v0");
    let log = site.ok(&["log"]);
    for expect in
        ["pre-install hook Pod default/pre-install succeeded", "post-install hook Job default/post-install succeeded"]
    {
        assert!(log.contains(expect), "{log}");
    }
    let mut random = Random(0x5eed_0010);
    let mut expect: BTreeMap<String, usize> = [("pre v0".to_owned(), 1), ("post v0".to_owned(), 1)].into();
    assert_eq!(began(&folder), expect);
    for change in 1..=CHANGES {
        let version = format!("v{change}");
        site.write("charts/shop/values.yaml", &format!("{VALUES}{version}\n"));
        let (taken, text) = site.push(&version, &["-o", "no-wait"]);
        assert!(taken, "{text}");
        let commit = site.head();
        for _ in 0..=random.below(KILLS) {
            std::thread::sleep(Duration::from_millis(random.below(900)));
            site.stop_children();
            start(&mut site);
        }
        site.ready(site.children[0].id());
        site.until_healthy(&commit);
        expect.insert(format!("pre {version}"), 1);
        expect.insert(format!("post {version}"), 1);
        assert_eq!(began(&folder), expect, "after {change} changes");
        let settings = site.json(&["get", "configmap", "shop", "-o", "json"]);
        assert_eq!(settings["data"]["version"], Value::from(version));
    }
    // A start in peace runs none, and neither does another commit.
    site.stop_children();
    start(&mut site);
    site.ready(site.children[0].id());
    site.write("other.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n");
    site.push_healthy("another");
    assert_eq!(began(&folder), expect);
    site.down();
}

#[test]
fn a_hook_that_fails_tells_the_end_of_its_log_and_the_lost_store_runs_none() {
    let Some(mut site) = Site::new() else { return };
    let folder = chart(&site, "echo pre $VERSION >> /starts/log", "echo post $VERSION >> /starts/log");
    start(&mut site);
    site.ready(site.children[0].id());
    site.busybox();
    site.push_healthy("v0");
    let hook_of = |script: &str| hook("Pod", "pre-install,pre-upgrade", script, &folder);
    site.write("charts/shop/templates/pre.yaml", &hook_of("echo no database; exit 3"));
    site.write("charts/shop/values.yaml", &format!("{VALUES}v1\n"));
    let (taken, said) = site.push("v1", &[]);
    assert!(
        taken
            && said.contains("pre-upgrade hook Pod default/pre-install failed: Error: container c exited with code 3"),
        "{said}"
    );
    let log = site.ok(&["log"]);
    assert!(log.contains("the log of pre-install ends with: no database"), "{log}");
    assert_eq!(site.json(&["get", "configmap", "shop", "-o", "json"])["data"]["version"], "v0");
    site.write("charts/shop/templates/pre.yaml", &hook_of("echo pre $VERSION >> /starts/log"));
    site.push_healthy("mended");
    let expect: BTreeMap<String, usize> =
        ["pre v0", "post v0", "pre v1", "post v1"].map(|line| (line.to_owned(), 1)).into();
    assert_eq!(began(&folder), expect);
    // The store is gone: what the node still holds of the release says that its hooks have run.
    let commit = site.head();
    site.stop_children();
    fs::remove_dir_all(site.data.join("store")).expect("it was there");
    start(&mut site);
    site.ready(site.children[0].id());
    site.until_healthy(&commit);
    assert_eq!(began(&folder), expect);
    assert_eq!(site.json(&["get", "configmap", "shop", "-o", "json"])["data"]["version"], "v1");
    site.down();
}
