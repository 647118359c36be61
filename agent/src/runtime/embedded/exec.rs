//! Commands in a running container, and connections to its own streams.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use tokio::io::{AsyncReadExt, AsyncWrite, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedWriteHalf, pipe};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::runtime::contract::{AttachRequest, ExecOutput, ExecRequest};
use crate::runtime::embedded::guarded::blocking;
use crate::runtime::embedded::held::Container;
use crate::runtime::embedded::shims::{self, Frames};
use crate::runtime::embedded::store::Store;
use crate::runtime::embedded::terminal::Terminal;
use crate::runtime::error::{Error, Result};
use crate::runtime::streams::{BoxRead, BoxWrite, Session, TerminalSize};
use crate::shim::create::{receive_console, write_json};
use crate::shim::exit::ExitRecord;
use crate::shim::fds;
use crate::shim::protocol::Message;
use crate::shim::tenant::{Command, command_file};

/// The most output of a short command that is kept, in bytes a stream.
const OUTPUT_MAX: u64 = 16 << 20;
/// How long output may go on after a short command has ended.
const DRAIN: Duration = Duration::from_secs(2);
/// Sizes of a terminal that wait.
const RESIZES_MAX: usize = 8;

static NUMBERS: AtomicU32 = AtomicU32::new(0);

/// Runs a command with live streams.
pub async fn exec(store: &Store, request: ExecRequest) -> Result<Session> {
    let container = store.container(&request.container_id)?;
    container.running()?;
    if request.command.is_empty() {
        return Err(Error::InvalidArgument("no command specified".to_owned()));
    }
    // The process id keeps numbers of an agent that was killed apart from ours.
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed) ^ (std::process::id() << 12);
    let console = container.dir.join(format!("tty-{number}.sock"));
    let listener = match request.tty {
        true => Some(fds::listen(&console).map_err(internal("listen for the terminal"))?),
        false => None,
    };
    let command = Command { args: request.command, console: listener.is_some().then(|| console.clone()) };
    write_json(&container.dir.join(command_file(number)), &command)
        .map_err(|error| Error::internal("write the command", error))?;
    let (mut session, theirs) = streams(request.tty, request.stdin, request.stdout, request.stderr)?;
    let stream = shims::connect(&container.dir).map_err(|_| ended(&container))?;
    send(&stream, &Message::Exec(number), &theirs).await?;
    drop(theirs);
    let mut frames = Frames::new(stream);
    loop {
        match frames.next().await? {
            Some(Message::ExecStarted(_)) => break,
            Some(Message::ExecFailed(text)) => {
                let _ = std::fs::remove_file(&console);
                return Err(Error::Start(text));
            }
            Some(Message::Refused(text)) => return Err(Error::FailedPrecondition(text)),
            Some(Message::Started(..)) => {}
            _ => return Err(ended(&container)),
        }
    }
    if let Some(listener) = listener {
        let master = blocking("receive the terminal", move || receive_console(&listener))
            .await?
            .map_err(|error| Error::internal("receive the terminal", error))?;
        let _ = std::fs::remove_file(&console);
        terminal(&mut session, master, request.stdin, None)?;
    }
    session.exit = async move {
        loop {
            match frames.next().await? {
                Some(Message::ExecExited(code)) => return Ok(code),
                Some(_) => {}
                None => return Err(Error::Unavailable("the container's shim is gone".to_owned())),
            }
        }
    }
    .boxed();
    Ok(session)
}

