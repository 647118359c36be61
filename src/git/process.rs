//! A git command into a child process with a clean environment, in a group of its own that dies with its owner.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// Seconds between asking a group to end and killing it.
const TERM_S: u64 = 5;
/// Bytes of a child's output that are kept.
pub const OUTPUT_BYTES_MAX: usize = 256 * 1024;

/// Variables a git child may inherit: how to find programs, proxies and certificates.
const INHERITED: &[&str] = &[
    "PATH",
    "TMPDIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSH_AUTH_SOCK",
    "LD_LIBRARY_PATH",
];

/// A git command with nothing of the user's settings in its environment.
pub fn git() -> Command {
    let mut command = Command::new("git");
    clean(&mut command);
    command
}

/// Clears the environment of a command and sets what every git child gets.
pub fn clean(command: &mut Command) {
    let kept: Vec<(&str, OsString)> = INHERITED.iter().filter_map(|k| Some((*k, std::env::var_os(k)?))).collect();
    command
        .env_clear()
        .envs(kept)
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_ADVICE", "0");
}

/// A running child and its group; the whole group ends when this is dropped.
#[derive(Debug)]
pub struct Group {
    child: Option<Child>,
}

impl Group {
    /// Starts a command in a new process group.
    pub fn spawn(command: &mut Command) -> std::io::Result<Self> {
        command.process_group(0);
        Ok(Self { child: Some(command.spawn()?) })
    }

    /// The child, to take its pipes from.
    pub fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("the child is taken only by drop and wait, which consume the group")
    }

    /// Waits for the end of the child.
    pub async fn wait(mut self) -> std::io::Result<std::process::ExitStatus> {
        let status = self.child().wait().await;
        if status.is_ok() {
            self.child = None;
        }
        status
    }
}

fn signal(child: &Child, signal: Signal) {
    // No id means that it has been waited for: the group's number may belong to somebody else.
    if let Some(id) = child.id().and_then(|id| i32::try_from(id).ok()) {
        let _ = killpg(Pid::from_raw(id), signal);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // Git removes its lock files on TERM, so KILL comes second.
        signal(&child, Signal::SIGTERM);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                if tokio::time::timeout(Duration::from_secs(TERM_S), child.wait()).await.is_err() {
                    signal(&child, Signal::SIGKILL);
                    let _ = child.wait().await;
                }
            })),
            Err(_) => signal(&child, Signal::SIGKILL),
        }
    }
}

/// What a finished command left.
#[derive(Debug)]
pub struct Finished {
    /// Whether it ended with status 0.
    pub success: bool,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its standard output, cut at [`OUTPUT_BYTES_MAX`].
    pub stdout: String,
    /// Its standard error, cut likewise.
    pub stderr: String,
}

/// Runs a command to its end in `dir`, or kills it after `limit`: then None.
pub async fn run(command: &mut Command, dir: &Path, limit: Duration) -> std::io::Result<Option<Finished>> {
    command.current_dir(dir).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut group = Group::spawn(command)?;
    let (out, err) = (group.child().stdout.take(), group.child().stderr.take());
    let all = async move {
        let (stdout, stderr) = tokio::join!(keep(out), keep(err));
        let status = group.wait().await?;
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        Ok(Finished { success: status.success(), signal, stdout, stderr })
    };
    match tokio::time::timeout(limit, all).await {
        Ok(finished) => finished.map(Some),
        Err(_) => Ok(None),
    }
}

/// The first bytes of a stream; the rest is read and dropped so that the writer never blocks.
async fn keep(stream: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let (mut kept, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
    // A broken pipe is the end of it, as is the end.
    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
        let room = OUTPUT_BYTES_MAX - kept.len();
        kept.extend_from_slice(&buffer[..n.min(room)]);
    }
    String::from_utf8_lossy(&kept).into_owned()
}
