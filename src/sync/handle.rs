//! What the rest of the program may ask of the sync: poke it, plan a commit, follow one to its outcome.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard, OnceLock, PoisonError};

use masthead_plan::sync::hooks::Recovery;
use masthead_plan::sync::release::ReleaseKey;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc, watch};

use crate::control::clock::Clock;
use crate::control::view::View;
use crate::git::commit::CommitId;
use crate::git::reader::Reader;
use crate::sync::charts::Surroundings;
use crate::sync::logs::Logs;
use crate::sync::memo::Memo;
use crate::sync::observe::{Fault, Observed, Source};
use crate::sync::record::Outcome;

/// Lines of progress that may wait for a slow reader; it then misses the oldest.
pub const PROGRESS_WAITING_MAX: usize = 1024;

/// One line of a commit's way, as a pusher sees it.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The commit.
    pub commit: CommitId,
    /// The line.
    pub line: String,
    /// Set with the last line.
    pub outcome: Option<Outcome>,
}

/// Which repository is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracked {
    /// The URL a user clones, or the path or URL that is watched.
    pub url: String,
    /// The branch.
    pub branch: String,
    /// The folder below which manifests are read; empty for all.
    pub path: String,
    /// Whether this control plane hosts it.
    pub hosted: bool,
}

/// Trouble with the repository; the last good commit stays applied meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Since when, in Unix seconds.
    pub since_s: i64,
    /// What is wrong.
    pub why: String,
}

/// What a trouble is about; each is told and mended apart from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The repository cannot be followed.
    Source,
    /// The branch's history is not that of what is applied.
    History,
    /// The newest commit cannot be read or is not applied.
    Commit,
}

/// One trouble of each sort, the gravest first.
pub type Troubles = [Option<Trouble>; 3];

/// The releases that are being tested.
pub type Testing = Arc<std::sync::Mutex<BTreeSet<ReleaseKey>>>;

/// A cheap handle on the sync.
#[derive(Clone)]
pub struct Handle {
    /// Which repository is watched.
    pub tracked: Tracked,
    /// The bare repository that is read: hosted, a mirror, or the watched one itself.
    pub repository: PathBuf,
    pub(in crate::sync) source: Arc<Source>,
    pub(in crate::sync) view: Arc<View>,
    /// What the next plan need not look at.
    pub(in crate::sync) memo: Arc<Memo>,
    pub(in crate::sync) tips: mpsc::Sender<CommitId>,
    pub(in crate::sync) progress: broadcast::Sender<Progress>,
    pub(in crate::sync) trouble: watch::Sender<Troubles>,
    pub(in crate::sync) clock: Arc<dyn Clock>,
    /// Until when nodes have time to tell what they run, by the clock; set where the store may have been lost.
    pub(in crate::sync) lost_until: Arc<OnceLock<u64>>,
    pub(in crate::sync) logs: Arc<OnceLock<Logs>>,
    pub(in crate::sync) testing: Testing,
    /// The repository that bears witness of releases.
    pub(in crate::sync) witness: Arc<OnceLock<PathBuf>>,
}

impl Handle {
    /// What charts of commits are rendered with; only the first call counts.
    pub fn surround(&self, surroundings: Surroundings) {
        self.source.surround(surroundings);
    }

    /// How logs of hooks that fail are read; only the first call counts. Without it their failures have none.
    pub fn read_logs(&self, logs: Logs) {
        // Two control planes do not share a handle.
        let _ = self.logs.set(logs);
    }

    /// In which repository it is kept what became of releases; only the first call counts, and it comes before the sync
    /// runs. Without it a store that is lost takes that along.
    pub fn bear_witness_in(&self, repository: PathBuf) {
        // Two control planes do not share a handle.
        let _ = self.witness.set(repository);
    }

    /// The releases that are being tested.
    pub(in crate::sync) fn testing(&self) -> MutexGuard<'_, BTreeSet<ReleaseKey>> {
        // A panic while it is held leaves a whole set: each change is one insert or remove.
        self.testing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the store may not know of releases: nothing once a commit was applied in it.
    pub fn recovery(&self) -> Recovery {
        match self.lost_until.get() {
            _ if self.view.read().applied_commit().is_some() => Recovery::No,
            None => Recovery::No,
            Some(until_ms) if self.clock.now_ms() < *until_ms => Recovery::Waiting,
            Some(_) => Recovery::Over,
        }
    }

    /// The cluster as it is.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// Says that the tracked branch is now at a commit. Waits while the queue of tips is full, which the sync empties at
    /// once.
    pub async fn tip(&self, commit: CommitId) {
        // The receiver ends with the program.
        let _ = self.tips.send(commit).await;
    }

    /// Lines of all commits from now on.
    pub fn follow(&self) -> broadcast::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// What is wrong with the repository, if anything.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble.borrow().iter().flatten().next().cloned()
    }

    /// Wakes whenever the trouble with the repository is another.
    pub fn watch_trouble(&self) -> watch::Receiver<Troubles> {
        self.trouble.subscribe()
    }

    /// Says that something about the repository is in trouble, or no longer.
    pub fn set_trouble(&self, about: About, trouble: Option<Trouble>) {
        self.trouble.send_if_modified(|now| {
            let now = &mut now[about as usize];
            let same = match (&*now, &trouble) {
                (Some(a), Some(b)) => a.why == b.why,
                (a, b) => a.is_none() && b.is_none(),
            };
            if !same {
                *now = trouble;
            }
            !same
        });
    }

    /// What a commit asks for; reads the repository on a thread of its own.
    ///
    /// # Errors
    /// As [`Source::observe`].
    pub async fn observe(&self, reader: Reader, commit: CommitId) -> Result<Observed, Fault> {
        let source = self.source.clone();
        let observed = tokio::task::spawn_blocking(move || source.observe(&reader, commit)).await;
        // A panic in there is a fault of ours; it goes on here, where the caller's guard catches it.
        observed.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    /// Opens the repository.
    ///
    /// # Errors
    /// It is gone or broken.
    pub fn reader(&self) -> Result<Reader, crate::git::error::Error> {
        Reader::open(&self.repository)
    }
}
