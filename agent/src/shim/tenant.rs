//! A command beside a container's first process, in a child of the shim.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use serde::{Deserialize, Serialize};

use crate::shim::create::{because, failed, load_spec, read_json, write_json};
use crate::shim::error::{Context, Error, Result};
use crate::shim::executor::Launch;
use crate::shim::fork;
use crate::shim::output::read_message;
use crate::shim::task::files;
use crate::shim::trace::Causes;

/// What to run, in `exec-N.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Program and arguments.
    pub args: Vec<String>,
    /// A listening socket that is sent the terminal's master; none without a terminal.
    pub console: Option<PathBuf>,
}

/// The name of such a file.
pub fn command_file(number: u32) -> String {
    format!("exec-{number}.json")
}

/// Runs command `number` in the container of `dir`, as its user and with its limits, and gives
/// the pid.
pub fn exec(dir: &Path, id: &str, number: u32, stdio: [OwnedFd; 3]) -> Result<i32> {
    fork::default_signals();
    let command_path = dir.join(command_file(number));
    let process_path = dir.join(format!("process-{number}.json"));
    let outcome = run(dir, id, &command_path, &process_path, stdio);
    let _ = fs::remove_file(command_path);
    let _ = fs::remove_file(process_path);
    outcome
}

fn run(
    dir: &Path,
    id: &str,
    command_path: &Path,
    process_path: &Path,
    [stdin, stdout, stderr]: [OwnedFd; 3],
) -> Result<i32> {
    let command: Command = read_json(command_path)?;
    let spec = load_spec(dir)?;
    let mut process = spec.process().clone().ok_or_else(|| Error::Config("the container has no process".to_owned()))?;
    process.set_args(Some(command.args)).set_terminal(Some(command.console.is_some()));
    write_json(process_path, &process)?;
    let state = dir.join(files::STATE);
    let causes = Causes::listen()?;
    let (report, launch) = pipe2(OFlag::O_CLOEXEC).context("make a pipe")?;
    let mut builder = ContainerBuilder::new(id.to_owned(), SyscallType::default())
        .with_root_path(&state)
        .map_err(failed)?
        .with_executor(Launch::new(launch));
    builder = match command.console {
        Some(console) => builder.with_console_socket(Some(console)),
        None => builder.with_stdin(stdin).with_stdout(stdout).with_stderr(stderr),
    };
    let built = builder.as_tenant().with_detach(true).with_process(Some(process_path)).build();
    let refusal = read_message(&report);
    if !refusal.is_empty() {
        return Err(Error::Container(refusal));
    }
    Ok(built.map_err(|error| because(error, &causes))?.as_raw())
}

/// libcontainer leaves the sockets of each command behind. To be called while none is being
/// started, since one that is would lose its own.
pub fn forget_sockets(dir: &Path, id: &str) {
    for entry in fs::read_dir(dir.join(files::STATE).join(id)).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("tenant-") {
            let _ = fs::remove_file(entry.path());
        }
    }
}
