//! A commit in a repository → what it asks for; only files that are new are read, only charts that changed are rendered.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use masthead_api::key::ObjectKey;
use masthead_plan::desired::{CommitFacts, Desired, Problem};
use masthead_plan::origin::Origin;
use masthead_plan::sync::release::ReleaseKey;

use crate::git::commit::{Commit, CommitId};
use crate::git::entry::{Entry, Limits, Severity};
use crate::git::error::Error;
use crate::git::reader::Reader;
use crate::git::snapshot::Snapshot;
use crate::source::desire::DEFAULT_NAMESPACE;
use crate::source::releases::{self, Unit};
use crate::source::render::problem;
use crate::source::trace::Traced;
use crate::source::tree::{self, Cache, Version};
use crate::sync::charts::{self, Around, Charts, Surroundings};
use crate::sync::problem::as_problem;

/// Why a commit's desired state is not known.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The repository could not be read: nothing is known about what it asks for.
    #[error(transparent)]
    Git(#[from] Error),
    /// The tree holds faults, listed all at once.
    #[error("{} in the tree", count(.0.len(), "problem"))]
    Invalid(Vec<Problem>),
}

/// `1 problem`, `3 problems`.
pub fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// A commit and what its tree asks for.
#[derive(Debug)]
pub struct Observed {
    /// The commit.
    pub commit: Commit,
    /// What it asks for; who keeps it makes the next commit copy it.
    pub desired: Arc<Desired>,
    /// Which desired state that is.
    pub version: Version,
    /// What is worth telling about the tree without refusing it.
    pub notes: Vec<String>,
}

/// Reads commits of one repository below one folder.
#[derive(Default)]
pub struct Source {
    folder: String,
    limits: Limits,
    surroundings: OnceLock<Surroundings>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    cache: Cache,
    charts: Charts,
    last: Option<Arc<Snapshot>>,
}

impl Source {
    /// Below `folder`, `""` for the whole repository.
    pub fn new(folder: String) -> Source {
        Source { folder, ..Source::default() }
    }

    /// What charts are rendered with; only the first call counts. Without it they have no secret of their own, look
    /// nothing up, and those that are elsewhere can't be had.
    pub fn surround(&self, surroundings: Surroundings) {
        // Two control planes do not share a source.
        let _ = self.surroundings.set(surroundings);
    }

    /// What `id` asks for. Blocks: it reads the object database.
    ///
    /// # Errors
    /// `Git` when the repository cannot be read, `Invalid` with every problem of the tree.
    pub fn observe(&self, reader: &Reader, id: CommitId) -> Result<Observed, Fault> {
        let commit = reader.commit(id)?;
        // The state is a cache: after a panic in a reader it is whole, for each entry is put in one step.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = Arc::new(reader.snapshot(id, &self.folder, &self.limits, state.last.as_deref())?);
        tracing::debug!(files = snapshot.entries.len(), "listed");
        let mut problems: Vec<Problem> = Vec::new();
        let mut notes = Vec::new();
        for problem in &snapshot.problems {
            match problem.severity {
                Severity::Note => notes.push(problem.to_string()),
                Severity::Fault => problems.push(as_problem(problem)),
            }
        }
        let folders = releases::folders(&snapshot);
        let entries: Vec<&Entry> =
            snapshot.manifests().filter(|entry| !releases::is_inside(&folders, &entry.path)).collect();
        let mut listed: Vec<_> = entries.iter().map(|entry| (entry.path.clone(), entry.blob)).collect();
        let missing: std::collections::HashSet<_> = state.cache.missing(&listed).into_iter().cloned().collect();
        let unread: Vec<&Entry> = match missing.is_empty() {
            true => Vec::new(),
            false => entries.iter().zip(&listed).filter(|(_, l)| missing.contains(*l)).map(|(e, _)| *e).collect(),
        };
        let contents = reader.read(&unread, &self.limits)?;
        problems.extend(contents.problems.iter().map(as_problem));
        state
            .cache
            .read(contents.files.into_iter().map(|(e, bytes)| ((e.path.clone(), e.blob), bytes.into_vec())).collect());
        if !folders.is_empty() || state.cache.has_releases(&listed) {
            let State { cache, charts, .. } = &mut *state;
            let around = Around { reader, limits: &self.limits, snapshot: &snapshot, time_s: commit.committer.time_s };
            problems.extend(charts.join(&around, self.surroundings.get(), &folders, cache, &mut listed)?);
        }
        tracing::debug!(files = unread.len(), "rendered");
        let facts = facts(&commit);
        let desired = match state.cache.desired(facts, &listed) {
            Ok(desired) if problems.is_empty() => desired,
            Ok(_) => return Err(Fault::Invalid(problems)),
            Err(more) => {
                problems.extend(more);
                problems.sort();
                return Err(Fault::Invalid(problems));
            }
        };
        state.last = Some(snapshot);
        let version = state.cache.version();
        Ok(Observed { commit, desired, version, notes })
    }
}

