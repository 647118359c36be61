//! A task into a running container: mounts, the user, libcontainer, in a child of the shim.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use libcontainer::container::builder::ContainerBuilder;
use libcontainer::error::LibcontainerError;
use libcontainer::oci_spec::runtime::{Root, Spec, User};
use libcontainer::syscall::syscall::SyscallType;
use nix::fcntl::OFlag;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::pipe2;

use crate::runtime::embedded::cgroup::Cgroup;
use crate::shim::error::{Context, Error, Result, chain};
use crate::shim::executor::Launch;
use crate::shim::output::read_message;
use crate::shim::overlay::{Inside, mount_rootfs};
use crate::shim::task::{Task, files};
use crate::shim::trace::Causes;
use crate::shim::{device_filter, fork, process, users};

/// A container's stdin, stdout and stderr; none of them with a terminal.
pub type Stdio = Option<[OwnedFd; 3]>;

/// Makes the container of `dir`, starts it, and gives the pid of its first process, which has
/// executed its program then.
pub fn create(dir: &Path, stdio: Stdio) -> Result<i32> {
    fork::default_signals();
    // A shim that is killed takes a half-made container with it.
    prctl::set_pdeathsig(Some(Signal::SIGKILL)).context("follow the shim")?;
    let mut task: Task = read_json(&dir.join(files::TASK))?;
    mount_rootfs(dir, &task.pod, &task.rootfs)?;
    finish_spec(dir, &mut task)?;
    write_json(&dir.join("config.json"), &task.spec)?;
    let causes = Causes::listen()?;
    let (report, launch) = pipe2(OFlag::O_CLOEXEC).context("make a pipe")?;
    let mut builder = ContainerBuilder::new(task.id.clone(), SyscallType::default())
        .with_root_path(dir.join(files::STATE))
        .map_err(failed)?
        .with_executor(Launch::new(launch));
    match stdio {
        Some([stdin, stdout, stderr]) => {
            builder = builder.with_stdin(stdin).with_stdout(stdout).with_stderr(stderr);
        }
        None => builder = builder.with_console_socket(Some(dir.join(files::CONSOLE))),
    }
    let mut container =
        builder.as_init(dir).with_systemd(false).with_detach(true).build().map_err(|error| because(error, &causes))?;
    let pid = container.pid().map_or(0, |pid| pid.as_raw());
    let start_time = process::stat(pid).map_or(0, |stat| stat.start_time);
    fs::write(dir.join(files::PID), format!("{pid} {start_time}")).context("write the pid")?;
    if Cgroup::open(&task.cgroup).is_v2() {
        // Version 1 has a controller for it, which libcontainer knows.
        device_filter::restrict(&task)?;
    }
    container.start().map_err(failed)?;
    // Its end closes when the program is executed, and tells when it can't be.
    let refusal = read_message(&report);
    if refusal.is_empty() { Ok(pid) } else { Err(Error::Container(refusal)) }
}

fn finish_spec(dir: &Path, task: &mut Task) -> Result<()> {
    let rootfs = dir.join(files::ROOTFS);
    let inside = Inside::open(&rootfs)?;
    let passwd = inside.read("/etc/passwd")?;
    let identity = users::resolve(&passwd, &inside.read("/etc/group")?, &task.user)?;
    let readonly = task.spec.root().as_ref().and_then(Root::readonly).unwrap_or(false);
    let mut root = Root::default();
    root.set_path(rootfs).set_readonly(Some(readonly));
    task.spec.set_root(Some(root));
    if let Some(process) = task.spec.process_mut() {
        // As runc and containerd do, a working directory that is not there is made.
        inside.create_dir_all(process.cwd())?;
        let numbers = [&[identity.uid, identity.gid], identity.groups.as_slice()].concat();
        let mut user = User::default();
        user.set_uid(identity.uid).set_gid(identity.gid).set_additional_gids(Some(identity.groups));
        process.set_user(user);
        let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        fs::write(dir.join(files::USER), numbers.join(" ")).context("write the user")?;
        let mut env = process.env().clone().unwrap_or_default();
        if !env.iter().any(|entry| entry.starts_with("HOME=")) {
            env.push(format!("HOME={}", identity.home));
            process.set_env(Some(env));
        }
    }
    Ok(())
}

/// Receives a terminal's master from the container's first process.
pub fn receive_console(listener: &std::os::unix::net::UnixListener) -> Result<OwnedFd> {
    use std::os::fd::AsRawFd;
    let what = "receive the terminal";
    let (socket, _): (UnixStream, _) = listener.accept().context(what)?;
    let mut buffer = [0_u8; 256];
    let (_, mut fds) = crate::shim::fds::receive(socket.as_raw_fd(), &mut buffer).context(what)?;
    fds.pop().ok_or_else(|| Error::Protocol("no terminal came".to_owned()))
}

/// Reads a file as JSON.
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let what = || format!("read {}", path.display());
    let bytes = fs::read(path).context(what())?;
    serde_json::from_slice(&bytes).map_err(|error| Error::Io { what: what(), source: error.into() })
}

/// Writes a file as JSON.
pub fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<()> {
    let what = || format!("write {}", path.display());
    let bytes = serde_json::to_vec(value).map_err(|error| Error::Io { what: what(), source: error.into() })?;
    fs::write(path, bytes).context(what())
}

/// libcontainer's error with its causes, as one line.
pub fn failed(error: LibcontainerError) -> Error {
    Error::Container(chain(&error))
}

/// The same with the cause that it leaves out.
pub fn because(error: LibcontainerError, causes: &Causes) -> Error {
    match (failed(error), causes.first()) {
        (Error::Container(text), cause) if !cause.is_empty() && !text.contains(&cause) => {
            Error::Container(format!("{text}: {cause}"))
        }
        (error, _) => error,
    }
}

/// The spec a container was made with.
pub fn load_spec(dir: &Path) -> Result<Spec> {
    read_json(&dir.join("config.json"))
}
