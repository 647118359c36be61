//! One process that forks the shims: containers and pauses in, processes of their own out.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::libc;
use nix::sys::signal::{SigHandler, Signal};
use nix::unistd::{ForkResult, setsid};

use crate::shim::fork::{set_disposition, split};
use crate::shim::{fds, pause, seccomp, supervise};

/// What precedes the directory in a request for a container.
pub const CONTAINER: u8 = b'c';
/// What precedes the directory in a request for a pod's pid namespace.
pub const PAUSE: u8 = b'p';
/// The longest request in bytes.
const REQUEST_MAX: usize = 4096 + 1;

/// Serves requests on stdin, a SEQPACKET socket, until the agent closes it. A request is a
/// letter and a directory, with a socket for the shim's answers beside it.
pub fn run() -> ExitCode {
    close_inherited();
    // Children end on their own; nobody waits for them here, so the kernel reaps them.
    set_disposition(Signal::SIGCHLD, SigHandler::SigIgn);
    set_disposition(Signal::SIGPIPE, SigHandler::SigIgn);
    let _ = nix::sys::prctl::set_name(c"masthead-zygote");
    seccomp::prepare();
    let mut buffer = [0_u8; REQUEST_MAX];
    loop {
        let (length, mut sockets) = match fds::receive(0, &mut buffer) {
            Ok((0, _)) => return ExitCode::SUCCESS,
            Ok(received) => received,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                eprintln!("zygote: {error}");
                return ExitCode::FAILURE;
            }
        };
        let (Some((kind, path)), Some(reply)) = (buffer[..length].split_first(), sockets.pop()) else {
            continue;
        };
        let kind = *kind;
        let directory = path_of(path);
        match split() {
            Ok(ForkResult::Child) => return become_shim(kind, &directory, reply),
            Ok(ForkResult::Parent { .. }) => {}
            Err(error) => eprintln!("zygote: fork: {error}"),
        }
    }
}

/// Whatever the agent had open by mistake, its shims would keep open for ever.
#[expect(unsafe_code, reason = "closing by number can break an owner's promise")]
fn close_inherited() {
    // SAFETY: this is the first thing the program does; nothing in it owns a descriptor above
    // stderr yet.
    let _ = unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
}

fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(bytes)).to_path_buf()
}

fn become_shim(kind: u8, directory: &Path, reply: OwnedFd) -> ExitCode {
    let _ = setsid();
    set_disposition(Signal::SIGCHLD, SigHandler::SigDfl);
    // The zygote's request socket must not stay open here: the agent would never see it close.
    if let Ok(null) = std::fs::File::open("/dev/null") {
        let _ = nix::unistd::dup2_stdin(&null);
    }
    let reply = std::os::unix::net::UnixStream::from(reply);
    let outcome = match kind {
        CONTAINER => supervise::run(directory, reply),
        PAUSE => pause::run(directory, reply),
        other => {
            eprintln!("shim: unknown request {other} on {}", reply.as_raw_fd());
            return ExitCode::FAILURE;
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shim: {}: {error}", directory.display());
            ExitCode::FAILURE
        }
    }
}