/// An object of a commit, with where it is written.
pub struct Found {
    /// The manifest as written or rendered.
    pub traced: Traced,
    /// The release that it was rendered for.
    pub unit: Option<Unit>,
    /// The commit's file in which charts are pinned.
    pub lock: String,
}

impl Source {
    /// The manifest of an object in a commit, field by field; `release` is the one that it belongs to, if any. Blocks:
    /// it reads the object database.
    ///
    /// # Errors
    /// The repository cannot be read, or the chart can no longer be rendered.
    pub fn trace(
        &self,
        reader: &Reader,
        id: CommitId,
        key: &ObjectKey,
        origin: &Origin,
        release: Option<&ReleaseKey>,
    ) -> Result<Option<Found>, Fault> {
        let commit = reader.commit(id)?;
        let snapshot = reader.snapshot(id, &self.folder, &self.limits, None)?;
        let around = Around { reader, limits: &self.limits, snapshot: &snapshot, time_s: commit.committer.time_s };
        let lock = charts::lock_path(&around);
        let Some(release) = release else {
            let Some(entry) = snapshot.entry(&origin.path) else { return Ok(None) };
            let bytes = reader.blob(entry.blob, self.limits.file_bytes)?;
            let traced = Traced::find(&entry.path, &bytes, None, DEFAULT_NAMESPACE, key);
            return Ok(traced.map(|traced| Found { traced, unit: None, lock }));
        };
        let folders = releases::folders(&snapshot);
        let entries: Vec<&Entry> =
            snapshot.manifests().filter(|entry| !releases::is_inside(&folders, &entry.path)).collect();
        let contents = reader.read(&entries, &self.limits)?;
        let files: Vec<_> = contents.files.iter().map(|(entry, bytes)| tree::file(&entry.path, bytes)).collect();
        let wanted: Vec<_> = files.iter().flat_map(|file| &file.wanted).collect();
        let pins = charts::read_lock(&around, &mut Vec::new())?;
        let units = releases::plan(&snapshot, &folders, &wanted, &pins).units;
        let is_it = |unit: &&Unit| unit.name == release.name && unit.namespace == release.namespace;
        let Some(unit) = units.iter().find(is_it) else { return Ok(None) };
        let traced = Charts::default().trace(&around, self.surroundings.get(), unit, key)?;
        let traced =
            traced.map_err(|why| Fault::Invalid(vec![problem(&unit.origin.path, unit.origin.line, &why, "")]))?;
        Ok(traced.map(|traced| Found { traced, unit: Some(unit.clone()), lock }))
    }

    /// Bytes of one file at most.
    pub fn file_bytes_max(&self) -> u64 {
        self.limits.file_bytes
    }
}

/// Characters of a commit's subject that plans and records keep.
const SUBJECT_CHARS_MAX: usize = 200;

/// The commit as plans and records name it.
pub fn facts(commit: &Commit) -> CommitFacts {
    CommitFacts {
        id: commit.id.to_string(),
        author: commit.author.name.clone(),
        email: commit.author.mail.clone(),
        time_s: commit.committer.time_s,
        subject: match commit.subject.char_indices().nth(SUBJECT_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &commit.subject[..end]),
            None => commit.subject.clone(),
        },
    }
}
