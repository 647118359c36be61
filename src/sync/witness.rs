//! What became of releases ↔ a ref of our own in git, so that a store that is lost takes none of it along.
//!
//! The store is derived, save for one thing that neither a render nor a node can tell: which hooks have run. It is
//! written here after each step, before anybody is told of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use masthead_plan::sync::installed::Installed;
use masthead_plan::sync::release::ReleaseKey;
use masthead_store::kv::Op;
use masthead_store::objects::{self, Batch, Objects};

use crate::control::view::View;
use crate::git::commit::Person;
use crate::git::error::Error as GitError;
use crate::git::keep::RELEASES;
use crate::git::reader::Reader;
use crate::git::text;
use crate::sync::record::{put_installed, release_of};

/// Lines of a commit's message; the rest is counted.
const LINES_MAX: usize = 20;

/// Why what is kept cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The repository.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The store.
    #[error(transparent)]
    Store(#[from] objects::Error),
    /// A record has no JSON form.
    #[error("a release's record: {0}")]
    Json(#[from] serde_json::Error),
}

/// One release as it was written last.
struct Written {
    text: Vec<u8>,
    /// The record it was made of, by which one that has not changed is known without a look.
    of: Option<Arc<Installed>>,
}

/// What is kept of releases, and where.
pub struct Witness {
    repository: PathBuf,
    written: BTreeMap<String, Written>,
}

impl Witness {
    /// What a repository keeps.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn open(repository: PathBuf) -> Result<Witness, Error> {
        let path = repository.clone();
        let read = tokio::task::spawn_blocking(move || Reader::open(&path)?.kept(RELEASES)).await;
        // A panic in there is a fault of ours; it goes on here.
        let kept = read.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        let written = kept.into_iter().map(|(path, text)| (path, Written { text, of: None })).collect();
        Ok(Witness { repository, written })
    }

    /// Gives a store that knows nothing of releases what is kept of them; how many there were.
    ///
    /// # Errors
    /// The store does not take it.
    pub async fn restore(&self, view: &View, store: &Objects) -> Result<usize, Error> {
        let mut notes: Vec<Op> = Vec::new();
        for (path, written) in &self.written {
            let Some(key) = release_of(path).filter(|key| !view.read().installed().contains_key(key)) else { continue };
            match serde_json::from_slice::<Installed>(&written.text) {
                Ok(known) => notes.push(put_installed(&key, Some(&known.restored()))?),
                Err(error) => tracing::warn!(%error, path, "what is kept of a release cannot be read"),
            }
        }
        let count = notes.len();
        if count > 0 {
            let revision = store.apply(Batch { notes, ..Batch::default() }).await?;
            view.at_least(revision.0).await;
        }
        Ok(count)
    }

    /// Keeps what has changed in the state.
    ///
    /// # Errors
    /// The repository cannot be written.
    pub async fn keep(&mut self, view: &View, now_s: i64) -> Result<(), Error> {
        let (changes, message, written) = self.changed(&view.read().installed().clone())?;
        if changes.is_empty() {
            return Ok(());
        }
        let path = self.repository.clone();
        let write = move || {
            let by = Person::new("masthead", "masthead@localhost", now_s);
            Reader::open(&path)?.keep(RELEASES, &changes, &message, &by)
        };
        let done = tokio::task::spawn_blocking(write).await;
        done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        for (path, one) in written {
            match one {
                Some(one) => drop(self.written.insert(path, one)),
                None => drop(self.written.remove(&path)),
            }
        }
        Ok(())
    }

    fn changed(&mut self, installed: &BTreeMap<ReleaseKey, Arc<Installed>>) -> Result<Changed, Error> {
        let (mut changes, mut lines, mut written) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        for (key, known) in installed {
            let path = path_of(key);
            let last = self.written.get_mut(&path);
            if last.as_ref().is_some_and(|last| last.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, known))) {
                continue;
            }
            let mut text = serde_json::to_vec_pretty(&known.witness())?;
            text.push(b'\n');
            match last {
                Some(last) if last.text == text => last.of = Some(known.clone()),
                _ => {
                    lines.push(line(key, known));
                    changes.insert(path.clone(), Some(text.clone()));
                    written.insert(path, Some(Written { text, of: Some(known.clone()) }));
                }
            }
        }
        for path in self.written.keys() {
            if release_of(path).is_none_or(|key| !installed.contains_key(&key)) {
                lines.push(format!("{path}: removed"));
                changes.insert(path.clone(), None);
                written.insert(path.clone(), None);
            }
        }
        Ok((changes, message(&lines), written))
    }
}

/// Texts to be kept, what to say of them, and how they are remembered.
type Changed = (BTreeMap<String, Option<Vec<u8>>>, String, BTreeMap<String, Option<Written>>);

fn path_of(key: &ReleaseKey) -> String {
    format!("{}/{}", key.namespace, key.name)
}

fn line(key: &ReleaseKey, known: &Installed) -> String {
    let state = match &known.run {
        None => "done".to_owned(),
        Some(run) => match &run.failed {
            Some(failed) => failed.why.clone(),
            None => format!("{} under way", run.pre),
        },
    };
    let commit: String = known.commit.chars().take(10).collect();
    text::line(&format!("{}: change {}, commit {commit}: {state}", path_of(key), known.changes.count())).into_owned()
}

fn message(lines: &[String]) -> String {
    match lines {
        [one] => format!("{one}\n"),
        many => {
            let mut text = format!("{} releases\n\n", many.len());
            many.iter().take(LINES_MAX).for_each(|line| text.push_str(&format!("{line}\n")));
            if many.len() > LINES_MAX {
                text.push_str(&format!("and {} more\n", many.len() - LINES_MAX));
            }
            text
        }
    }
}
