//! A commit and a sub-path into a sorted list of the files there, with ids and without reading or checking out any.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use git2::{ObjectType, Oid, Tree};

use crate::git::commit::{BlobId, CommitId, TreeId};
use crate::git::entry::{Entry, Limits, Mode, Problem, Severity};
use crate::git::error::{Context, Error};
use crate::git::ignore::{self, Ignore};
use crate::git::links::{self, MODE_LINK, MODE_SUBMODULE, Target};
use crate::git::names;
use crate::git::reader::Reader;
use crate::git::text;

/// All files of a commit below one folder. Plain data: the bytes come from [`Reader::read`].
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The commit.
    pub commit: CommitId,
    /// The watched folder, `""` for the root.
    pub path: String,
    /// The tree of the watched folder.
    pub tree: TreeId,
    /// The files, sorted by the bytes of their paths.
    pub entries: Vec<Entry>,
    /// Each folder's tree id; paths end with a slash, the watched folder itself is its path with one, the root `""`.
    pub folders: BTreeMap<Arc<str>, TreeId>,
    /// What is wrong with entries that are not listed.
    pub problems: Vec<Problem>,
    ignore: Ignore,
    /// Whether an entry's meaning depends on more than its own folder (links), so that no part may be taken over.
    has_links: bool,
}

impl Snapshot {
    /// The files to be read as manifests.
    pub fn manifests(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|e| e.manifest)
    }

    /// The file at a path.
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        self.entries.binary_search_by(|e| (*e.path).cmp(path)).ok().map(|at| &self.entries[at])
    }

    /// The files below a folder (a path with or without a slash at its end; `""` is everything).
    pub fn below(&self, folder: &str) -> &[Entry] {
        let folder = folder.trim_end_matches('/');
        if folder.is_empty() {
            return &self.entries;
        }
        let prefix = format!("{folder}/");
        let from = self.entries.partition_point(|e| *e.path < *prefix);
        let len = self.entries[from..].partition_point(|e| e.path.starts_with(&prefix));
        &self.entries[from..from + len]
    }

    /// Whether the commit can't be used because of [`Severity::Fault`] problems.
    pub fn is_refused(&self) -> bool {
        self.problems.iter().any(|p| p.severity == Severity::Fault)
    }
}

impl Reader {
    /// Lists a commit's files below `path`. Folders that are the same in `previous` (same path, same tree id) are taken
    /// over without a read. A missing `path` is an error and never an empty snapshot.
    pub fn snapshot(
        &self,
        commit: CommitId,
        path: &str,
        limits: &Limits,
        previous: Option<&Snapshot>,
    ) -> Result<Snapshot, Error> {
        let path = names::sub_path(path)?;
        let root =
            self.repo.find_commit(commit.0).and_then(|c| c.tree()).what(|| format!("reading commit {commit}"))?;
        let tree = if path.is_empty() {
            root.clone()
        } else {
            let missing = || Error::NotFound(format!("folder {path} in commit {}", commit.short()));
            let entry = root.get_path(std::path::Path::new(&path)).map_err(|e| match e.code() {
                git2::ErrorCode::NotFound => missing(),
                _ => Error::Git { what: format!("reading {path}"), source: e },
            })?;
            if entry.kind() != Some(ObjectType::Tree) {
                return Err(missing());
            }
            self.repo.find_tree(entry.id()).what(|| format!("reading {path}"))?
        };
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let mut walk = Walk {
            reader: self,
            root: root.id(),
            limits,
            previous: None,
            prefix_len: prefix.len(),
            dropped: 0,
            out: Snapshot {
                commit,
                path,
                tree: TreeId(tree.id()),
                entries: Vec::with_capacity(previous.map_or(256, |p| p.entries.len() + 16)),
                folders: BTreeMap::new(),
                problems: Vec::new(),
                ignore: Ignore::default(),
                has_links: false,
            },
        };
        walk.read_ignore(&tree)?;
        walk.previous = previous.filter(|p| {
            p.path == walk.out.path && !p.has_links && p.problems.is_empty() && p.ignore == walk.out.ignore
        });
        walk.folder(tree.id(), prefix.into_bytes(), false, 0)?;
        if walk.dropped > 0 {
            let more = format!("{} more problems are not shown", walk.dropped);
            walk.out.problems.push(Problem::fault(b"", more, "mend the ones above first"));
        }
        Ok(walk.out)
    }
}

