//! A machine of its own for one test: network, mounts, an empty `/run` and `/var/lib`; all of it goes with its processes.

use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Runs a test in namespaces of its own, its processes with it; does nothing, after a plain message, where one of the
/// programs or root is missing. In CI nothing is.
pub fn machine(programs: &[&str], test: impl FnOnce() + Send + 'static) {
    let missing = if nix::unistd::geteuid().is_root() {
        let is_missing = |program: &&&str| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            !std::env::split_paths(&path).any(|dir| dir.join(program).exists())
        };
        programs.iter().find(is_missing).copied()
    } else {
        Some("root")
    };
    if let Some(missing) = missing {
        assert!(std::env::var_os("CI").is_none(), "CI must have {missing}");
        println!("skipped: needs {missing}");
        return;
    }
    let run = move || {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("namespaces");
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("mounts of its own");
        for dir in ["/run", "/var/lib"] {
            mount(Some("tmpfs"), dir, Some("tmpfs"), MsFlags::empty(), none).expect("an empty directory");
        }
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().expect("ip");
        assert!(up.success(), "{up}");
        test();
    };
    if let Err(panic) = std::thread::spawn(run).join() {
        std::panic::resume_unwind(panic);
    }
}
