//! Snapshots, one after the other → desired states; a file whose path and blob are known is not read again.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::RELEASE;
use masthead_plan::desired::{CommitFacts, Desired, Problem, Wanted};
use masthead_plan::sync::journal::{Journal, Mark};
use masthead_plan::sync::release::WantedRelease;

use crate::git::commit::BlobId;
use crate::source::{desire, render};

/// What one file holds.
#[derive(Debug, Default)]
pub struct File {
    /// The objects that it asks for.
    pub wanted: Vec<Wanted>,
    /// The release whose chart it was rendered from.
    pub release: Option<Arc<WantedRelease>>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
}

/// Reads one file.
pub fn file(path: &Arc<str>, bytes: &[u8]) -> File {
    let (manifests, mut problems) = render::render(path, bytes);
    let (wanted, more) = desire::desire(path, manifests, desire::DEFAULT_NAMESPACE);
    problems.extend(more);
    File { wanted, release: None, problems }
}

/// One file of a snapshot: its path and the id of its bytes.
pub type Listed = (Arc<str>, BlobId);

/// The files of the last snapshots, read.
#[derive(Default)]
pub struct Cache {
    files: HashMap<Listed, Arc<File>>,
    /// Those with a Release in them, which are few.
    releases: HashSet<Listed>,
    last: Last,
    /// What changed from each desired state to the next.
    journal: Arc<Mutex<Journal>>,
}

/// A desired state among those that were made one from the other.
#[derive(Clone, Debug, Default)]
pub struct Version {
    journal: Arc<Mutex<Journal>>,
    at: Mark,
}

impl Version {
    /// The newest of a journal.
    pub fn newest(journal: &Arc<Mutex<Journal>>) -> Version {
        Version { journal: journal.clone(), at: lock(journal).mark() }
    }

    /// The objects in which two may differ; `None` when that is not remembered.
    pub fn differing(&self, other: &Version) -> Option<BTreeSet<ObjectKey>> {
        let is_one = Arc::ptr_eq(&self.journal, &other.journal);
        if is_one { lock(&self.journal).since(self.at.min(other.at)) } else { None }
    }
}

fn lock(journal: &Mutex<Journal>) -> MutexGuard<'_, Journal> {
    // A panic while it is held leaves a whole journal: each note is one push.
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The last snapshot without a fault, from which the next one differs by little.
#[derive(Default)]
struct Last {
    listed: Vec<Listed>,
    desired: Arc<Desired>,
}

/// Files of the first list that are not in the second, and the other way round; both are sorted by path.
fn differing<'a, 'b>(before: &'a [Listed], after: &'b [Listed]) -> (Vec<&'a Listed>, Vec<&'b Listed>) {
    let (mut gone, mut new) = (Vec::new(), Vec::new());
    let (mut i, mut j) = (0, 0);
    while let (Some(a), Some(b)) = (before.get(i), after.get(j)) {
        if a == b {
            (i, j) = (i + 1, j + 1);
        } else if a.0 <= b.0 {
            gone.push(a);
            i += 1;
        } else {
            new.push(b);
            j += 1;
        }
    }
    gone.extend(&before[i..]);
    new.extend(&after[j..]);
    (gone, new)
}

/// How many files may be kept beyond those of the newest snapshot.
const SPARE_FILES: usize = 4096;