/// Runs a command to its end.
pub async fn exec_sync(store: &Store, id: &str, command: Vec<String>, limit: Option<Duration>) -> Result<ExecOutput> {
    let request =
        ExecRequest { container_id: id.to_owned(), command, stdout: true, stderr: true, ..ExecRequest::default() };
    let run = async {
        let session = exec(store, request).await?;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut exit = session.exit;
        let exit_code = {
            let reads = async {
                tokio::join!(collect(session.stdout, &mut stdout), collect(session.stderr, &mut stderr));
            };
            tokio::pin!(reads);
            tokio::select! {
                () = &mut reads => exit.await?,
                code = &mut exit => {
                    // Something it has left behind may hold its output open for ever.
                    let _ = timeout(DRAIN, &mut reads).await;
                    code?
                }
            }
        };
        Ok(ExecOutput { stdout, stderr, exit_code })
    };
    match limit {
        None => run.await,
        // Dropping the run hangs up, and the shim kills all that the command has started.
        Some(limit) => timeout(limit, run).await.unwrap_or_else(|_| {
            Err(Error::DeadlineExceeded(format!("command timed out after {} s", limit.as_secs_f32())))
        }),
    }
}

async fn collect(read: Option<BoxRead>, bytes: &mut Vec<u8>) {
    let Some(mut read) = read else { return };
    let mut kept = (&mut read).take(OUTPUT_MAX);
    if kept.read_to_end(bytes).await.is_ok() {
        // The command must not stop at a full pipe.
        let _ = tokio::io::copy(&mut read, &mut tokio::io::sink()).await;
    }
}

/// Connects to the container's own streams.
pub async fn attach(store: &Store, request: AttachRequest) -> Result<Session> {
    let container = store.container(&request.container_id)?;
    container.running()?;
    let (tty, has_stdin) = {
        let record = container.record();
        (record.config.tty, record.config.stdin)
    };
    if request.stdin && !has_stdin && !tty {
        let text = format!("container {} has no stdin", container.id);
        return Err(Error::FailedPrecondition(text));
    }
    let wants_err = request.stderr && !tty;
    let (mut session, theirs) = streams(false, false, request.stdout, wants_err)?;
    let stream = shims::connect(&container.dir).map_err(|_| ended(&container))?;
    let bits = u8::from(request.stdin) | u8::from(request.stdout) << 1 | u8::from(wants_err) << 2;
    send(&stream, &Message::Attach(bits), &theirs[1..]).await?;
    drop(theirs);
    let (held, way_in) = attached(&stream, &container).await?;
    let (from_shim, to_shim) = stream.into_split();
    match way_in {
        Some(master) if tty => {
            to_shim.forget();
            let stdout = session.stdout.take();
            terminal(&mut session, master, request.stdin, Some(stdout))?;
        }
        Some(write) if request.stdin => {
            let pipe = pipe::Sender::from_owned_fd(write).map_err(internal("attach"))?;
            session.stdin = Some(Box::pin(Stdin { pipe: Some(pipe), shim: Some(to_shim) }) as BoxWrite);
        }
        _ => to_shim.forget(),
    }
    let mut frames = Frames::with(from_shim, held);
    session.exit = async move {
        loop {
            match frames.next().await? {
                Some(Message::Exited(json)) => {
                    let record: ExitRecord =
                        serde_json::from_str(&json).map_err(|error| Error::internal("read an exit record", error))?;
                    return Ok(record.exit_code);
                }
                Some(_) => {}
                None => return Err(Error::Unavailable("the container's shim is gone".to_owned())),
            }
        }
    }
    .boxed();
    Ok(session)
}

/// The way into a container's stdin. The shim holds one as well, and is told when this one ends.
struct Stdin {
    pipe: Option<pipe::Sender>,
    shim: Option<OwnedWriteHalf>,
}

impl Stdin {
    fn end(&mut self) {
        self.pipe = None;
        if let Some(shim) = self.shim.take() {
            // A frame of three bytes always fits; a shim that is gone has closed it already.
            let _ = shim.try_write(&Message::CloseStdin.encode());
            // The connection goes on with its other half.
            shim.forget();
        }
    }
}

impl Drop for Stdin {
    fn drop(&mut self) {
        self.end();
    }
}

