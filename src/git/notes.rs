//! The outcome of a commit into a git note, and back.

use crate::git::commit::{CommitId, Person};
use crate::git::error::{Context, Error};
use crate::git::reader::Reader;
use crate::git::text;

/// The ref that holds the notes: `git log --notes=masthead` shows them.
pub const REF: &str = "refs/notes/masthead";
/// Bytes of one note; of a longer one the first lines go.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;
/// Attempts when another process writes notes at the same moment.
const ATTEMPTS_MAX: usize = 5;

impl Reader {
    /// The note of a commit, sanitised; None when it has none.
    pub fn note(&self, commit: CommitId) -> Result<Option<String>, Error> {
        match self.repo.find_note(Some(REF), commit.0) {
            Ok(note) => {
                let bytes = note.message_bytes();
                let cut = &bytes[..bytes.len().min(NOTE_BYTES_MAX)];
                Ok(Some(text::sanitize(&String::from_utf8_lossy(cut)).into_owned()))
            }
            Err(e) if e.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(e) => Err(e).what(|| format!("reading the note of {commit}")),
        }
    }

    /// Replaces the note of a commit.
    pub fn set_note(&self, commit: CommitId, note: &str, by: &Person) -> Result<(), Error> {
        let who = by.signature()?;
        // A note may name any id; one for a commit that is not here would never be seen.
        self.repo.find_commit(commit.0).what(|| format!("reading commit {commit}"))?;
        let mut note = text::sanitize(note).into_owned();
        if note.len() > NOTE_BYTES_MAX {
            let from = note.ceil_char_boundary(note.len() - NOTE_BYTES_MAX);
            note = note[from..].split_once('\n').map_or(String::new(), |(_, rest)| rest.to_owned());
        }
        if !note.ends_with('\n') {
            note.push('\n');
        }
        let mut attempt = 1;
        loop {
            match self.repo.note(&who, &who, Some(REF), commit.0, &note, true) {
                Ok(_) => return Ok(()),
                Err(e)
                    if attempt < ATTEMPTS_MAX
                        && matches!(e.code(), git2::ErrorCode::Locked | git2::ErrorCode::Modified) =>
                {
                    attempt += 1
                }
                Err(e) => return Err(e).what(|| format!("writing the note of {commit}")),
            }
        }
    }
}