struct Walk<'a> {
    reader: &'a Reader,
    root: Oid,
    limits: &'a Limits,
    previous: Option<&'a Snapshot>,
    prefix_len: usize,
    dropped: usize,
    out: Snapshot,
}

impl Walk<'_> {
    fn problem(&mut self, problem: Problem) {
        if self.out.problems.len() < self.limits.problems {
            self.out.problems.push(problem);
        } else {
            self.dropped += 1;
        }
    }

    fn read_ignore(&mut self, tree: &Tree<'_>) -> Result<(), Error> {
        let Some(entry) = tree.get_name(ignore::FILE) else { return Ok(()) };
        if entry.kind() != Some(ObjectType::Blob) || entry.filemode() == MODE_LINK {
            self.problem(Problem::fault(ignore::FILE.as_bytes(), "is not a plain file", "make it one"));
            return Ok(());
        }
        let path = format!(
            "{}{}",
            if self.out.path.is_empty() { String::new() } else { format!("{}/", self.out.path) },
            ignore::FILE
        );
        let faults = match self.reader.blob(BlobId(entry.id()), ignore::FILE_BYTES_MAX as u64) {
            Ok(bytes) => {
                let (ignore, faults) = Ignore::parse(&bytes);
                self.out.ignore = ignore;
                faults
            }
            Err(Error::Limit { .. }) => vec![(1, "the file is larger than 64 KiB (FILE_BYTES_MAX)")],
            Err(e) => return Err(e),
        };
        for (line, why) in faults {
            let at = format!("{path}:{line}");
            self.problem(Problem::fault(at.as_bytes(), why, "patterns are written as in .gitignore"));
        }
        Ok(())
    }

    /// Takes a whole unchanged folder from the previous snapshot; false when it is not there.
    fn take_over(&mut self, id: Oid, folder: &str) -> Result<bool, Error> {
        let Some(previous) = self.previous else { return Ok(false) };
        if previous.folders.get(folder) != Some(&TreeId(id)) {
            return Ok(false);
        }
        self.out.entries.extend_from_slice(previous.below(folder));
        let under = previous
            .folders
            .range::<str, _>((Bound::Included(folder), Bound::Unbounded))
            .take_while(|(path, _)| path.starts_with(folder));
        self.out.folders.extend(under.map(|(path, id)| (path.clone(), *id)));
        self.check_count()?;
        Ok(true)
    }

    fn check_count(&self) -> Result<(), Error> {
        if self.out.entries.len() <= self.limits.files {
            return Ok(());
        }
        let what = format!("the number of files in commit {}", self.out.commit.short());
        Err(Error::Limit { what, limit: self.limits.files as u64, name: "files" })
    }

    /// Lists one folder; `prefix` is its path with a slash at its end.
    fn folder(&mut self, id: Oid, prefix: Vec<u8>, hidden: bool, depth: usize) -> Result<(), Error> {
        let Ok(path) = std::str::from_utf8(&prefix) else { return Ok(()) };
        if depth > self.limits.depth {
            let what = format!("is nested deeper than {} folders (depth)", self.limits.depth);
            self.problem(Problem::fault(&prefix, what, "move it up"));
            return Ok(());
        }
        if self.take_over(id, path)? {
            return Ok(());
        }
        self.out.folders.insert(path.into(), TreeId(id));
        let tree = self.reader.repo.find_tree(id).what(|| format!("reading folder {}", text::line(path)))?;
        // Git forbids two entries of one name; a forged tree may hold them, and then the last would silently win.
        let mut last: Vec<u8> = Vec::new();
        for entry in &tree {
            let name = entry.name_bytes();
            let at = [&prefix, name].concat();
            if name == last {
                self.problem(Problem::fault(
                    &at,
                    "is in its folder twice",
                    "the tree is malformed: rebuild the commit",
                ));
                continue;
            }
            last = name.to_vec();
            if let Some(why) = names::dangerous(name) {
                self.problem(Problem::fault(&at, format!("{why}, such a name is never accepted"), "rename it"));
                continue;
            }
            let is_folder = entry.kind() == Some(ObjectType::Tree);
            if self.out.ignore.ignores(&at[self.prefix_len..], is_folder) {
                continue;
            }
            if let Some(why) = self.bad_name(name, &at) {
                // A file that is no manifest is never read, so its name harms nobody.
                let severity = if is_folder || is_manifest_name(&String::from_utf8_lossy(name)) {
                    Severity::Fault
                } else {
                    Severity::Note
                };
                self.problem(Problem::new(severity, &at, why, "rename it"));
                continue;
            }
            let hidden = hidden || name[0] == b'.';
            match (entry.kind(), entry.filemode()) {
                (Some(ObjectType::Tree), _) => {
                    self.folder(entry.id(), [at.as_slice(), b"/"].concat(), hidden, depth + 1)?
                }
                (_, MODE_SUBMODULE) => self.submodule(&at),
                (Some(ObjectType::Blob), MODE_LINK) => self.link(&prefix, &at, entry.id(), hidden)?,
                (Some(ObjectType::Blob), mode) => {
                    let mode = if mode & 0o111 == 0 { Mode::Regular } else { Mode::Executable };
                    self.file(&at, entry.id(), mode, hidden)?;
                }
                _ => self.problem(Problem::fault(
                    &at,
                    "is neither a file nor a folder",
                    "the tree is malformed: rebuild the commit",
                )),
            }
        }
        Ok(())
    }

    fn bad_name(&self, name: &[u8], path: &[u8]) -> Option<&'static str> {
        if path.len() > names::PATH_BYTES_MAX {
            return Some("has a path longer than 4096 bytes (PATH_BYTES_MAX)");
        }
        names::odd(name).map(|why| match why {
            "is not UTF-8" => "has a name that is not UTF-8",
            _ => "has a name with a control, invisible or bidirectional character",
        })
    }

    fn file(&mut self, path: &[u8], blob: Oid, mode: Mode, hidden: bool) -> Result<(), Error> {
        let Ok(path) = std::str::from_utf8(path) else { return Ok(()) };
        let manifest = !hidden && is_manifest_name(path);
        self.out.entries.push(Entry { path: path.into(), blob: BlobId(blob), mode, manifest });
        self.check_count()
    }

    fn submodule(&mut self, path: &[u8]) {
        let what = "is a submodule: manifests in it are not read";
        self.problem(Problem::new(Severity::Note, path, what, "copy them here, or watch that repository too"));
    }

    fn link(&mut self, folder: &[u8], path: &[u8], blob: Oid, hidden: bool) -> Result<(), Error> {
        self.out.has_links = true;
        let target = links::follow(&self.reader.repo, self.root, folder, blob)?;
        let would_be_read = !hidden && is_manifest_name(&String::from_utf8_lossy(path));
        let severity = if would_be_read { Severity::Fault } else { Severity::Note };
        let hint = "replace it with a file, or list it in .mastheadignore";
        match target {
            Target::File { blob, .. } => return self.file(path, blob, Mode::Link, hidden),
            Target::Outside => self.problem(Problem::fault(path, "is a symbolic link out of the repository", hint)),
            Target::Loop => self.problem(Problem::fault(path, "is a symbolic link that leads in a circle", hint)),
            Target::Dangling => self.problem(Problem::new(severity, path, "is a symbolic link to nothing", hint)),
            Target::Folder(to) => {
                // A folder that is read at its own place needs no second reading; one outside would be missed.
                let inside = [&to, b"/".as_slice()]
                    .concat()
                    .starts_with(format!("{}/", self.out.path).trim_start_matches('/').as_bytes());
                let severity = if inside || hidden { Severity::Note } else { Severity::Fault };
                let what = format!(
                    "is a symbolic link to the folder {}: folders are read at their own place only",
                    text::line_of_bytes(&to)
                );
                self.problem(Problem::new(severity, path, what, hint));
            }
        }
        Ok(())
    }
}

fn is_manifest_name(path: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|end| path.ends_with(end))
}
