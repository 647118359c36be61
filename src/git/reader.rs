//! An open repository, read only: revisions into commits, commits into snapshots, entries into bytes.

use std::path::{Path, PathBuf};

use git2::{Odb, Repository, RepositoryOpenFlags};

use crate::git::commit::{BlobId, Commit, CommitId};
use crate::git::entry::{Entry, Limits, Problem, Severity};
use crate::git::error::{Context, Error};
use crate::git::names;
use crate::git::text;

/// An open repository. Cheap to open (0.1 ms), `Send` but not `Sync`: open one a task.
pub struct Reader {
    pub(in crate::git) repo: Repository,
    path: PathBuf,
    alternates: Vec<PathBuf>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("path", &self.path).field("alternates", &self.alternates).finish()
    }
}

/// What a bulk read gave: bytes beside each entry, and what could not be read and why.
#[derive(Debug, Default)]
pub struct Contents<'s> {
    /// Entries with their bytes, in the order asked for.
    pub files: Vec<(&'s Entry, Box<[u8]>)>,
    /// Files over a limit or stored elsewhere.
    pub problems: Vec<Problem>,
}

impl Reader {
    /// Opens a repository: bare, a work tree, or a linked work tree. Nothing above `path` is searched.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_with(path, &[])
    }

    /// Opens a repository with further object directories, such as the quarantine of a push.
    pub fn open_with(path: &Path, alternates: &[PathBuf]) -> Result<Self, Error> {
        let repo = Repository::open_ext(path, RepositoryOpenFlags::NO_SEARCH, std::iter::empty::<&Path>())
            .what(|| format!("opening the repository {}", path.display()))?;
        for objects in alternates {
            let text = objects
                .to_str()
                .ok_or_else(|| Error::NotFound(format!("object directory {} (not UTF-8)", objects.display())))?;
            let odb = repo.odb().what(|| "opening the object database".into())?;
            odb.add_disk_alternate(text).what(|| format!("adding the objects in {}", objects.display()))?;
        }
        Ok(Self { repo, path: path.to_owned(), alternates: alternates.to_vec() })
    }

    /// Another handle on the same objects, for another thread.
    pub fn again(&self) -> Result<Self, Error> {
        Self::open_with(&self.path, &self.alternates)
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The commit a user's text names: a branch, tag, full ref, id or beginning of an id, with `~` and `^`.
    pub fn resolve(&self, revision: &str) -> Result<CommitId, Error> {
        names::revision(revision)?;
        let found = self.repo.revparse_single(revision).and_then(|o| o.peel_to_commit());
        found.map(|c| CommitId(c.id())).map_err(|_| Error::NotFound(format!("commit {}", text::line(revision))))
    }

    /// The tip of a branch; None when there is no such branch.
    pub fn tip(&self, branch: &str) -> Result<Option<CommitId>, Error> {
        names::branch(branch)?;
        self.reference(&format!("refs/heads/{branch}"))
    }

    /// The commit a full ref of a branch or note points to; None when there is no such ref. No object is read.
    pub fn reference(&self, name: &str) -> Result<Option<CommitId>, Error> {
        match self.repo.refname_to_id(name) {
            Ok(id) => Ok(Some(CommitId(id))),
            Err(e) if e.code() == git2::ErrorCode::NotFound && e.class() == git2::ErrorClass::Reference => Ok(None),
            Err(e) => Err(e).what(|| format!("reading {}", text::line(name))),
        }
    }

    /// The branch HEAD names, also when that branch has no commit yet.
    pub fn head_branch(&self) -> Option<String> {
        let head = self.repo.find_reference("HEAD").ok()?;
        let target = head.symbolic_target().ok().flatten()?.strip_prefix("refs/heads/")?.to_owned();
        names::branch(&target).ok().map(|()| target)
    }

    /// A commit as data.
    pub fn commit(&self, id: CommitId) -> Result<Commit, Error> {
        let commit = self.repo.find_commit(id.0).what(|| format!("reading commit {id}"))?;
        Ok(Commit::read(&commit))
    }

    /// Whether `new` has `old` among its ancestors, or is it.
    pub fn is_descendant(&self, new: CommitId, old: CommitId) -> Result<bool, Error> {
        Ok(new == old || self.repo.graph_descendant_of(new.0, old.0).what(|| format!("comparing {old} with {new}"))?)
    }

    /// Whether two commits share any history.
    pub fn is_related(&self, a: CommitId, b: CommitId) -> Result<bool, Error> {
        match self.repo.merge_base(a.0, b.0) {
            Ok(_) => Ok(true),
            Err(e) if e.code() == git2::ErrorCode::NotFound && e.class() == git2::ErrorClass::Merge => Ok(false),
            Err(e) => Err(e).what(|| format!("comparing {a} with {b}")),
        }
    }

    /// One blob's bytes, up to `bytes_max`.
    pub fn blob(&self, id: BlobId, bytes_max: u64) -> Result<Box<[u8]>, Error> {
        let odb = self.odb()?;
        let (size, _) = odb.read_header(id.0).what(|| format!("reading blob {id}"))?;
        if size as u64 > bytes_max {
            return Err(Error::Limit {
                what: format!("blob {id} ({size} bytes)"),
                limit: bytes_max,
                name: "bytes_max",
            });
        }
        Ok(odb.read(id.0).what(|| format!("reading blob {id}"))?.data().into())
    }

    /// The bytes of many entries. A file over `limits.file_bytes` and a Git LFS pointer are problems; all files together
    /// over `limits.total_bytes` is an error.
    ///
    /// One thread: libgit2 takes a process-wide lock for each window of a pack, and two threads were slower than one
    /// (65 to 107 ms against 40 ms for 10,000 blobs on two busy cores).
    pub fn read<'s>(&self, entries: &[&'s Entry], limits: &Limits) -> Result<Contents<'s>, Error> {
        let odb = self.odb()?;
        let mut out = Contents { files: Vec::with_capacity(entries.len()), problems: Vec::new() };
        let mut total = 0;
        for entry in entries {
            let id = entry.blob.0;
            let (size, _) = odb.read_header(id).what(|| format!("reading {} ({id})", entry.path))?;
            if size as u64 > limits.file_bytes {
                out.problems.push(Problem::fault(
                    entry.path.as_bytes(),
                    format!("is {size} bytes, the limit is {} (file_bytes)", limits.file_bytes),
                    "split it, or list it in .mastheadignore",
                ));
                continue;
            }
            // Checked while reading, so that memory is bounded by the limit and not by the repository.
            total += size as u64;
            if total > limits.total_bytes {
                return Err(Error::Limit {
                    what: "all files together".into(),
                    limit: limits.total_bytes,
                    name: "total_bytes",
                });
            }
            let object = odb.read(id).what(|| format!("reading {} ({id})", entry.path))?;
            if object.data().starts_with(b"version https://git-lfs.github.com/spec/") {
                let severity = if entry.is_manifest() { Severity::Fault } else { Severity::Note };
                out.problems.push(Problem::new(
                    severity,
                    entry.path.as_bytes(),
                    "is a Git LFS pointer, not the file itself",
                    "store manifests in git itself: git lfs untrack",
                ));
                continue;
            }
            out.files.push((entry, object.data().into()));
        }
        Ok(out)
    }

    pub(in crate::git) fn odb(&self) -> Result<Odb<'_>, Error> {
        self.repo.odb().what(|| format!("opening the objects of {}", self.path.display()))
    }
}
