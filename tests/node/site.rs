//! A daemon over a temporary directory with a clone of its repository, and what it leaves on the machine.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use masthead_agent::images::assemble::{self, Content};
use masthead_agent::images::manifest::Defaults;
use masthead_agent::network::names::Names;
use masthead_agent::node;
use masthead_agent::node::paths::Paths;
use nix::fcntl::{Flock, FlockArg};
use serde_json::Value;

use crate::push::git;

pub const MASTHEAD: &str = env!("CARGO_BIN_EXE_masthead");

/// Runs what the environment's `SCRIPT` says.
pub const BUSYBOX: &str = "masthead.local/busybox:v1";

/// How long anything may take on a busy machine.
const WAIT_MAX: Duration = Duration::from_secs(240);

/// What a command said.
pub struct Said {
    pub ok: bool,
    pub out: String,
    pub err: String,
}

/// One process, told apart from a later one of the same number by when it began.
pub type Process = (u32, String);

/// A data directory, its daemons and a clone.
pub struct Site {
    pub dir: tempfile::TempDir,
    pub data: PathBuf,
    /// The data directory of the agent, which is the control plane's in `up`.
    pub agent_data: PathBuf,
    pub children: Vec<Child>,
    is_down: bool,
    _alone: Flock<File>,
}

impl Site {
    /// A directory and nothing running; None when the machine has not what it takes.
    pub fn new() -> Option<Site> {
        let lacking = if !nix::unistd::geteuid().is_root() {
            Some("root")
        } else if !Path::new("/bin/busybox").exists() {
            Some("a static /bin/busybox")
        } else {
            None
        };
        if let Some(lacking) = lacking {
            assert!(std::env::var_os("CI").is_none(), "CI must have {lacking}");
            println!("skipped: needs {lacking}");
            return None;
        }
        let _ = rustls::crypto::ring::default_provider().install_default();
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(std::env::temp_dir().join("masthead-node-tests.lock"));
        let alone = Flock::lock(lock.expect("a lock file"), FlockArg::LockExclusive)
            .map_err(|(_, errno)| errno)
            .expect("the lock");
        let dir = tempfile::tempdir().expect("a temporary directory");
        let data = dir.path().canonicalize().expect("a path").join("data");
        fs::create_dir_all(&data).expect("a folder");
        fs::create_dir_all(dir.path().join("clone")).expect("a folder");
        let site = Site { agent_data: data.clone(), data, dir, children: Vec::new(), is_down: false, _alone: alone };
        site.git(&["init", "-q", "-b", "main", "."]);
        Some(site)
    }

    /// `up` in the background.
    pub fn up() -> Option<Site> {
        let site = Site::new()?;
        site.detach();
        site.busybox();
        Some(site)
    }

    pub fn detach(&self) {
        let said = self.masthead(&["up", "--detach", "--listen", "127.0.0.1:0", "--node-name", "one"]);
        assert!(said.ok, "{}{}", said.out, said.err);
    }

    /// Starts a daemon in the foreground, its words in a log.
    pub fn spawn(&self, args: &[&str]) -> Child {
        self.spawn_with(args, &[])
    }

    /// The same with more in its environment.
    pub fn spawn_with(&self, args: &[&str], environment: &[(&str, &str)]) -> Child {
        let log = self.dir.path().join("daemons.log");
        let log = File::options().create(true).append(true).open(log).expect("a log");
        let mut command = Command::new(MASTHEAD);
        command.envs(environment.iter().copied());
        command.args(args).process_group(0).stdin(Stdio::null()).stdout(log.try_clone().expect("a copy")).stderr(log);
        command.spawn().expect("the daemon starts")
    }

    /// Waits until the daemon with this process id answers and its node is ready.
    pub fn ready(&self, pid: u32) {
        self.until("the daemon answers and its node is ready", || {
            let daemon: Option<Value> =
                fs::read(self.data.join("daemon.json")).ok().and_then(|body| serde_json::from_slice(&body).ok());
            let is_new = daemon.is_some_and(|daemon| daemon["pid"] == pid);
            is_new && self.masthead(&["status", "-o", "json"]).out.contains("\"ready\": true")
        });
    }

    /// The image of all tests that need no HTTP server of ours.
    pub fn busybox(&self) {
        let files = vec![
            (PathBuf::from("/bin/busybox"), Content::File("/bin/busybox".into())),
            ("/tmp".into(), Content::Dir(0o777)),
        ];
        let entrypoint = ["/bin/busybox", "sh", "-c", "eval \"$SCRIPT\""].map(str::to_owned).to_vec();
        self.assemble(BUSYBOX, files, Defaults { entrypoint, ..Defaults::default() });
    }

