//! What one shim tells → the state of one container.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::task::JoinHandle;

use crate::runtime::embedded::cgroup::Cgroup;
use crate::runtime::embedded::events;
use crate::runtime::embedded::guarded::blocking;
use crate::runtime::embedded::held::{Container, State};
use crate::runtime::embedded::namespaces::unmount;
use crate::runtime::embedded::store::Store;
use crate::runtime::error::{Error, Result};
use crate::shim::exit::ExitRecord;
use crate::shim::fds;
use crate::shim::process;
use crate::shim::protocol::{HEADER, Message, PAYLOAD_MAX};
use crate::shim::task::files;

/// How long a shim may take from its socket's end to its own.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// The time between two looks at a shim that was killed.
const KILLED: Duration = Duration::from_millis(200);

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
    let (begin, mut pause) = (Instant::now(), Duration::from_millis(2));
    while let Some((pid, start_time)) = process::load(&dir.join(files::LOCK))
        && process::is_alive(pid, start_time)
    {
        if begin.elapsed() > LAST_WORDS && pause < KILLED {
            tracing::warn!(pid, dir = %dir.display(), "a shim that does not end is killed");
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            // One that the kernel holds may be there for long.
            pause = KILLED;
        }
        std::thread::sleep(pause);
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
