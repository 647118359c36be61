//! `kill -9` at random moments of rollouts: the end is that of a run in peace, and no container starts twice.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::site::{Site, deployment};

const REPLICAS: usize = 10;
/// Kills in the middle of a rollout, of `up` and of the two processes together.
const KILLS: usize = 25;
/// Writes its pod's name once for each time that it starts.
const SCRIPT: &str =
    "echo $(/bin/busybox hostname) $VERSION >> /starts/log; trap 'exit 0' TERM; /bin/busybox sleep 100000 & wait";
const ONE_BY_ONE: &str = "  strategy:\n    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}\n";

/// A generator whose every number follows from the seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What a rollout came to: pods, their versions, restarts, ReplicaSets at size.
fn outcome(site: &Site, app: &str) -> String {
    let mut pods: Vec<String> = site.pods(app).iter().map(pod_line).collect();
    pods.sort();
    let sets = site.json(&["get", "rs", "-l", &format!("app={app}"), "-o", "json"]);
    let mut sizes: Vec<u64> = sets["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|set| set["status"]["replicas"].as_u64())
        .filter(|n| *n > 0)
        .collect();
    sizes.sort();
    let status = &site.json(&["get", "deploy", app, "-o", "json"])["status"];
    let counts: Vec<String> = ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"]
        .map(|field| format!("{field}={}", status[field]))
        .into();
    format!("{counts:?} ReplicaSets {sizes:?}\n{}", pods.join("\n"))
}

/// Waits until a rollout that is healthy has left nothing of what it replaced, and its counts say so.
fn settled(site: &Site, app: &str) {
    site.until("the old pods are gone, and counted out", || {
        let status = site.json(&["get", "deploy", app, "-o", "json"])["status"].clone();
        let is_whole = |field: &str| status[field] == REPLICAS;
        let sets = site.json(&["get", "rs", "-l", &format!("app={app}"), "-o", "json"]);
        let sizes = sets["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|set| set["status"]["replicas"].as_u64() > Some(0))
            .count();
        site.pods(app).len() == REPLICAS
            && ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"].into_iter().all(is_whole)
            && sizes == 1
    });
}

fn pod_line(pod: &Value) -> String {
    let container = &pod["spec"]["containers"][0];
    let status = &pod["status"]["containerStatuses"][0];
    let version = container["env"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|var| var["name"] == "VERSION")
        .map(|var| var["value"].clone());
    let is_ending = pod["metadata"].get("deletionTimestamp").is_some();
    format!(
        "{} {} ready={} restarts={} ending={is_ending} {}",
        version.unwrap_or_default(),
        pod["status"]["phase"],
        status["ready"],
        status["restartCount"],
        container["image"]
    )
}

/// How often each pod's container began, and how many pods of a version have.
fn starts(folder: &Path) -> (BTreeMap<String, usize>, BTreeMap<String, usize>) {
    let (mut pods, mut versions) = (BTreeMap::new(), BTreeMap::new());
    for line in fs::read_to_string(folder.join("log")).unwrap_or_default().lines() {
        let (pod, version) = line.split_once(' ').expect("a pod and a version");
        *pods.entry(pod.to_owned()).or_default() += 1;
        *versions.entry(version.to_owned()).or_default() += 1;
    }
    (pods, versions)
}

/// The daemons of a site, which can be killed and started again.
trait Daemons {
    fn start(&mut self, site: &mut Site);
    fn kill(&mut self, site: &mut Site, random: &mut Random) -> &'static str;
}

/// Control plane and agent in one process.
struct Up;

impl Daemons for Up {
    fn start(&mut self, site: &mut Site) {
        let data = site.data.display().to_string();
        let child = site.spawn(&["up", "--data", &data, "--listen", "127.0.0.1:0", "--node-name", "one"]);
        site.children.push(child);
    }

    fn kill(&mut self, site: &mut Site, _: &mut Random) -> &'static str {
        site.stop_children();
        "up"
    }
}

/// `serve` and `agent`, in this order; what is killed is started again in its place.
struct Apart {
    nodes: String,
    token: Option<String>,
}

impl Apart {
    fn new(site: &mut Site) -> Apart {
        // Freed at once for the daemon, which must have the same at each start: none that the kernel gives to others
        // while the daemon is dead.
        let first = 20_000 + u16::try_from(std::process::id() % 10_000).expect("small");
        let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        let nodes = format!("127.0.0.1:{}", (first..first + 1000).find(is_free).expect("a free port"));
        site.agent_data = site.data.with_file_name("agent");
        fs::create_dir_all(&site.agent_data).expect("a folder");
        Apart { nodes, token: None }
    }

    fn serve(&self, site: &Site) -> std::process::Child {
        let data = site.data.display().to_string();
        site.spawn(&["serve", "--data", &data, "--listen", "127.0.0.1:0", "--listen-nodes", &self.nodes])
    }

    fn agent(&self, site: &Site) -> std::process::Child {
        let data = site.agent_data.display().to_string();
        let token = self.token.clone().unwrap_or_default();
        site.spawn(&["agent", "--data", &data, "--join", &self.nodes, "--token", &token, "--node-name", "one"])
    }
}

impl Daemons for Apart {
    fn start(&mut self, site: &mut Site) {
        if site.children.is_empty() {
            let serve = self.serve(site);
            let pid = serve.id();
            site.children.push(serve);
            if self.token.is_none() {
                let announced = || {
                    fs::read_to_string(site.data.join("daemon.json")).is_ok_and(|body| body.contains(&pid.to_string()))
                };
                site.until("the control plane listens", announced);
                self.token = Some(site.ok(&["token"]).trim().to_owned());
            }
            let agent = self.agent(site);
            site.children.push(agent);
            return;
        }
        for at in 0..2 {
            if site.children[at].try_wait().expect("a child").is_some() {
                site.children[at] = if at == 0 { self.serve(site) } else { self.agent(site) };
            }
        }
    }

    fn kill(&mut self, site: &mut Site, random: &mut Random) -> &'static str {
        let (which, name): (&[usize], _) =
            [(&[0][..], "serve"), (&[1], "agent"), (&[0, 1], "both")][random.below(3) as usize];
        for at in which {
            site.children[*at].kill().expect("a kill");
            site.children[*at].wait().expect("its end");
        }
        name
    }
}

