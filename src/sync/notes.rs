//! Outcomes of commits → git notes, one after the other, in the way of nobody.

use std::path::PathBuf;

use tokio::sync::mpsc;

use crate::clock;
use crate::git::commit::{CommitId, Person};
use crate::git::reader::Reader;

/// Notes that may wait to be written; who tells one more waits.
const NOTES_WAITING_MAX: usize = 64;

/// Where outcomes are told.
pub struct Notes(mpsc::Sender<(CommitId, String)>);

impl Notes {
    /// Notes in a repository that is ours to write; must be called inside a tokio runtime. What waits is written after
    /// this is gone.
    pub fn start(repository: PathBuf) -> Notes {
        let (tx, mut rx) = mpsc::channel::<(CommitId, String)>(NOTES_WAITING_MAX);
        tokio::spawn(async move {
            while let Some((id, line)) = rx.recv().await {
                let path = repository.clone();
                let by = Person::new("masthead", "masthead@localhost", clock::now_s());
                let noted = tokio::task::spawn_blocking(move || Reader::open(&path)?.set_note(id, &line, &by)).await;
                match noted {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%error, "the outcome is not written as a git note"),
                    Err(error) => tracing::error!(%error, "writing a git note"),
                }
            }
        });
        Notes(tx)
    }

    /// Tells what became of a commit.
    pub async fn tell(&self, commit: CommitId, line: String) {
        // The receiver ends with the runtime.
        let _ = self.0.send((commit, line)).await;
    }
}
