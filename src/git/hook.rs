//! The program git runs as `pre-receive` and `post-receive`: tells the daemon of a push and prints its answer.
//!
//! Blocking and without a runtime: it lives as long as one push and does nothing by itself. Without a daemon a push is
//! refused before anything moves.

use std::env;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::git::commit::CommitId;
use crate::git::error::{Context, Error};
use crate::git::protocol::{self, Hello, HookKind, OPTIONS_MAX, Push, RefUpdate, Reply, SOCKET_ENV, UPDATES_MAX};
use crate::git::text;

/// Bytes of one line of git's input; a ref name is at most 4096.
const LINE_BYTES_MAX: usize = 8192;

/// Runs as the hook `kind`; 0 lets the push go on.
pub fn main(kind: &str) -> ExitCode {
    let kind = match kind {
        "pre-receive" => HookKind::PreReceive,
        "post-receive" => HookKind::PostReceive,
        other => {
            say(&format!("unknown hook {other:?}: use pre-receive or post-receive"));
            return ExitCode::from(2);
        }
    };
    match run(kind) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) if kind == HookKind::PreReceive => {
            say(&format!("push refused, nothing changed: {e}"));
            say("start the control plane with `masthead up` and push again");
            ExitCode::FAILURE
        }
        Err(e) => {
            say(&format!("the commit is stored; its progress can't be shown: {e}"));
            ExitCode::SUCCESS
        }
    }
}

fn run(kind: HookKind) -> Result<bool, Error> {
    let push = push()?;
    let socket =
        env::var_os(SOCKET_ENV).map(PathBuf::from).ok_or_else(|| Error::NotFound(format!("variable {SOCKET_ENV}")))?;
    let mut daemon = connect(&socket)?;
    protocol::send(&mut daemon, &Hello { kind, push })?;
    let mut replies = BufReader::new(daemon);
    loop {
        match protocol::receive(&mut replies)? {
            Some(Reply::Line(line)) => say(&line),
            Some(Reply::Verdict { accept }) => return Ok(accept),
            None => return Err(Error::Protocol("the control plane ended the connection without a verdict".into())),
        }
    }
}

/// What git tells a hook: updates on standard input, the rest in variables.
fn push() -> Result<Push, Error> {
    let mut updates = Vec::new();
    let mut input = std::io::stdin().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = (&mut input).take(LINE_BYTES_MAX as u64 + 1);
        let read = limited.read_until(b'\n', &mut line).what(|| "reading git's list of refs".into())?;
        if read == 0 {
            break;
        }
        if line.len() > LINE_BYTES_MAX {
            return Err(Error::Limit {
                what: "a line of git's list of refs".into(),
                limit: LINE_BYTES_MAX as u64,
                name: "LINE_BYTES_MAX",
            });
        }
        if updates.len() == UPDATES_MAX {
            return Err(Error::Limit {
                what: "the number of refs in one push".into(),
                limit: UPDATES_MAX as u64,
                name: "UPDATES_MAX",
            });
        }
        updates.push(update(line.trim_ascii_end())?);
    }
    let text = |name: &str| env::var_os(name).map(|v| v.to_string_lossy().into_owned());
    let count = text("GIT_PUSH_OPTION_COUNT").and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
    if count > OPTIONS_MAX {
        return Err(Error::Limit {
            what: format!("{count} push options"),
            limit: OPTIONS_MAX as u64,
            name: "OPTIONS_MAX",
        });
    }
    let options = (0..count).filter_map(|i| text(&format!("GIT_PUSH_OPTION_{i}"))).collect();
    let repository = env::current_dir().and_then(|d| d.canonicalize()).what(|| "finding the repository".into())?;
    Ok(Push {
        quarantine: quarantine(&repository)?,
        repository,
        updates,
        options,
        pusher: text("REMOTE_USER").filter(|u| !u.is_empty()),
    })
}

/// One line of `<old> <new> <ref>`.
fn update(line: &[u8]) -> Result<RefUpdate, Error> {
    let odd = || Error::Protocol(format!("git gave a line that is no ref update: {}", text::line_of_bytes(line)));
    let line = std::str::from_utf8(line).map_err(|_| odd())?;
    let mut parts = line.splitn(3, ' ');
    let (Some(old), Some(new), Some(name)) = (parts.next(), parts.next(), parts.next()) else { return Err(odd()) };
    let id = |hex: &str| {
        if hex.bytes().all(|b| b == b'0') { Ok(None) } else { hex.parse::<CommitId>().map(Some) }
    };
    Ok(RefUpdate { name: name.to_owned(), old: id(old)?, new: id(new)? })
}

/// The object directories of a push that is not accepted yet.
fn quarantine(repository: &Path) -> Result<Vec<PathBuf>, Error> {
    if env::var_os("GIT_QUARANTINE_PATH").is_none() {
        return Ok(Vec::new());
    }
    let Some(objects) = env::var_os("GIT_OBJECT_DIRECTORY") else { return Ok(Vec::new()) };
    let objects = repository.join(objects);
    Ok(vec![objects.canonicalize().what(|| format!("finding {}", objects.display()))?])
}

/// Connects to a socket; a path too long for the system's 107 bytes goes through its folder's descriptor.
fn connect(socket: &Path) -> Result<UnixStream, Error> {
    let refused =
        |source| Error::Io { what: format!("the control plane does not answer at {}", socket.display()), source };
    let (Some(folder), Some(name)) = (socket.parent(), socket.file_name()) else {
        return Err(Error::NotFound(format!("socket {}", socket.display())));
    };
    if socket.as_os_str().len() < protocol::SOCKET_PATH_BYTES_MAX {
        return UnixStream::connect(socket).map_err(refused);
    }
    let folder = File::open(folder).map_err(refused)?;
    UnixStream::connect(Path::new(&format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name)).map_err(refused)
}

/// Prints one line for the pusher at once; git shows it as `remote: …`.
fn say(line: &str) {
    let mut err = std::io::stderr().lock();
    // A pusher who has gone loses the view only.
    let _ = writeln!(err, "{}", text::line(line)).and_then(|()| err.flush());
}