impl AsyncWrite for Stdin {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.pipe {
            Some(pipe) => Pin::new(pipe).poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pipe.as_mut().map_or(Poll::Ready(Ok(())), |pipe| Pin::new(pipe).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end();
        Poll::Ready(Ok(()))
    }
}

/// Waits for the answer to an attach, and the file descriptor with it.
async fn attached(stream: &UnixStream, container: &Container) -> Result<(Vec<u8>, Option<OwnedFd>)> {
    let mut held = Vec::new();
    let mut way_in = None;
    loop {
        let mut buffer = [0_u8; 1024];
        let receive = || fds::receive(stream.as_raw_fd(), &mut buffer);
        let (length, mut received) = stream.async_io(Interest::READABLE, receive).await.map_err(internal("attach"))?;
        if length == 0 {
            return Err(ended(container));
        }
        way_in = received.pop().or(way_in);
        held.extend_from_slice(&buffer[..length]);
        while let Some((message, taken)) = Message::decode(&held).map_err(|error| Error::internal("attach", error))? {
            held.drain(..taken);
            match message {
                Message::Attached => return Ok((held, way_in)),
                Message::Refused(text) => return Err(Error::FailedPrecondition(text)),
                _ => {}
            }
        }
    }
}

async fn send(stream: &UnixStream, message: &Message, theirs: &[OwnedFd]) -> Result<()> {
    let raw: Vec<i32> = theirs.iter().map(AsRawFd::as_raw_fd).collect();
    let frame = message.encode();
    stream
        .async_io(Interest::WRITABLE, || fds::send(stream.as_raw_fd(), &frame, &raw))
        .await
        .map(drop)
        .map_err(internal("reach the shim"))
}

fn ended(container: &Container) -> Error {
    Error::FailedPrecondition(format!("container {} does not run", container.id))
}

fn internal(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| Error::internal(what, error)
}

/// The streams of a session and the process' ends of them: stdin, stdout, stderr.
fn streams(tty: bool, stdin: bool, stdout: bool, stderr: bool) -> Result<(Session, Vec<OwnedFd>)> {
    let failed = internal("make pipes");
    let null = || std::fs::OpenOptions::new().read(true).write(true).open("/dev/null");
    let pair = || pipe2(OFlag::O_CLOEXEC).map_err(io::Error::from);
    let pending = futures::future::pending().boxed();
    let mut session = Session { stdin: None, stdout: None, stderr: None, resize: None, exit: pending };
    let mut theirs = Vec::new();
    if stdin && !tty {
        let (read, write) = pair().map_err(&failed)?;
        let write = pipe::Sender::from_owned_fd(write).map_err(&failed)?;
        session.stdin = Some(Box::pin(write));
        theirs.push(read);
    } else {
        theirs.push(null().map_err(&failed)?.into());
    }
    for (wanted, place) in [(stdout, &mut session.stdout), (stderr, &mut session.stderr)] {
        if wanted && !tty {
            let (read, write) = pair().map_err(&failed)?;
            let read = pipe::Receiver::from_owned_fd(read).map_err(&failed)?;
            *place = Some(Box::pin(read) as BoxRead);
            theirs.push(write);
        } else {
            theirs.push(null().map_err(&failed)?.into());
        }
    }
    Ok((session, theirs))
}

/// Gives a session a terminal. `stdout` is what carries its output; None: the terminal itself.
fn terminal(session: &mut Session, master: OwnedFd, stdin: bool, stdout: Option<Option<BoxRead>>) -> Result<()> {
    let terminal = Terminal::new(master).map_err(internal("open the terminal"))?;
    let (sender, mut sizes) = mpsc::channel::<TerminalSize>(RESIZES_MAX);
    let resized = terminal.clone();
    tokio::spawn(async move {
        while let Some(size) = sizes.recv().await {
            if let Err(error) = resized.resize(size) {
                tracing::debug!(%error, "a terminal can't be resized");
            }
        }
    });
    session.resize = Some(sender);
    session.stdin = stdin.then(|| Box::pin(terminal.clone()) as BoxWrite);
    session.stdout = match stdout {
        Some(stdout) => stdout,
        None => Some(Box::pin(terminal) as Pin<Box<_>>),
    };
    Ok(())
}

/// Removes the files that commands of a killed agent have left.
pub fn sweep(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if ["tty-", "exec-", "process-"].iter().any(|prefix| name.starts_with(prefix)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
