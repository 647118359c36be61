//! The first process of a pod's shared pid namespace: it reaps, and has nothing to be stolen from.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Uid, chdir, pipe2, pivot_root, setgroups, setresgid, setresuid};

use crate::shim::client::Client;
use crate::shim::error::{Context, Error, Result};
use crate::shim::exit::now;
use crate::shim::output::read_message;
use crate::shim::protocol::Message;
use crate::shim::{fork, process};

/// Pid and start time of the pause process, in a sandbox's directory.
pub const PAUSE_FILE: &str = "pause";
/// An empty directory to be its root.
const ROOT: &str = "pause-root";
/// The kernel's overflow user, without any right.
const NOBODY: u32 = 65_534;

/// Starts the pause of the sandbox in `dir` and says its pid.
pub fn run(dir: &Path, reply: UnixStream) -> Result<()> {
    let mut reply = Client::new(reply);
    match start(dir) {
        Ok(pid) => reply.send(&Message::Started(pid, now())),
        Err(error) => reply.send(&Message::Failed(error.to_string())),
    }
    Ok(())
}

fn start(dir: &Path) -> Result<i32> {
    let root = dir.join(ROOT);
    fs::create_dir_all(&root).context("make the pause's root")?;
    unshare(CloneFlags::CLONE_NEWPID).context("unshare the pid namespace")?;
    let (answer, say) = pipe2(nix::fcntl::OFlag::O_CLOEXEC).context("make a pipe")?;
    match fork::split().context("fork")? {
        ForkResult::Parent { child } => {
            drop(say);
            let text = read_message(&answer);
            if text != "ready" {
                return Err(Error::Container(format!("pause: {text}")));
            }
            let start_time = process::stat(child.as_raw()).map_or(0, |stat| stat.start_time);
            fs::write(dir.join(PAUSE_FILE), format!("{child} {start_time}")).context("write the pause's pid")?;
            Ok(child.as_raw())
        }
        ForkResult::Child => {
            drop(answer);
            let outcome = confine(&root);
            let text = outcome.map_or_else(|error| error.to_string(), |()| "ready".to_owned());
            let _ = nix::unistd::write(&say, text.as_bytes());
            drop(say);
            if text == "ready" {
                reap_for_ever();
            }
            std::process::exit(1)
        }
    }
}

fn confine(root: &Path) -> Result<()> {
    let _ = prctl::set_name(c"pause");
    unshare(CloneFlags::CLONE_NEWNS).context("unshare the mount namespace")?;
    let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).context("make mounts private")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_RDONLY;
    mount(Some("tmpfs"), root, Some("tmpfs"), flags, Some("size=4k")).context("mount a root")?;
    chdir(root).context("enter the root")?;
    pivot_root(".", ".").context("change the root")?;
    umount2(".", MntFlags::MNT_DETACH).context("leave the old root")?;
    chdir("/").context("enter the root")?;
    setgroups(&[]).context("drop groups")?;
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    setresgid(gid, gid, gid).context("drop the group")?;
    setresuid(uid, uid, uid).context("drop the user")?;
    prctl::set_no_new_privs().context("set no_new_privs")
}

/// SIGTERM from inside the pod must not end it, as PID 1 has no handler; SIGKILL from outside does.
fn reap_for_ever() {
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    let _ = children.thread_block();
    loop {
        let _ = children.wait();
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => break,
                _ => {}
            }
        }
    }
}
