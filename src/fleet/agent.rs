//! One node's agent as a process of its own in the node's namespace: started, watched, started again.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use masthead_agent::fleet::enter;
use masthead_agent::fleet::plan::Places;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::oneshot;

use crate::fleet::config::Role;
use crate::fleet::record::{Member, node_data};

/// How long an agent may take to end when it is asked to.
const STOP_MAX: Duration = Duration::from_secs(10);

/// The label of control-plane nodes.
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

/// What an agent is started with.
#[derive(Clone, Debug)]
pub struct Start {
    /// The daemon's data directory.
    pub root: PathBuf,
    /// Where agents dial.
    pub join: String,
    /// Pods on control-plane nodes need a toleration.
    pub taints_control_plane: bool,
}

/// An agent that runs.
#[derive(Debug)]
pub struct Agent {
    pid: Pid,
    /// The agent ends when this does: also when this program is killed.
    stdin: Option<ChildStdin>,
    ended: oneshot::Receiver<String>,
}

impl Agent {
    /// Starts an agent. `token` lets it join when it has no certificate yet.
    ///
    /// # Errors
    /// The process can't be started.
    pub fn start(start: &Start, places: &Places, member: &Member, token: &str) -> Result<Agent> {
        let name = &member.spec.name;
        let data = node_data(&start.root, name);
        std::fs::create_dir_all(&data).with_context(|| format!("making {}", data.display()))?;
        let log = log_path(&start.root, name);
        let out = File::options().create(true).append(true).open(&log).with_context(|| log.display().to_string())?;
        // By its link, so that a program that was replaced on the disk goes on as it is.
        let mut command = Command::new("/proc/self/exe");
        command.args(arguments(start, member, &data)).env("MASTHEAD_TOKEN", token).current_dir("/");
        command.stdin(Stdio::piped()).stdout(out.try_clone()?).stderr(out);
        // A terminal's Ctrl-C is for the daemon, which ends its agents itself.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = enter::spawn(command, &places.node(name)).context("starting an agent")?;
        let pid = Pid::from_raw(i32::try_from(child.id()).context("a process id")?);
        let stdin = child.stdin.take();
        let (tell, ended) = oneshot::channel();
        std::thread::Builder::new().name(format!("agent {name}")).spawn(move || drop(tell.send(wait(child))))?;
        Ok(Agent { pid, stdin, ended })
    }

    /// Waits for its end and says how it ended.
    pub async fn ended(&mut self) -> String {
        (&mut self.ended).await.unwrap_or_else(|_| "nobody saw how".to_owned())
    }

    /// Ends it; its containers go on.
    pub async fn stop(mut self) {
        drop(self.stdin.take());
        if tokio::time::timeout(STOP_MAX, self.ended()).await.is_err() {
            self.kill().await;
        }
    }

    /// Ends it at once, as a power failure would.
    pub async fn kill(mut self) {
        // Not reaped before `ended` says so, so that the number is still its own.
        let _ = kill(self.pid, Signal::SIGKILL);
        self.ended().await;
    }
}

fn wait(mut child: Child) -> String {
    child.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
}

/// Where a node's agent logs.
pub fn log_path(root: &Path, name: &str) -> PathBuf {
    root.join("logs").join(format!("node-{name}.log"))
}

fn arguments(start: &Start, member: &Member, data: &Path) -> Vec<OsString> {
    let spec = &member.spec;
    let mut labels: Vec<String> = spec.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut out: Vec<OsString> = ["agent", "--supervised", "--join", &start.join, "--node-name", &spec.name]
        .into_iter()
        .map(OsString::from)
        .collect();
    out.extend(["--data".into(), data.as_os_str().to_owned()]);
    if spec.role == Role::ControlPlane {
        labels.push(format!("{CONTROL_PLANE}="));
        if start.taints_control_plane {
            out.extend(["--register-with-taints".into(), format!("{CONTROL_PLANE}:NoSchedule").into()]);
        }
    }
    if !labels.is_empty() {
        out.extend(["--node-labels".into(), labels.join(",").into()]);
    }
    for mount in &spec.mounts {
        let end = if mount.read_only { ":ro" } else { "" };
        let mapped = format!("{}:{}{end}", mount.host_path.display(), mount.node_path.display());
        out.extend(["--extra-mount".into(), mapped.into()]);
    }
    out
}
