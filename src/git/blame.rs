//! A file of a commit → the commit that wrote each of its lines, as `git blame` tells it.

use std::path::Path;

use git2::BlameOptions;

use crate::git::commit::CommitId;
use crate::git::error::{Context, Error};
use crate::git::names;
use crate::git::reader::Reader;

impl Reader {
    /// The commit of each line of a file as it is in `commit`; the first line comes first.
    ///
    /// # Errors
    /// The file is not in the commit, or the repository cannot be read.
    pub fn blame(&self, commit: CommitId, path: &str) -> Result<Vec<CommitId>, Error> {
        let path = names::sub_path(path)?;
        let mut options = BlameOptions::new();
        options.newest_commit(commit.0);
        let found = self.repo.blame_file(Path::new(&path), Some(&mut options));
        let found = found.what(|| format!("looking for who wrote {path}"))?;
        let mut lines = Vec::new();
        for hunk in found.iter() {
            lines.extend(std::iter::repeat_n(CommitId(hunk.final_commit_id()), hunk.lines_in_hunk()));
        }
        Ok(lines)
    }

    /// The bytes of a file as it is in `commit`; none where there is no such file.
    ///
    /// # Errors
    /// The repository cannot be read, or the file is longer than `bytes_max`.
    pub fn file(&self, commit: CommitId, path: &str, bytes_max: u64) -> Result<Option<Box<[u8]>>, Error> {
        let path = names::sub_path(path)?;
        let tree =
            self.repo.find_commit(commit.0).and_then(|c| c.tree()).what(|| format!("reading commit {commit}"))?;
        match tree.get_path(Path::new(&path)) {
            Ok(entry) => self.blob(crate::git::commit::BlobId(entry.id()), bytes_max).map(Some),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(source) => Err(Error::Git { what: format!("reading {path}"), source }),
        }
    }
}
