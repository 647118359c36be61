//! Requests to the zygote, and the news of one shim into the state of one container.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::task::JoinHandle;

use crate::runtime::embedded::cgroup::Cgroup;
use crate::runtime::embedded::events;
use crate::runtime::embedded::namespaces::unmount;
use crate::runtime::embedded::options::Options;
use crate::runtime::embedded::store::{Container, State, Store, blocking, unpoisoned};
use crate::runtime::error::{Error, Result};
use crate::shim::exit::ExitRecord;
use crate::shim::fds;
use crate::shim::process;
use crate::shim::protocol::{HEADER, Message, PAYLOAD_MAX};
use crate::shim::task::files;

/// How long a shim may take from its socket's end to its own.
const LAST_WORDS: Duration = Duration::from_secs(10);
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

/// A connection to the shim of a container.
pub fn connect(dir: &Path) -> io::Result<UnixStream> {
    let stream = fds::connect(&dir.join(files::SOCKET))?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// Listens to a shim for as long as it lives. The task ends with the container as it was made
/// when no shim ever came to begin with it.
pub async fn watch(store: Arc<Store>, container: Arc<Container>, stream: UnixStream) -> JoinHandle<()> {
    let read = adopt_stream(&container, stream).await;
    tokio::spawn(async move {
        let mut frames = Frames::new(read);
        for attempt in 0_u32.. {
            // A shim with too many connections refuses ours until one ends.
            if attempt > 2 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            hear(&store, &container, &mut frames).await;
            *container.control.lock().await = None;
            // A start that came twice is told to go to the shim that came first; and a shim may
            // have given us up for being slow.
            match connect(&container.dir) {
                Ok(stream) => frames = Frames::new(adopt_stream(&container, stream).await),
                Err(_) => break,
            }
        }
        if !container.dir.join(files::BEGUN).exists() {
            return;
        }
        if let Err(error) = settle(&store, &container, "its shim was killed").await {
            tracing::error!(%error, id = container.id, "a container's end can't be recorded");
        }
    })
}

async fn adopt_stream(container: &Container, stream: UnixStream) -> OwnedReadHalf {
    let (read, write) = stream.into_split();
    *container.control.lock().await = Some(write);
    read
}

async fn hear(store: &Store, container: &Container, frames: &mut Frames<OwnedReadHalf>) {
    while let Ok(Some(message)) = frames.next().await {
        match message {
            Message::Started(pid, started_at) => {
                let running = State::Running { pid, started_at };
                if container.state.send_replace(running.clone()) != running {
                    events::started(store, container);
                }
            }
            Message::Failed(text) => ended(store, container, ExitRecord::never_started(text)),
            Message::Exited(json) => match serde_json::from_str(&json) {
                Ok(record) => ended(store, container, record),
                Err(error) => tracing::error!(%error, "an exit record can't be read"),
            },
            Message::Busy | Message::Refused(_) => return,
            _ => {}
        }
    }
}

fn ended(store: &Store, container: &Container, record: ExitRecord) {
    let gone = false;
    let before = container.state.send_replace(State::Exited { record, gone });
    if !matches!(before, State::Exited { .. }) {
        events::stopped(store, container);
    }
}

/// Writes down the end of a container without a shim. One that left no exit record is killed
/// and failed: nobody could tell how it goes on.
pub async fn settle(store: &Store, container: &Arc<Container>, why: &'static str) -> Result<()> {
    let (dir, cgroup) = (container.dir.clone(), container.record().cgroup.clone());
    let started_at = match container.state() {
        State::Running { started_at, .. } => started_at,
        _ => 0,
    };
    let record = blocking("settle a container", move || settle_here(&dir, &cgroup, started_at, why))
        .await?
        .map_err(|error| Error::internal("settle a container", error))?;
    let before = container.state.send_replace(State::Exited { record, gone: true });
    if !matches!(before, State::Exited { .. }) {
        events::stopped(store, container);
    }
    Ok(())
}

fn settle_here(dir: &Path, cgroup: &str, started_at: i64, why: &str) -> crate::shim::error::Result<ExitRecord> {
    if !dir.exists() {
        return Ok(ExitRecord::lost(started_at, "it was removed"));
    }
    // One that is still there does not listen any more: it is writing its last words.
    see_off(dir);
    sweep(dir, cgroup);
    match ExitRecord::load(dir) {
        Ok(Some(record)) => Ok(record),
        // A torn record says no more than none.
        Ok(None) | Err(_) => {
            let record = ExitRecord::lost(started_at, why);
            record.save(dir)?;
            Ok(record)
        }
    }
}

/// Waits for a shim's end, and ends it when it does not come.
pub fn see_off(dir: &Path) {
    let begin = Instant::now();
    while let Some((pid, start_time)) = process::load(&dir.join(files::LOCK))
        && process::is_alive(pid, start_time)
    {
        if begin.elapsed() > LAST_WORDS {
            tracing::warn!(pid, dir = %dir.display(), "a shim that does not end is killed");
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Removes whatever a shim leaves behind when it can't do so itself.
pub fn sweep(dir: &Path, cgroup: &str) {
    let cgroup = Cgroup::open(cgroup);
    cgroup.kill_all();
    cgroup.remove();
    unmount(&dir.join(files::ROOTFS));
    let _ = fs::remove_file(dir.join(files::SOCKET));
    let _ = fs::remove_dir_all(dir.join(files::STATE));
}

/// Sends a message to the shim of a running container.
pub async fn tell(container: &Container, message: &Message) -> Result<()> {
    use tokio::io::AsyncWriteExt;
    let mut control = container.control.lock().await;
    let gone = || Error::FailedPrecondition(format!("container {} does not run", container.id));
    let write = control.as_mut().ok_or_else(gone)?;
    write.write_all(&message.encode()).await.map_err(|_| gone())
}

/// Asks the shim of a running container for something, and waits until it is done.
pub async fn ask(container: &Container, message: &Message) -> Result<()> {
    use tokio::io::AsyncWriteExt;
    let gone = || Error::FailedPrecondition(format!("container {} does not run", container.id));
    let (read, mut write) = connect(&container.dir).map_err(|_| gone())?.into_split();
    write.write_all(&message.encode()).await.map_err(|_| gone())?;
    let mut frames = Frames::new(read);
    loop {
        match frames.next().await? {
            Some(Message::Done) => return Ok(()),
            Some(Message::Refused(text)) => return Err(Error::FailedPrecondition(text)),
            Some(Message::Started(..)) => {}
            _ => return Err(gone()),
        }
    }
}

/// Messages out of a stream.
#[derive(Debug)]
pub struct Frames<R> {
    read: R,
    held: Vec<u8>,
}

impl<R> Frames<R> {
    /// From a stream.
    pub const fn new(read: R) -> Self {
        Self { read, held: Vec::new() }
    }

    /// From a stream of which some bytes were read already.
    pub const fn with(read: R, held: Vec<u8>) -> Self {
        Self { read, held }
    }
}

impl<R: AsyncReadExt + Unpin> Frames<R> {
    /// The next message; None at the stream's end. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Result<Option<Message>> {
        loop {
            let decoded = Message::decode(&self.held);
            let decoded = decoded.map_err(|error| Error::internal("hear a shim", error))?;
            if let Some((message, taken)) = decoded {
                self.held.drain(..taken);
                return Ok(Some(message));
            }
            if self.held.len() > HEADER + PAYLOAD_MAX {
                return Err(Error::Unavailable("a shim sent too much".to_owned()));
            }
            match self.read.read_buf(&mut self.held).await {
                Ok(0) | Err(_) => return Ok(None),
                Ok(_) => {}
            }
        }
    }
}
