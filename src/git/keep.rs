//! Small texts by name ↔ files of a ref of our own, each change of them a commit on it.

use std::collections::BTreeMap;
use std::path::Path;

use git2::build::TreeUpdateBuilder;
use git2::{Commit, ErrorCode, FileMode, ObjectType, Repository, RepositoryInitOptions, TreeWalkMode, TreeWalkResult};

use crate::git::commit::Person;
use crate::git::error::{Context, Error};
use crate::git::reader::Reader;

/// What begins the names of refs that only Masthead writes.
pub const OWN_REFS: &str = "refs/masthead/";

/// The ref that holds what became of releases: `git show refs/masthead/releases:NAMESPACE/NAME`.
pub const RELEASES: &str = "refs/masthead/releases";

/// Bytes of one file at most; a larger one is not ours.
const FILE_BYTES_MAX: usize = 1 << 20;
/// Files of a ref at most.
const FILES_MAX: usize = 100_000;

/// Opens a repository for texts alone, made where there is none.
///
/// # Errors
/// It cannot be made or opened.
pub fn ensure(path: &Path) -> Result<(), Error> {
    if !path.exists() {
        let mut options = RepositoryInitOptions::new();
        options.bare(true).mkpath(true).external_template(false);
        Repository::init_opts(path, &options).what(|| format!("making the repository {}", path.display()))?;
    }
    Ok(())
}

impl Reader {
    /// All texts of a ref by their paths; none where there is no such ref.
    ///
    /// # Errors
    /// The repository cannot be read, or the ref holds more than allowed.
    pub fn kept(&self, name: &str) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        let reading = || format!("reading {name}");
        let mut out = BTreeMap::new();
        let Some(commit) = self.newest(name)? else { return Ok(out) };
        let mut blobs = Vec::new();
        let tree = commit.tree().what(reading)?;
        let walked = tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
            if entry.kind() == Some(ObjectType::Blob) {
                blobs.push((format!("{folder}{}", String::from_utf8_lossy(entry.name_bytes())), entry.id()));
            }
            if blobs.len() > FILES_MAX { TreeWalkResult::Abort } else { TreeWalkResult::Ok }
        });
        if blobs.len() > FILES_MAX {
            return Err(limit(format!("the number of files of {name}"), FILES_MAX, "FILES_MAX"));
        }
        walked.what(reading)?;
        for (path, id) in blobs {
            let blob = self.repo.find_blob(id).what(|| format!("reading {name}:{path}"))?;
            if blob.size() > FILE_BYTES_MAX {
                return Err(limit(format!("{name}:{path}"), FILE_BYTES_MAX, "FILE_BYTES_MAX"));
            }
            out.insert(path, blob.content().to_vec());
        }
        Ok(out)
    }

    /// Writes texts of a ref, and removes those that have none any more.
    ///
    /// # Errors
    /// The repository cannot be written, or what the ref holds cannot be read.
    pub fn keep(
        &self,
        name: &str,
        texts: &BTreeMap<String, Option<Vec<u8>>>,
        message: &str,
        by: &Person,
    ) -> Result<(), Error> {
        let before = self.newest(name)?;
        let writing = || format!("writing {name}");
        let base = match &before {
            Some(commit) => commit.tree().what(|| format!("reading {name}"))?,
            None => {
                let empty = self.repo.treebuilder(None).and_then(|builder| builder.write()).what(writing)?;
                self.repo.find_tree(empty).what(writing)?
            }
        };
        let mut update = TreeUpdateBuilder::new();
        for (path, text) in texts {
            match text {
                Some(text) => {
                    let blob = self.repo.blob(text).what(writing)?;
                    update.upsert(path.as_str(), blob, FileMode::Blob);
                }
                None if base.get_path(Path::new(path)).is_ok() => drop(update.remove(path.as_str())),
                None => {}
            }
        }
        let tree = update.create_updated(&self.repo, &base).what(writing)?;
        if before.as_ref().is_some_and(|_| base.id() == tree) {
            return Ok(());
        }
        let tree = self.repo.find_tree(tree).what(writing)?;
        let (who, parents) = (by.signature()?, before.iter().collect::<Vec<_>>());
        // The ref moves with it, and only from where it was.
        self.repo.commit(Some(name), &who, &who, message, &tree, &parents).what(writing)?;
        Ok(())
    }

    fn newest(&self, name: &str) -> Result<Option<Commit<'_>>, Error> {
        match self.repo.find_reference(name).and_then(|found| found.peel_to_commit()) {
            Ok(commit) => Ok(Some(commit)),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error).what(|| format!("reading {name}")),
        }
    }
}

fn limit(what: String, most: usize, name: &'static str) -> Error {
    Error::Limit { what, limit: u64::try_from(most).unwrap_or(u64::MAX), name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_changed_and_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kept.git");
        ensure(&path).unwrap();
        ensure(&path).unwrap();
        let reader = Reader::open(&path).unwrap();
        assert!(reader.kept(RELEASES).unwrap().is_empty());
        let by = Person::new("masthead", "masthead@localhost", 7);
        let keep = |changes: &[(&str, Option<&str>)]| {
            let texts = changes.iter().map(|(path, text)| ((*path).to_owned(), text.map(|t| t.as_bytes().to_vec())));
            reader.keep(RELEASES, &texts.collect(), "a change", &by).unwrap();
        };
        let check = |expect: &[(&str, &str)]| {
            let kept = reader.kept(RELEASES).unwrap();
            let shown: Vec<(&str, &str)> =
                kept.iter().map(|(path, text)| (path.as_str(), std::str::from_utf8(text).unwrap())).collect();
            assert_eq!(shown, expect);
        };
        keep(&[("a/one", Some("1")), ("a/two", Some("2")), ("b/one", Some("3"))]);
        check(&[("a/one", "1"), ("a/two", "2"), ("b/one", "3")]);
        keep(&[("a/one", Some("4")), ("b/one", None), ("c/none", None)]);
        check(&[("a/one", "4"), ("a/two", "2")]);
        keep(&[("a/one", Some("4"))]);
        keep(&[("a/one", None), ("a/two", None)]);
        check(&[]);
        let newest = reader.newest(RELEASES).unwrap().unwrap();
        assert_eq!(newest.parent(0).unwrap().parent_count(), 1, "what changes nothing is no commit");
    }
}