    /// The demonstration's image: this program, without what debuggers need.
    pub fn demo_image(&self) {
        let program = self.dir.path().join("program");
        let stripped = Command::new("strip").arg("-o").arg(&program).arg(MASTHEAD).status();
        if !stripped.is_ok_and(|status| status.success()) {
            fs::copy(MASTHEAD, &program).expect("a copy");
        }
        let files = assemble::program(Path::new("/masthead"), &program).expect("the program's files");
        let entrypoint = vec!["/masthead".to_owned(), "demo-app".to_owned()];
        self.assemble("masthead.local/demo:v1", files, Defaults { entrypoint, ..Defaults::default() });
    }

    fn assemble(&self, name: &str, files: Vec<(PathBuf, Content)>, config: Defaults) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let made =
            runtime.block_on(async { node::images(&self.agent_data).await?.assemble(name, files, config).await });
        made.expect("the image is made");
    }

    /// The command line on this site.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(MASTHEAD);
        // `up` and `down` take no environment for it.
        if matches!(args[0], "up" | "down" | "token" | "image") {
            command.arg(args[0]).arg("--data").arg(&self.data).args(&args[1..]);
        } else {
            command.env("MASTHEAD_DATA", &self.data).args(args);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Runs the command line to its end.
    pub fn masthead(&self, args: &[&str]) -> Said {
        said(&mut self.command(args))
    }

    /// Runs the command line, which must succeed; returns its standard output.
    pub fn ok(&self, args: &[&str]) -> String {
        let said = self.masthead(args);
        assert!(said.ok, "masthead {args:?}: {}{}", said.out, said.err);
        said.out
    }

    /// What `get … -o json` answers.
    pub fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(args)).expect("JSON")
    }

    pub fn status(&self) -> Value {
        self.json(&["status", "-o", "json"])
    }

    /// The pods with this label `app`.
    pub fn pods(&self, app: &str) -> Vec<Value> {
        let list = self.json(&["get", "pods", "-l", &format!("app={app}"), "-o", "json"]);
        list["items"].as_array().cloned().unwrap_or_default()
    }

    pub fn git(&self, args: &[&str]) -> String {
        let output = git(&self.dir.path().join("clone"), args);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "git {args:?}: {text}");
        text
    }

    pub fn write(&self, path: &str, content: &str) {
        fs::write(self.dir.path().join("clone").join(path), content).expect("a file");
    }

    /// Commits all and pushes it to the tracked branch; whether it was taken, and what the pusher saw.
    pub fn push(&self, message: &str, extra: &[&str]) -> (bool, String) {
        self.commit(message);
        let daemon: Value =
            serde_json::from_slice(&fs::read(self.data.join("daemon.json")).expect("a daemon")).expect("JSON");
        let url = daemon["repositoryUrl"].as_str().expect("a URL");
        let output = git(&self.dir.path().join("clone"), &[&["push"], extra, &[url, "HEAD:main"]].concat());
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    pub fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
    }

    /// Pushes what must become healthy.
    pub fn push_healthy(&self, message: &str) -> String {
        let (taken, said) = self.push(message, &[]);
        assert!(taken && said.contains("healthy after"), "{said}");
        said
    }

    /// Waits until something holds.
    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let began = Instant::now();
        while !holds() {
            let status =
                || self.masthead(&["status"]).out + &self.masthead(&["get", "deploy,rs,pods"]).out + &self.faults();
            assert!(began.elapsed() < WAIT_MAX, "not within {WAIT_MAX:?}: {what}\n{}", status());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What daemons said of their faults: the end of the log alone may be full of what followed from them.
    fn faults(&self) -> String {
        let log = fs::read_to_string(self.dir.path().join("daemons.log")).unwrap_or_default();
        let told = log.lines().filter(|line| line.contains("rror") && !line.contains("no session with"));
        told.rev().take(20).map(|line| format!("{line}\n")).collect()
    }

    pub fn until_healthy(&self, commit: &str) {
        self.until(&format!("{commit} is healthy"), || {
            let said = self.masthead(&["status", "-o", "json"]);
            let status: Value = serde_json::from_str(&said.out).unwrap_or_default();
            status["commit"]["outcome"] == "healthy" && status["commit"]["commit"]["id"] == commit
        });
    }

    /// The newest commit of the clone.
    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// The processes of the pods of this site, with the cgroup each is in.
    pub fn processes(&self) -> BTreeMap<Process, String> {
        let mark = format!("{}/", Paths::new(&self.agent_data).cgroup_root());
        let mut found = BTreeMap::new();
        for pid in pids() {
            let Ok(cgroups) = fs::read_to_string(format!("/proc/{pid}/cgroup")) else { continue };
            let Some(cgroup) = cgroups.lines().find(|line| line.contains(&mark)) else { continue };
            let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
            let began = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(19)).unwrap_or_default();
            found.insert((pid, began.to_owned()), cgroup.to_owned());
        }
        found
    }

    /// The processes of the pods with this label `app`; each has at least one.
    pub fn processes_of(&self, app: &str) -> Vec<Process> {
        let all = self.processes();
        let mut found = Vec::new();
        for pod in self.pods(app) {
            let uid = pod["metadata"]["uid"].as_str().expect("a uid");
            let own: Vec<Process> =
                all.iter().filter(|(_, cgroup)| cgroup.contains(uid)).map(|(process, _)| process.clone()).collect();
            assert!(!own.is_empty(), "pod {uid} has no process: {all:?}");
            found.extend(own);
        }
        found.sort();
        found
    }

    /// Ends the daemons that a test started itself.
    pub fn stop_children(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.children.clear();
    }

    /// Takes everything down and asserts that nothing is left.
    pub fn down(mut self) {
        self.stop_children();
        let places: Vec<PathBuf> = [self.agent_data.clone(), self.data.clone()].into_iter().collect();
        let names: Vec<(PathBuf, Paths, Names)> =
            places.iter().map(|data| (data.clone(), Paths::new(data), Names::of(data))).collect();
        for data in &places {
            let said = said(Command::new(MASTHEAD).arg("down").arg("--data").arg(data));
            assert!(said.ok, "{}{}", said.out, said.err);
        }
        self.is_down = true;
        let left: Vec<String> = names.iter().flat_map(|(data, paths, names)| left(data, paths, names)).collect();
        assert!(left.is_empty(), "left behind: {left:#?}");
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if self.is_down {
            return;
        }
        if std::thread::panicking() {
            for log in [self.dir.path().join("daemons.log"), self.data.join("logs/daemon.log")] {
                let text = fs::read_to_string(&log).unwrap_or_default();
                let from = text.len().saturating_sub(6000);
                let _ = writeln!(std::io::stderr(), "== {}\n{}", log.display(), text.get(from..).unwrap_or_default());
            }
        }
        self.stop_children();
        for data in [&self.agent_data, &self.data] {
            let _ = Command::new(MASTHEAD).arg("down").arg("--data").arg(data).status();
        }
    }
}