fn rollouts_under_kills(mut site: Site, mut daemons: impl Daemons, seed: u64) {
    let mut random = Random(seed);
    let folder = site.dir.path().join("starts");
    fs::create_dir_all(&folder).expect("a folder");
    let host_path = format!("hostPath: {{path: {}}}", folder.display());
    let manifest = |name: &str, replicas, version: &str| {
        deployment(name, replicas, version, SCRIPT, ONE_BY_ONE).replace("emptyDir: {}", &host_path)
    };
    daemons.start(&mut site);
    site.ready(site.children[0].id());
    site.busybox();
    site.write("bystander.yaml", &manifest("bystander", 3, "still"));
    site.write("web.yaml", &manifest("web", REPLICAS, "v0"));
    site.push_healthy("v0");
    site.write("web.yaml", &manifest("web", REPLICAS, "v1"));
    site.push_healthy("v1 in peace");
    let bystanders = site.processes_of("bystander");
    settled(&site, "web");
    let expect = outcome(&site, "web");
    let (mut kills, mut rollout, mut told) = (0, 1, BTreeMap::<&str, usize>::new());
    while kills < KILLS {
        rollout += 1;
        assert!(rollout < 40, "rollouts are over before they can be killed: {kills} kills");
        let version = format!("v{rollout}");
        site.write("web.yaml", &manifest("web", REPLICAS, &version));
        let (taken, text) = site.push(&version, &["-o", "no-wait"]);
        assert!(taken, "{text}");
        let commit = site.head();
        for _ in 0..8 {
            std::thread::sleep(Duration::from_millis(random.below(450)));
            if starts(&folder).1.get(&version).copied().unwrap_or_default() >= REPLICAS {
                break;
            }
            *told.entry(daemons.kill(&mut site, &mut random)).or_default() += 1;
            kills += 1;
            daemons.start(&mut site);
        }
        site.ready(site.children[0].id());
        site.until_healthy(&commit);
        settled(&site, "web");
        assert_eq!(outcome(&site, "web"), expect.replace("\"v1\"", &format!("{version:?}")), "after {kills} kills");
        // A pod is ready here once its program began: what it writes comes after that.
        site.until("each has written that it started", || {
            starts(&folder).1.get(&version).copied().unwrap_or_default() >= REPLICAS
        });
        assert_eq!(site.processes_of("bystander"), bystanders, "after {kills} kills");
        let (pods, versions) = starts(&folder);
        let twice: Vec<_> = pods.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "started more than once after {kills} kills: {twice:?}");
        println!(
            "{version}: {kills} kills so far {told:?}, {} containers of this version ever started",
            versions[&version]
        );
        assert_eq!(versions[&version], REPLICAS, "pods that were made without need");
    }
    println!("{kills} kills in the middle of {} rollouts: {told:?}", rollout - 1);
    site.down();
}

#[test]
fn the_one_process_is_killed_in_rollouts() {
    let Some(site) = Site::new() else { return };
    rollouts_under_kills(site, Up, 0x5eed_0001);
}

#[test]
fn control_plane_and_agent_are_killed_in_rollouts() {
    let Some(mut site) = Site::new() else { return };
    let apart = Apart::new(&mut site);
    rollouts_under_kills(site, apart, 0x5eed_0002);
}
