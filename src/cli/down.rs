//! `masthead down`: stops the daemon and removes everything that it made, and nothing else.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use masthead_agent::node;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::daemon::data::{self, Data};
use crate::daemon::options::DATA_DIR;
use crate::fleet::run as fleet;

/// How long the daemon may take to stop.
const STOP_MAX: Duration = Duration::from_secs(20);

/// Arguments of `down`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The data directory that `up` was given.
    #[arg(long, value_name = "DIR", env = "MASTHEAD_DATA", default_value = DATA_DIR)]
    pub data: PathBuf,
    /// Keep the repository (`repo.git`), which holds everything that was asked for.
    #[arg(long)]
    pub keep_repository: bool,
}

/// Stops the daemon, removes containers, networks, mounts and the data directory.
///
/// # Errors
/// The daemon does not stop, or something could not be removed; what could be is.
pub fn run(args: &Args) -> Result<ExitCode> {
    if !args.data.exists() {
        println!("nothing to remove: there is no {}", args.data.display());
        return Ok(ExitCode::SUCCESS);
    }
    data::refuse_foreign(&args.data)?;
    stop_daemon(args)?;
    // From here on no daemon can start beside us.
    let data = Data::open(&args.data)?;
    crate::cli::block_on(async {
        fleet::destroy(data.root()).await?;
        node::destroy(data.root()).await
    })?;
    let mut kept = false;
    for entry in std::fs::read_dir(data.root())? {
        let path = entry?.path();
        if args.keep_repository && path.ends_with("repo.git") {
            kept = true;
            continue;
        }
        // By its lock the directory is known as ours: it goes last.
        if path.ends_with(data::LOCK) {
            continue;
        }
        let removed = if path.is_dir() && !path.is_symlink() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        removed.with_context(|| format!("removing {}", path.display()))?;
    }
    std::fs::remove_file(data.root().join(data::LOCK)).context("removing the lock")?;
    if !kept {
        std::fs::remove_dir(data.root()).with_context(|| format!("removing {}", data.root().display()))?;
    }
    println!("removed everything below {}{}", data.root().display(), if kept { " but repo.git" } else { "" });
    Ok(ExitCode::SUCCESS)
}

fn stop_daemon(args: &Args) -> Result<()> {
    let Ok(daemon) = data::read(&args.data) else { return Ok(()) };
    let pid = Pid::from_raw(i32::try_from(daemon.pid).context("the daemon's process id")?);
    // The file may be old and the number another's by now: only a process that holds the lock is the daemon.
    if Data::open(&args.data).is_ok() || kill(pid, Signal::SIGTERM).is_err() {
        return Ok(());
    }
    let began = Instant::now();
    while began.elapsed() < STOP_MAX {
        if Data::open(&args.data).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!(
        "the daemon (process {pid}) did not stop within {} s; end it with kill -9 {pid} and try again",
        STOP_MAX.as_secs()
    )
}
