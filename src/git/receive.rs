//! The daemon's end of the hooks: takes pushes from a unix socket, asks a [`Receiver`], streams its lines back.

use std::fs::{self, File, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};

use crate::git::error::{Context, Error};
use crate::git::protocol::{self, Hello, HookKind, Push, Reply, SOCKET_PATH_BYTES_MAX};
use crate::git::reader::Reader;
use crate::git::text;

/// Pushes spoken with at once; further ones wait.
pub const CONNECTIONS_MAX: usize = 64;
/// Lines waiting for a slow pusher; over it the receiver waits.
const LINES_MAX: usize = 64;
/// Seconds a hook has to send its frame.
const HELLO_S: u64 = 30;
/// Seconds a pusher may leave a line unread before the view ends.
const WRITE_S: u64 = 60;

/// What the daemon decides about a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The refs move.
    Accept,
    /// Nothing changes; the reasons have been sent as lines.
    Refuse,
}

/// Who decides about pushes and shows their progress.
pub trait Receiver: Send + Sync + 'static {
    /// Decides before anything has moved. The new objects are readable through [`open`]. Dropped when the pusher goes
    /// away, which refuses the push.
    fn pre_receive(&self, push: Push, lines: Lines) -> BoxFuture<'_, Verdict>;

    /// Shows what becomes of a push that was accepted. Runs to its end also when the pusher has gone; it may stop early
    /// on [`Lines::closed`], since it is only a view.
    fn post_receive(&self, push: Push, lines: Lines) -> BoxFuture<'_, ()>;
}

/// The way to the pusher's terminal.
#[derive(Clone, Debug)]
pub struct Lines {
    to: mpsc::Sender<String>,
}

impl Lines {
    /// Shows text at once, line by line, sanitised; false when the pusher has gone.
    pub async fn send(&self, text: &str) -> bool {
        for line in text.lines() {
            if self.to.send(text::line(&line.replace('\t', "    ")).into_owned()).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Waits until the pusher has gone.
    pub async fn closed(&self) {
        self.to.closed().await;
    }

    /// A pair without a socket, for what wants to listen in the same process.
    pub fn channel() -> (Self, mpsc::Receiver<String>) {
        let (to, from) = mpsc::channel(LINES_MAX);
        (Self { to }, from)
    }
}

/// Opens the pushed-to repository with the objects that are not accepted yet.
pub fn open(push: &Push) -> Result<Reader, Error> {
    let objects = push.repository.join("objects");
    for dir in &push.quarantine {
        // The hook names the folder; only git's own place is believed.
        if !dir.starts_with(&objects) {
            return Err(Error::Protocol(format!("quarantine {} is outside of the repository", dir.display())));
        }
    }
    Reader::open_with(&push.repository, &push.quarantine)
}

/// The bound socket; removed from the disk when dropped.
#[derive(Debug)]
pub struct HookSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for HookSocket {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = fs::remove_file(&self.path);
    }
}

impl HookSocket {
    /// Binds `path` with mode 0600. A socket left behind by a dead daemon is replaced, a living one is an error.
    pub fn bind(path: &Path) -> Result<Self, Error> {
        let io = |source| Error::Io { what: format!("binding the socket {}", path.display()), source };
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Error::NotFound(format!("socket {}", path.display())));
        };
        // Kept open until the rename: a long path is reached through this descriptor.
        let opened = File::open(folder).map_err(io)?;
        let near = if path.as_os_str().len() + 4 < SOCKET_PATH_BYTES_MAX {
            folder.to_owned()
        } else {
            PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()))
        };
        if std::os::unix::net::UnixStream::connect(near.join(name)).is_ok() {
            return Err(io(std::io::Error::new(
                std::io::ErrorKind::AddrInUse,
                "another control plane is listening there",
            )));
        }
        let mut fresh = name.to_owned();
        fresh.push(".new");
        let fresh = near.join(fresh);
        match fs::remove_file(&fresh) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io(e)),
            _ => {}
        }
        // Bound beside and renamed, so that nobody meets it before its mode is set.
        let listener = UnixListener::bind(&fresh).map_err(io)?;
        fs::set_permissions(&fresh, Permissions::from_mode(0o600)).map_err(io)?;
        fs::rename(&fresh, near.join(name)).map_err(io)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Serves hooks until dropped.
    pub async fn serve(self, receiver: Arc<dyn Receiver>) -> Error {
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                return Error::Protocol("the semaphore of hooks is closed".into());
            };
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(source) => {
                    // Out of descriptors, most likely: others will be given back.
                    tracing::warn!(error = %source, "taking a hook's connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let receiver = Arc::clone(&receiver);
            tokio::spawn(async move {
                if let Err(error) = talk(stream, receiver).await {
                    tracing::warn!(%error, "talking to a hook");
                }
                drop(slot);
            });
        }
    }
}

