//! The process that forks shims, as the agent holds it: started when needed, from a program that nobody can write to.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use nix::mount::{MsFlags, mount};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use tokio::net::UnixStream;

use crate::runtime::embedded::guarded::unpoisoned;
use crate::runtime::embedded::namespaces::unmount;
use crate::runtime::embedded::options::Options;
use crate::shim::fds;
use crate::shim::task::files;

/// Where the program shims run from is seen, read-only.
const PROGRAM: &str = "shim";

/// The process that forks shims; started when first needed, and again when it died.
#[derive(Debug)]
pub struct Zygote {
    program: PathBuf,
    args: Vec<OsString>,
    state_dir: PathBuf,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    socket: Option<OwnedFd>,
    child: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It ends when its socket closes; the shims it has made do not.
        self.socket = None;
        let _ = self.child.wait();
    }
}

impl Zygote {
    /// Not started yet.
    pub fn new(options: &Options) -> Self {
        Self {
            program: options.shim_program.clone(),
            args: options.shim_args.clone(),
            state_dir: options.state_dir.clone(),
            running: Mutex::default(),
        }
    }

    /// Forks a shim for a directory; what it says comes out of the stream.
    pub fn request(&self, kind: u8, directory: &Path) -> io::Result<UnixStream> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        let mut request = vec![kind];
        request.extend_from_slice(directory.as_os_str().as_bytes());
        let mut running = unpoisoned(&self.running);
        let alive = running.as_ref().and_then(|running| running.socket.as_ref());
        let sent = match alive {
            Some(socket) => fds::send(socket.as_raw_fd(), &request, &[theirs.as_raw_fd()]),
            None => Err(io::ErrorKind::NotConnected.into()),
        };
        if sent.is_err() {
            let started = running.insert(self.start()?);
            let socket = started.socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
            fds::send(socket.as_raw_fd(), &request, &[theirs.as_raw_fd()])?;
        }
        drop(running);
        ours.set_nonblocking(true)?;
        UnixStream::from_std(ours)
    }

    fn start(&self) -> io::Result<Running> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        let log = OpenOptions::new().append(true).create(true).open(self.state_dir.join(files::SHIM_LOG))?;
        let child = Command::new(sealed(&self.program, &self.state_dir.join(PROGRAM))?)
            .args(&self.args)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::from(log))
            .spawn()?;
        Ok(Running { socket: Some(ours), child })
    }
}

/// The program under a read-only mount: a container that gets hold of /proc/PID/exe of a shim
/// can't write to it (CVE-2019-5736).
fn sealed(program: &Path, place: &Path) -> io::Result<PathBuf> {
    unmount(place);
    let program = match fs::canonicalize(program) {
        Ok(program) => {
            File::create(place)?;
            program
        }
        // The program was replaced on the disk while it ran: what runs can still be read by its link, not mounted.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let fresh = place.with_extension("new");
            fs::copy(program, &fresh)?;
            fs::rename(&fresh, place)?;
            place.to_path_buf()
        }
        Err(error) => return Err(error),
    };
    let none = None::<&str>;
    let flags = MsFlags::MS_BIND;
    mount(Some(&program), place, none, flags, none)?;
    let flags = flags | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(none, place, none, flags, none)?;
    Ok(place.to_path_buf())
}

/// Removes that mount.
pub fn unseal(state_dir: &Path) {
    unmount(&state_dir.join(PROGRAM));
}
