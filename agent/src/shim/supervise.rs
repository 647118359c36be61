//! The shim's loop: output to the log, requests to signals and commands, an end to an exit record.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, pipe2};

use crate::runtime::embedded::cgroup::Cgroup;
use crate::shim::client::{Client, Use};
use crate::shim::create::{self, Stdio, read_json, receive_console};
use crate::shim::error::{Context, Error, Result};
use crate::shim::exit::{ExitRecord, now};
use crate::shim::log::LogFile;
use crate::shim::output::{Output, read_message, set_nonblocking};
use crate::shim::protocol::Message;
use crate::shim::task::{Brief, files};
use crate::shim::{fds, fork, overlay, process, tenant};

/// The most connections at once.
const CLIENTS_MAX: usize = 64;
/// The most ended children whose names are not known yet.
const STRAYS_MAX: usize = 64;
/// How long output may go on after everything was killed.
const DRAIN_MS: u16 = 500;

/// One container.
struct Shim {
    dir: PathBuf,
    brief: Brief,
    cgroup: Cgroup,
    log: Option<LogFile>,
    stdout: Output,
    stderr: Output,
    /// The way into the container's stdin: a pipe or the terminal.
    stdin: Option<OwnedFd>,
    signals: SignalFd,
    listener: UnixListener,
    clients: Vec<Client>,
    /// The child that makes the container, and its answer.
    creator: Option<(Pid, OwnedFd)>,
    console: Option<UnixListener>,
    init: Option<Pid>,
    started_at: i64,
    /// Children that ended before anybody said who they were.
    strays: Vec<(Pid, WaitStatus)>,
}

/// What woke the loop.
enum Wake {
    Signal,
    Accept,
    Stdout,
    Stderr,
    Client(usize),
}

/// Owns the container of `dir` to its end. `reply` hears at once whether it was started.
pub fn run(dir: &Path, reply: UnixStream) -> Result<()> {
    let mut reply = Client::new(reply);
    let starting = lock(&dir.join(files::STARTING), FlockArg::LockExclusive)?;
    let Ok(mut held) = lock(&dir.join(files::LOCK), FlockArg::LockExclusiveNonblock) else {
        reply.send(&Message::Busy);
        return Ok(());
    };
    // Children inherit the lock, so it alone does not say that the shim lives.
    let pid = i32::try_from(std::process::id()).unwrap_or_default();
    let start_time = process::stat(pid).map_or(0, |stat| stat.start_time);
    held.set_len(0).and_then(|()| write!(held, "{pid} {start_time}")).context("name the shim")?;
    let begun = OpenOptions::new().write(true).create_new(true).open(dir.join(files::BEGUN));
    if begun.is_err() {
        reply.send(&Message::Refused("a container is started once".to_owned()));
        return Ok(());
    }
    let _ = fs::remove_file(dir.join(files::SOCKET));
    let listener = fds::listen(&dir.join(files::SOCKET)).context("listen")?;
    drop(starting);
    let mut shim = match Shim::open(dir, listener) {
        Ok(shim) => shim,
        Err(error) => {
            ExitRecord::never_started(error.to_string()).save(dir)?;
            reply.send(&Message::Failed(error.to_string()));
            return Err(error);
        }
    };
    shim.clients.push(reply);
    let record = match shim.start() {
        Ok(()) => shim.serve()?,
        Err(error) => ExitRecord::never_started(error.to_string()),
    };
    shim.finish(&record)
}

fn lock(path: &Path, how: FlockArg) -> Result<Flock<fs::File>> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
    let file = file.context(format!("open {}", path.display()))?;
    Flock::lock(file, how).map_err(|(_, error)| error).context("lock")
}