async fn talk(mut stream: UnixStream, receiver: Arc<dyn Receiver>) -> Result<(), Error> {
    let me = nix::unistd::geteuid().as_raw();
    let peer = stream.peer_cred().what(|| "asking who the hook is".into())?.uid();
    if peer != me && peer != 0 {
        return Err(Error::Protocol(format!("user {peer} may not speak for a push")));
    }
    let hello = tokio::time::timeout(Duration::from_secs(HELLO_S), read_hello(&mut stream))
        .await
        .map_err(|_| Error::Protocol(format!("the hook said nothing for {HELLO_S} s")))??;
    let (lines, view) = Lines::channel();
    match hello.kind {
        HookKind::PreReceive => {
            // One future for both: a pusher who goes away drops the decision.
            let decide = async { receiver.pre_receive(hello.push, lines).await };
            let (verdict, mut stream) = show(stream, view, decide).await?;
            let accept = verdict == Verdict::Accept;
            write(&mut stream, &Reply::Verdict { accept }).await
        }
        HookKind::PostReceive => {
            // A task of its own: what it waits for goes on without a viewer.
            let task = tokio::spawn(async move { receiver.post_receive(hello.push, lines).await });
            let (ended, mut stream) = show(stream, view, task).await?;
            if let Err(error) = ended {
                tracing::error!(%error, "showing the progress of a push");
            }
            write(&mut stream, &Reply::Verdict { accept: true }).await
        }
    }
}

/// Streams lines until the work is done and the last line is written; an error when the pusher goes first.
async fn show<T>(
    mut stream: UnixStream,
    mut view: mpsc::Receiver<String>,
    work: impl Future<Output = T>,
) -> Result<(T, UnixStream), Error> {
    tokio::pin!(work);
    let done = loop {
        let mut byte = [0; 1];
        tokio::select! {
            // Lines first, so that the last ones are not behind the verdict. Written outside of the select: a frame
            // is never torn.
            biased;
            Some(line) = view.recv() => write(&mut stream, &Reply::Line(line)).await?,
            done = &mut work => break done,
            // The hook sends nothing after its frame: whatever this read gives is its end.
            _ = stream.read(&mut byte) => return Err(Error::Protocol("the pusher has gone".into())),
        }
    };
    view.close();
    while let Some(line) = view.recv().await {
        write(&mut stream, &Reply::Line(line)).await?;
    }
    Ok((done, stream))
}

async fn read_hello(stream: &mut UnixStream) -> Result<Hello, Error> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.what(|| "reading from a hook".into())?;
    let mut body = vec![0; protocol::frame_length(head)?];
    stream.read_exact(&mut body).await.what(|| "reading from a hook".into())?;
    protocol::decode(&body)
}

async fn write(to: &mut (impl AsyncWriteExt + Unpin), reply: &Reply) -> Result<(), Error> {
    let frame = protocol::encode(reply)?;
    match tokio::time::timeout(Duration::from_secs(WRITE_S), to.write_all(&frame)).await {
        Ok(written) => written.what(|| "writing to a hook".into()),
        Err(_) => Err(Error::Protocol(format!("the hook read nothing for {WRITE_S} s"))),
    }
}