impl Cache {
    /// Which of the files have to be read.
    pub fn missing<'l>(&self, listed: &'l [Listed]) -> Vec<&'l Listed> {
        let (_, new) = differing(&self.last.listed, listed);
        new.into_iter().filter(|file| !self.files.contains_key(*file)).collect()
    }

    /// Reads files, on as many threads as there are processors when there are many.
    pub fn read(&mut self, blobs: Vec<(Listed, Vec<u8>)>) {
        const WORTH_A_THREAD: usize = 64;
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(blobs.len() / WORTH_A_THREAD + 1);
        let share = blobs.len().div_ceil(threads.max(1)).max(1);
        fn read(part: &[(Listed, Vec<u8>)]) -> Vec<(Listed, Arc<File>)> {
            part.iter().map(|(listed, bytes)| (listed.clone(), Arc::new(file(&listed.0, bytes)))).collect()
        }
        let mut parts = blobs.chunks(share);
        let first = parts.next().unwrap_or_default();
        let done: Vec<Vec<(Listed, Arc<File>)>> = std::thread::scope(|scope| {
            let workers: Vec<_> = parts.map(|part| scope.spawn(move || read(part))).collect();
            let mut done = vec![read(first)];
            // A worker that panicked is a fault of ours, not of the file: it goes on in the caller.
            done.extend(workers.into_iter().map(|w| w.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))));
            done
        });
        for (listed, file) in done.into_iter().flatten() {
            if file.wanted.iter().any(|wanted| wanted.object.key().kind == RELEASE) {
                self.releases.insert(listed.clone());
            }
            self.files.insert(listed, file);
        }
    }

    /// Whether one of the files, sorted by path, holds a Release.
    pub fn has_releases(&self, listed: &[Listed]) -> bool {
        self.releases
            .iter()
            .any(|file| listed.binary_search_by(|other| other.0.cmp(&file.0)).is_ok_and(|at| listed[at] == *file))
    }

    /// What a file came to, when it was read.
    pub fn file(&self, listed: &Listed) -> Option<&Arc<File>> {
        self.files.get(listed)
    }

    /// Keeps what something that is made of files came to.
    pub fn put(&mut self, listed: Listed, file: File) {
        self.files.insert(listed, Arc::new(file));
    }

    /// The desired state of a snapshot all of whose files were read, or every problem of it. Where nobody has the last one
    /// any more, that becomes this one, and what is the same in both costs nothing.
    ///
    /// # Errors
    /// All problems of all files, in the order of paths and lines, and objects that two files ask for.
    pub fn desired(&mut self, commit: CommitFacts, listed: &[Listed]) -> Result<Arc<Desired>, Vec<Problem>> {
        // Put back only when all is well: after a fault the next snapshot is put together from nothing.
        let Last { listed: before, mut desired } = std::mem::take(&mut self.last);
        let mut journal = lock(&self.journal);
        if before.is_empty() {
            // It is put together from nothing, so that nothing is known of what changed.
            journal.forget();
        }
        let (gone, new) = differing(&before, listed);
        if gone.is_empty() && new.is_empty() && desired.commit == commit {
            self.last = Last { listed: before, desired: desired.clone() };
            return Ok(desired);
        }
        let Desired { commit: facts, objects, releases } = Arc::make_mut(&mut desired);
        facts.clone_from(&commit);
        for file in gone.iter().filter_map(|file| self.files.get(*file)) {
            for wanted in &file.wanted {
                objects.remove(wanted.object.key());
                journal.note(wanted.object.key());
            }
            if let Some(release) = &file.release {
                releases.remove(&release.key);
            }
        }
        let mut problems = Vec::new();
        for file in new.iter().filter_map(|file| self.files.get(*file)) {
            problems.extend(file.problems.iter().cloned());
            for wanted in &file.wanted {
                journal.note(wanted.object.key());
                match objects.entry(wanted.object.key().clone()) {
                    Entry::Vacant(slot) => drop(slot.insert(wanted.clone())),
                    Entry::Occupied(other) => problems.push(twice(other.get(), wanted)),
                }
            }
            if let Some(release) = &file.release
                && let Some(other) = releases.insert(release.key.clone(), release.clone())
            {
                problems.push(installed_twice(&other, release));
            }
        }
        let objects = &*objects;
        problems.extend(releases.values().flat_map(|release| taken_names(release, objects)));
        if self.files.len() > listed.len() + SPARE_FILES {
            let keep: HashSet<&Listed> = listed.iter().collect();
            self.files.retain(|file, _| keep.contains(file));
            self.releases.retain(|file| keep.contains(file));
        }
        drop(journal);
        if !problems.is_empty() && !before.is_empty() {
            // Which of two files is named as the first must not depend on what was read before.
            return self.desired(commit, listed);
        }
        if !problems.is_empty() {
            problems.sort();
            return Err(problems);
        }
        self.last = Last { listed: listed.to_vec(), desired: desired.clone() };
        Ok(desired)
    }

    /// The desired state that was made last.
    pub fn version(&self) -> Version {
        Version::newest(&self.journal)
    }
}

fn installed_twice(one: &WantedRelease, other: &WantedRelease) -> Problem {
    let (first, second) = if one.origin <= other.origin { (one, other) } else { (other, one) };
    Problem {
        path: second.origin.path.to_string(),
        line: second.origin.line,
        object: format!("Release/{}", second.key.name),
        field: String::new(),
        message: format!("{} is also installed by {}", second.key, first.origin),
        hint: "give one of the two another name".to_owned(),
    }
}

/// Hooks whose objects would be made under the names of others.
fn taken_names<'a>(
    release: &'a WantedRelease,
    objects: &'a BTreeMap<ObjectKey, Wanted>,
) -> impl Iterator<Item = Problem> + 'a {
    release.hooks.iter().filter(|hook| !hook.is_test()).filter_map(|hook| {
        let other = objects.get(hook.key())?;
        Some(Problem {
            path: hook.origin.path.to_string(),
            line: hook.origin.line,
            object: format!("{}/{}", hook.key().kind.info().kind, hook.key().name),
            field: String::new(),
            message: format!("{} is also written at {}", hook.key(), other.origin),
            hint: "a hook makes an object of its own: give one of the two another name".to_owned(),
        })
    })
}

fn twice(one: &Wanted, other: &Wanted) -> Problem {
    let (first, second) = if one.origin <= other.origin { (one, other) } else { (other, one) };
    let key = second.object.key();
    Problem {
        path: second.origin.path.to_string(),
        line: second.origin.line,
        object: format!("{}/{}", key.kind.info().kind, key.name),
        field: String::new(),
        message: format!("{key} is also written at {}", first.origin),
        hint: "keep one of the two".to_owned(),
    }
}
