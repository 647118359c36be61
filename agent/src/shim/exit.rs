//! How a container ended, written so that it outlives shim and agent.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::shim::error::{Context, Error, Result};
use crate::shim::task::files;

/// How a container ended. Times are nanoseconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// 128 + n after signal n.
    pub exit_code: i32,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// Whether the kernel killed a process of it for its memory limit.
    pub oom_killed: bool,
    /// 0 when it never ran.
    pub started_at: i64,
    /// The end.
    pub finished_at: i64,
    /// `Completed`, `Error`, `OOMKilled`, `StartError`, `ContainerStatusUnknown`.
    pub reason: String,
    /// What its owner should know.
    pub message: String,
}

impl ExitRecord {
    /// A container whose program was never executed.
    pub fn never_started(message: String) -> Self {
        let reason = "StartError".to_owned();
        Self { exit_code: 128, finished_at: now(), reason, message, ..Self::default() }
    }

    /// A container nobody saw end.
    pub fn lost(started_at: i64, message: &str) -> Self {
        Self {
            exit_code: 137,
            started_at,
            finished_at: now(),
            reason: "ContainerStatusUnknown".to_owned(),
            message: message.to_owned(),
            ..Self::default()
        }
    }

    /// Writes it into the container's directory: all of it or nothing. It outlives every process,
    /// not the node's boot.
    pub fn save(&self, dir: &Path) -> Result<()> {
        let what = "write the exit record";
        let text =
            serde_json::to_vec(self).map_err(|error| Error::Io { what: what.to_owned(), source: error.into() })?;
        // An agent and a shim may both come to write it.
        let temporary = dir.join(format!("exit.{}.{}", std::process::id(), self.finished_at));
        let mut file = File::create(&temporary).context(what)?;
        file.write_all(&text).context(what)?;
        fs::rename(&temporary, dir.join(files::EXIT)).context(what)
    }

    /// Reads it; None while there is none.
    pub fn load(dir: &Path) -> Result<Option<Self>> {
        match fs::read(dir.join(files::EXIT)) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|error| Error::Io { what: "read the exit record".into(), source: error.into() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("read the exit record"),
        }
    }
}

/// Nanoseconds since the epoch.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
