//! The machine → what it lacks to run pods, all at once, with how to get it.

use std::path::Path;
use std::process::{Command, Stdio};

/// What is missing.
#[derive(Debug)]
pub struct Lacking {
    /// What, one line each.
    pub what: String,
    /// How to get it.
    pub hint: String,
}

/// Checks what `up` needs; the embedded runtime needs more than a CRI one.
///
/// # Errors
/// Everything that is missing.
pub fn check(embedded: bool) -> Result<(), Lacking> {
    let mut missing: Vec<(&str, &str)> = Vec::new();
    if !nix::unistd::geteuid().is_root() {
        missing.push(("root: pods need namespaces, mounts and cgroups", "run it with sudo, or as root"));
    }
    let git =
        Command::new("git").arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !git.is_ok_and(|status| status.success()) {
        missing.push(("git: pushes are served by its http-backend", "install git, on Debian: apt-get install git"));
    }
    if embedded {
        if !has("overlay") {
            // Many kernels have it as a module that nothing has asked for yet.
            let _ = Command::new("modprobe")
                .arg("overlay")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
        }
        if !has("overlay") {
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

/// Whether the kernel knows a file system now.
fn has(name: &str) -> bool {
    let filesystems = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    filesystems.lines().any(|line| line.trim_start_matches("nodev").trim() == name)
}