/// Runs a command to its end.
pub fn said(command: &mut Command) -> Said {
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    Said {
        ok: output.status.success(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn pids() -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc");
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// What of an instance is still on this machine.
fn left(data: &Path, paths: &Paths, names: &Names) -> Vec<String> {
    let mut found = Vec::new();
    let shown = data.display().to_string();
    if data.exists() {
        found.push(format!("the directory {shown}"));
    }
    for pid in pids() {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let holds = files.filter_map(|file| fs::read_link(file.path()).ok()).any(|to| to.starts_with(data));
        if line.contains(&shown) || cgroup.contains(&paths.cgroup_root()) || holds {
            found.push(format!("the process {pid} {line}"));
        }
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    found.extend(mounts.lines().filter(|line| line.contains(&shown)).map(|line| format!("the mount {line}")));
    let links = fs::read_dir("/sys/class/net")
        .expect("links")
        .flatten()
        .map(|link| link.file_name().to_string_lossy().into_owned());
    found.extend(links.filter(|link| link.starts_with(&names.link_prefix())).map(|link| format!("the link {link}")));
    if let Ok(tables) = Command::new("nft").args(["list", "tables"]).output() {
        let tables = String::from_utf8_lossy(&tables.stdout).into_owned();
        found.extend(
            tables.lines().filter(|line| line.contains(&names.table())).map(|line| format!("the nftables {line}")),
        );
    }
    let own = paths.cgroup_root();
    let own = own.trim_start_matches('/');
    let hierarchies = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten().map(|entry| entry.path());
    found.extend(
        hierarchies
            .chain([PathBuf::from("/sys/fs/cgroup")])
            .map(|path| path.join(own))
            .filter(|path| path.exists())
            .map(|path| format!("the cgroup {}", path.display())),
    );
    found
}

/// A Deployment of busybox pods that run `script`; `rest` are further fields of its spec, at two spaces.
pub fn deployment(name: &str, replicas: usize, version: &str, script: &str, rest: &str) -> String {
    deployment_of(BUSYBOX, name, replicas, version, script, rest)
}

/// The same with any image.
pub fn deployment_of(image: &str, name: &str, replicas: usize, version: &str, script: &str, rest: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  replicas: {replicas}
{rest}  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: c
          image: {image}
          env:
            - {{name: VERSION, value: {version:?}}}
            - {{name: SCRIPT, value: {script:?}}}
          volumeMounts:
            - {{name: starts, mountPath: /starts}}
      volumes:
        - name: starts
          emptyDir: {{}}
"
    )
}
