//! One container as this program holds it: its record, its state, the way to its shim.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use tokio::sync::watch;

use crate::runtime::embedded::guarded::unpoisoned;
use crate::runtime::embedded::record::ContainerRecord;
use crate::runtime::error::{Error, Result};
use crate::runtime::v1::LinuxContainerUser;
use crate::shim::exit::ExitRecord;
use crate::shim::task::files;

/// Where a container is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Made, not started.
    Created,
    /// Runs.
    Running {
        /// Its first process.
        pid: i32,
        /// Nanoseconds since the epoch.
        started_at: i64,
    },
    /// Ended.
    Exited {
        /// How.
        record: ExitRecord,
        /// Whether its shim has cleaned up and gone.
        gone: bool,
    },
}

/// A container.
#[derive(Debug)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its directory.
    pub dir: PathBuf,
    /// What it was made from.
    pub record: Mutex<ContainerRecord>,
    /// Its state; to be waited on.
    pub state: watch::Sender<State>,
    /// One change of it at a time.
    pub lock: tokio::sync::Mutex<()>,
    /// The way to its shim.
    pub control: tokio::sync::Mutex<Option<tokio::net::unix::OwnedWriteHalf>>,
    /// Who its first process is, once that was looked up.
    user: OnceLock<LinuxContainerUser>,
}

impl Container {
    /// A container in a state.
    pub fn new(dir: PathBuf, record: ContainerRecord, state: State) -> Arc<Self> {
        Arc::new(Self {
            id: record.id.clone(),
            dir,
            record: Mutex::new(record),
            state: watch::Sender::new(state),
            lock: tokio::sync::Mutex::default(),
            control: tokio::sync::Mutex::default(),
            user: OnceLock::new(),
        })
    }

    /// Its record, for a moment.
    pub fn record(&self) -> MutexGuard<'_, ContainerRecord> {
        unpoisoned(&self.record)
    }

    /// Its state now.
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Who its first process is; None before its start, and for one that an older program has started.
    pub fn user(&self) -> Option<LinuxContainerUser> {
        if matches!(*self.state.borrow(), State::Created) {
            return None;
        }
        if let Some(known) = self.user.get() {
            return Some(known.clone());
        }
        let numbers = std::fs::read_to_string(self.dir.join(files::USER)).ok()?;
        let numbers: Vec<i64> = numbers.split(' ').map(|number| number.parse().ok()).collect::<Option<_>>()?;
        let [uid, gid, supplemental_groups @ ..] = numbers.as_slice() else { return None };
        let user = LinuxContainerUser { uid: *uid, gid: *gid, supplemental_groups: supplemental_groups.to_vec() };
        Some(self.user.get_or_init(|| user).clone())
    }

    /// The pid of its first process while it runs.
    pub fn running(&self) -> Result<i32> {
        match &*self.state.borrow() {
            State::Running { pid, .. } => Ok(*pid),
            _ => Err(Error::FailedPrecondition(format!("container {} does not run", self.id))),
        }
    }
}
