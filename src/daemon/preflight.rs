//! The machine → what it lacks to run pods, all at once, with how to get it.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::daemon::lacking::Lacking;

/// What is to run on this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    /// A repository that is pushed to or fetched.
    pub git: bool,
    /// Pods.
    pub pods: bool,
    /// The embedded runtime, which needs more than a CRI one.
    pub embedded: bool,
}

impl Needs {
    /// Checks the machine.
    ///
    /// # Errors
    /// Everything that is missing.
    pub fn check(self) -> Result<(), Lacking> {
        let mut missing: Vec<(&str, &str)> = Vec::new();
        if self.pods && !nix::unistd::geteuid().is_root() {
            missing.push(("root: pods need namespaces, mounts and cgroups", "run it with sudo, or as root"));
        }
        if self.git && !runs("git", "--version") {
            missing.push(("git: pushes are served by its http-backend", "install git, on Debian: apt-get install git"));
        }
        if self.embedded {
            // Many kernels have it as a module that nothing has asked for yet.
            if !(has("overlay") || runs("modprobe", "overlay") && has("overlay")) {
                missing.push(("overlayfs: containers stand on it", "load it: modprobe overlay"));
            }
            if !has("cgroup") && !has("cgroup2") {
                missing.push(("cgroups: limits are kept by them", "use a kernel with CONFIG_CGROUPS"));
            }
            if !Path::new("/proc/self/ns/net").exists() {
                missing.push(("network namespaces: each pod has one", "use a kernel with CONFIG_NET_NS"));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let what = missing.iter().map(|(what, _)| *what).collect::<Vec<_>>().join("\n  ");
        let hint = missing.iter().map(|(_, hint)| format!("  {hint}")).collect::<Vec<_>>().join("\n");
        Err(Lacking { what: format!("this machine lacks\n  {what}"), hint: format!("How to get it:\n{hint}") })
    }
}

/// Runs a program quietly; whether it is there and content.
fn runs(program: &str, argument: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(argument).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Whether the kernel knows a file system now.
fn has(name: &str) -> bool {
    let filesystems = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    filesystems.lines().any(|line| line.trim_start_matches("nodev").trim() == name)
}