impl Shim {
    fn open(dir: &Path, listener: UnixListener) -> Result<Self> {
        let _ = prctl::set_name(c"masthead-shim");
        prctl::set_child_subreaper(true).context("become a sub-reaper")?;
        let mut mask = SigSet::empty();
        for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            mask.add(signal);
        }
        mask.thread_block().context("block signals")?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK);
        let brief: Brief = read_json(&dir.join(files::TASK))?;
        let log = brief.log.clone().map(LogFile::open).transpose()?;
        Ok(Self {
            dir: dir.to_path_buf(),
            cgroup: Cgroup::open(&brief.cgroup),
            brief,
            log,
            stdout: Output::new("stdout", None),
            stderr: Output::new("stderr", None),
            stdin: None,
            signals: signals.context("watch signals")?,
            listener,
            clients: Vec::new(),
            creator: None,
            console: None,
            init: None,
            started_at: 0,
            strays: Vec::new(),
        })
    }

    fn start(&mut self) -> Result<()> {
        let stdio = self.stdio()?;
        let (answer, say) = pipe2(OFlag::O_CLOEXEC).context("make a pipe")?;
        match fork::split().context("fork")? {
            ForkResult::Parent { child } => self.creator = Some((child, answer)),
            ForkResult::Child => {
                self.forget_clients();
                drop(answer);
                say_and_exit(&say, create::create(&self.dir, stdio));
            }
        }
        Ok(())
    }

    fn stdio(&mut self) -> Result<Stdio> {
        if self.brief.tty {
            let path = self.dir.join(files::CONSOLE);
            self.console = Some(fds::listen(&path).context("listen for the terminal")?);
            return Ok(None);
        }
        let pipe = || pipe2(OFlag::O_CLOEXEC).context("make a pipe");
        let (out_read, out_write) = pipe()?;
        let (err_read, err_write) = pipe()?;
        self.stdout = Output::new("stdout", Some(out_read));
        self.stderr = Output::new("stderr", Some(err_read));
        let stdin = if self.brief.stdin {
            let (read, write) = pipe()?;
            self.stdin = Some(write);
            read
        } else {
            fs::File::open("/dev/null").context("open /dev/null")?.into()
        };
        Ok(Some([stdin, out_write, err_write]))
    }

    /// In a child: what is the parent's must not stay open here.
    fn forget_clients(&mut self) {
        self.clients.clear();
        self.stdin = None;
        self.stdout.source = None;
        self.stderr.source = None;
    }

    /// Runs until the container has ended.
    fn serve(&mut self) -> Result<ExitRecord> {
        loop {
            for wake in self.wait(PollTimeout::NONE)? {
                match wake {
                    Wake::Stdout => drop(self.stdout.pump(&mut self.log)),
                    Wake::Stderr => drop(self.stderr.pump(&mut self.log)),
                    Wake::Accept => self.accept(),
                    Wake::Client(index) => self.hear(index),
                    Wake::Signal => {
                        if let Some(record) = self.reap()? {
                            return Ok(record);
                        }
                    }
                }
            }
            self.clients.retain(|client| !matches!(client.usage, Use::Ended));
        }
    }

    fn wait(&self, timeout: PollTimeout) -> Result<Vec<Wake>> {
        let mut polled = vec![
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.listener.as_fd(), PollFlags::POLLIN),
        ];
        let mut wakes = vec![Wake::Signal, Wake::Accept];
        for (output, wake) in [(&self.stderr, Wake::Stderr), (&self.stdout, Wake::Stdout)] {
            if let Some(source) = &output.source {
                polled.push(PollFd::new(source.as_fd(), PollFlags::POLLIN));
                wakes.push(wake);
            }
        }
        for (index, client) in self.clients.iter().enumerate().filter(|(_, c)| !c.gone) {
            polled.push(PollFd::new(client.socket.as_fd(), PollFlags::POLLIN));
            wakes.push(Wake::Client(index));
        }
        match poll(&mut polled, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("wait"),
        }
        let ready = polled.iter().map(|fd| fd.any().unwrap_or(true));
        // Output comes before the end it may be followed by.
        let mut woken: Vec<Wake> =
            wakes.into_iter().zip(ready).filter_map(|(wake, ready)| ready.then_some(wake)).collect();
        woken.reverse();
        Ok(woken)
    }

    fn accept(&mut self) {
        let Ok((socket, _)) = self.listener.accept() else { return };
        let mut client = Client::new(socket);
        if self.clients.len() >= CLIENTS_MAX {
            client.send(&Message::Refused("too many connections".to_owned()));
            return;
        }
        if let Some(init) = self.init {
            client.send(&Message::Started(init.as_raw(), self.started_at));
        }
        self.clients.push(client);
    }

    fn hear(&mut self, index: usize) {
        match self.clients[index].read() {
            Err(_) => self.hang_up(index),
            Ok(messages) => {
                for message in messages {
                    if let Err(error) = self.obey(index, &message) {
                        self.clients[index].send(&Message::Refused(error.to_string()));
                    }
                }
            }
        }
    }

    fn obey(&mut self, index: usize, message: &Message) -> Result<()> {
        match message {
            Message::Signal(number) => {
                let signal = Signal::try_from(*number).context("signal")?;
                if let Some(init) = self.init {
                    kill(init, signal).context("signal")?;
                }
            }
            Message::ReopenLog => {
                self.log.as_mut().map_or(Ok(()), LogFile::reopen)?;
                self.clients[index].send(&Message::Done);
            }
            Message::Exec(number) => self.exec(index, *number)?,
            Message::KillExec => self.kill_command(index),
            Message::Attach(bits) => self.attach(index, *bits)?,
            Message::CloseStdin => {
                // A terminal has no end of input but what its line discipline makes of a character.
                let ends = matches!(self.clients[index].usage, Use::Attached(true)) && self.brief.stdin_once;
                if ends && !self.brief.tty {
                    self.stdin = None;
                }
            }
            other => return Err(Error::Protocol(format!("not for a shim: {other:?}"))),
        }
        Ok(())
    }

    fn hang_up(&mut self, index: usize) {
        match self.clients[index].usage {
            // Nobody hears a command any more: it goes as with a closed terminal. One that is
            // being started is killed once its pid is known.
            Use::Running(_) => self.kill_command(index),
            Use::Attached(true) if self.brief.stdin_once => self.stdin = None,
            _ => {}
        }
        if matches!(self.clients[index].usage, Use::Starting { .. }) {
            self.clients[index].gone = true;
        } else {
            self.clients[index].usage = Use::Ended;
        }
    }

    fn exec(&mut self, index: usize, number: u32) -> Result<()> {
        let stdio: [OwnedFd; 3] = self.clients[index].take_fds()?;
        if self.init.is_none() || !matches!(self.clients[index].usage, Use::Watch) {
            return Err(Error::Config("the container does not run".to_owned()));
        }
        let (answer, say) = pipe2(OFlag::O_CLOEXEC).context("make a pipe")?;
        match fork::split().context("fork")? {
            ForkResult::Parent { child } => {
                self.clients[index].usage = Use::Starting { child, answer };
                Ok(())
            }
            ForkResult::Child => {
                self.forget_clients();
                drop(answer);
                say_and_exit(&say, tenant::exec(&self.dir, &self.brief.id, number, stdio));
            }
        }
    }

    fn kill_command(&self, index: usize) {
        if let Use::Running(pid) = self.clients[index].usage {
            process::kill_command(pid.as_raw(), || self.cgroup.pids());
        }
    }

    fn attach(&mut self, index: usize, bits: u8) -> Result<()> {
        let [stdout, stderr]: [OwnedFd; 2] = self.clients[index].take_fds()?;
        let stdin = (bits & 1 != 0).then_some(());
        let room = (bits & 2 == 0 || self.stdout.attach(stdout)) && (bits & 4 == 0 || self.stderr.attach(stderr));
        if !room {
            return Err(Error::Config("too many clients are attached".to_owned()));
        }
        let client = &mut self.clients[index];
        client.usage = Use::Attached(stdin.is_some());
        // A terminal's client always gets it: resizing takes it, too.
        match &self.stdin {
            Some(way_in) if stdin.is_some() || self.brief.tty => {
                client.send_with(&Message::Attached, way_in);
            }
            None if stdin.is_some() => {
                return Err(Error::Config("the container has no stdin".to_owned()));
            }
            _ => client.send(&Message::Attached),
        }
        Ok(())
    }

    /// Takes note of children that ended; an exit record when the container is one of them.
    fn reap(&mut self) -> Result<Option<ExitRecord>> {
        while self.signals.read_signal().context("read signals")?.is_some() {}
        loop {
            let status = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(None),
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error).context("wait for children"),
                Ok(status) => status,
            };
            let Some(pid) = status.pid() else { continue };
            if let Some(record) = self.ended(pid, status)? {
                return Ok(Some(record));
            }
        }
    }

    fn ended(&mut self, pid: Pid, status: WaitStatus) -> Result<Option<ExitRecord>> {
        if self.creator.as_ref().is_some_and(|(creator, _)| *creator == pid) {
            return self.created();
        }
        if self.init == Some(pid) {
            return Ok(Some(self.record(status)));
        }
        let ours = self.clients.iter().position(|client| match &client.usage {
            Use::Starting { child, .. } => *child == pid,
            Use::Running(command) => *command == pid,
            _ => false,
        });
        match ours {
            Some(index) => self.command_news(index, status),
            None if self.strays.len() < STRAYS_MAX => self.strays.push((pid, status)),
            None => {}
        }
        Ok(None)
    }

    /// The creator has ended: either the container runs, or it says why not.
    fn created(&mut self) -> Result<Option<ExitRecord>> {
        let Some((_, answer)) = self.creator.take() else { return Ok(None) };
        let pid = match parse_answer(&answer) {
            Ok(pid) => pid,
            Err(text) => return Ok(Some(ExitRecord::never_started(text))),
        };
        self.init = Some(pid);
        self.started_at = now();
        if let Some(console) = self.console.take() {
            let _ = fs::remove_file(self.dir.join(files::CONSOLE));
            let master = receive_console(&console)?;
            self.stdin = Some(master.try_clone().context("copy the terminal")?);
            set_nonblocking(&master);
            self.stdout = Output::new("stdout", Some(master));
        }
        let started = Message::Started(pid.as_raw(), self.started_at);
        self.clients.iter_mut().for_each(|client| client.send(&started));
        let early = self.strays.iter().find(|(stray, _)| *stray == pid).map(|(_, status)| *status);
        Ok(early.map(|status| self.record(status)))
    }

    fn command_news(&mut self, index: usize, status: WaitStatus) {
        let client = &mut self.clients[index];
        if let Use::Starting { answer, .. } = &client.usage {
            match parse_answer(answer) {
                Ok(pid) => {
                    client.send(&Message::ExecStarted(pid.as_raw()));
                    client.usage = Use::Running(pid);
                    let gone = client.gone;
                    let early = self.strays.iter().position(|(stray, _)| *stray == pid);
                    if let Some(early) = early {
                        let (_, status) = self.strays.remove(early);
                        self.command_news(index, status);
                    } else if gone {
                        self.kill_command(index);
                    }
                }
                Err(text) => {
                    client.send(&Message::ExecFailed(text));
                    client.usage = Use::Ended;
                }
            }
            let busy = |client: &Client| matches!(client.usage, Use::Starting { .. });
            if !self.clients.iter().any(busy) {
                tenant::forget_sockets(&self.dir, &self.brief.id);
            }
            return;
        }
        client.send(&Message::ExecExited(code_of(status).0));
        client.usage = Use::Ended;
    }

    fn record(&self, status: WaitStatus) -> ExitRecord {
        let (exit_code, signal) = code_of(status);
        let oom_killed = exit_code != 0 && self.cgroup.oom_kills() > 0;
        let reason = match (exit_code, oom_killed) {
            (_, true) => "OOMKilled",
            (0, _) => "Completed",
            _ => "Error",
        };
        ExitRecord {
            exit_code,
            signal,
            oom_killed,
            started_at: self.started_at,
            finished_at: now(),
            reason: reason.to_owned(),
            message: String::new(),
        }
    }

    /// Kills what is left, writes everything down, tells, and cleans up.
    fn finish(&mut self, record: &ExitRecord) -> Result<()> {
        self.cgroup.kill_all();
        self.drain();
        record.save(&self.dir)?;
        let news = if record.started_at == 0 {
            Message::Failed(record.message.clone())
        } else {
            Message::Exited(serde_json::to_string(record).unwrap_or_default())
        };
        for client in &mut self.clients {
            match client.usage {
                Use::Starting { .. } => {
                    client.send(&Message::ExecFailed("the container has ended".to_owned()));
                }
                Use::Running(_) => client.send(&Message::ExecExited(137)),
                _ => client.send(&news),
            }
        }
        let _ = fs::remove_file(self.dir.join(files::SOCKET));
        let _ = fs::remove_dir_all(self.dir.join(files::STATE));
        overlay::unmount_rootfs(&self.dir);
        self.cgroup.remove();
        Ok(())
    }

    fn drain(&mut self) {
        while self.stdout.source.is_some() || self.stderr.source.is_some() {
            let mut polled = Vec::new();
            for output in [&self.stdout, &self.stderr] {
                if let Some(source) = &output.source {
                    polled.push(PollFd::new(source.as_fd(), PollFlags::POLLIN));
                }
            }
            if !matches!(poll(&mut polled, DRAIN_MS), Ok(ready) if ready > 0) {
                break;
            }
            drop(polled);
            self.stdout.pump(&mut self.log);
            self.stderr.pump(&mut self.log);
        }
        self.stdout.close(&mut self.log);
        self.stderr.close(&mut self.log);
    }
}

/// Tells the shim what came of it, and ends the child.
fn say_and_exit(say: &OwnedFd, outcome: Result<i32>) -> ! {
    let text = match outcome {
        Ok(pid) => pid.to_string(),
        Err(error) => format!("!{error}"),
    };
    let _ = nix::unistd::write(say, text.as_bytes());
    std::process::exit(0)
}

fn parse_answer(answer: &OwnedFd) -> std::result::Result<Pid, String> {
    set_nonblocking(answer);
    let text = read_message(answer);
    match text.strip_prefix('!') {
        Some(error) => Err(error.to_owned()),
        None => match text.parse() {
            Ok(pid) => Ok(Pid::from_raw(pid)),
            Err(_) => Err("the process that was to start it was killed".to_owned()),
        },
    }
}

fn code_of(status: WaitStatus) -> (i32, Option<i32>) {
    match status {
        WaitStatus::Exited(_, code) => (code, None),
        WaitStatus::Signaled(_, signal, _) => (128 + signal as i32, Some(signal as i32)),
        _ => (255, None),
    }
}
