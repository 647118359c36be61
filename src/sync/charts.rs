//! The charts of a snapshot → their objects among those of the other files; only what changed is rendered again.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use masthead_api::key::ObjectKey;
use masthead_chart::chart::Chart;
use masthead_plan::desired::{Problem, Wanted};
use masthead_plan::sync::installed::Installed;
use masthead_plan::sync::release::ReleaseKey;
use masthead_plan::sync::revision::Revision;
use masthead_sprig::host::Lookup;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::charts::credentials::Login;
use crate::charts::fetch::Fetcher;
use crate::charts::lock::{self, Lock, Locked};
use crate::charts::store::Store;
use crate::git::commit::{BlobId, CommitId};
use crate::git::entry::{Entry, Limits};
use crate::git::error::Error;
use crate::git::reader::Reader;
use crate::git::snapshot::Snapshot;
use crate::source::asks;
use crate::source::chart::{self, Read};
use crate::source::releases::{self, Place, Unit, Values};
use crate::source::render::problem;
use crate::source::trace::Traced;
use crate::source::tree::{Cache, File, Listed};
use crate::sync::problem::as_problem;

/// Finds applied objects by API version, kind, namespace and name, for charts that ask.
pub type Find = Arc<dyn Fn(&str, &str, &str, &str) -> Result<Value, String> + Send + Sync>;

/// What is known of a release.
pub type Known = Arc<dyn Fn(&ReleaseKey) -> Option<Arc<Installed>> + Send + Sync>;

/// What charts are rendered with.
pub struct Surroundings {
    /// The secret from which random values are derived; the same for as long as the store lives.
    pub entropy: [u8; 32],
    /// Finds applied objects.
    pub find: Option<Find>,
    /// Finds what is known of a release; without it each is told that it is installed for the first time.
    pub known: Option<Known>,
    /// Where charts that were fetched are kept.
    pub store: PathBuf,
}

/// The snapshot and what it is read with.
pub struct Around<'a> {
    /// The repository.
    pub reader: &'a Reader,
    /// Bounds of what is read.
    pub limits: &'a Limits,
    /// The files.
    pub snapshot: &'a Snapshot,
    /// The commit's time in Unix seconds.
    pub time_s: i64,
}

/// Charts of the last snapshots, loaded, and which of their renders ask for more than their inputs.
#[derive(Default)]
pub struct Charts {
    loaded: HashMap<String, Result<Arc<Chart>, String>>,
    /// Renders that looked applied objects up: what they gave is true only now.
    volatile: BTreeSet<Listed>,
    /// Renders that asked for the time, and what they were told.
    timed: HashMap<Listed, Told>,
    /// Renders that asked which change of their release it is.
    numbered: BTreeSet<Listed>,
}

/// What the charts of a unit are told that it is now: the time of the commit that changed it last.
#[derive(Clone, Copy)]
struct Told {
    time_s: i64,
    /// The commit up to which that is known.
    tip: CommitId,
}

/// Renders this many at a time on a thread of its own, at least.
const WORTH_A_THREAD: usize = 4;
/// Stack of a thread that renders: templates include each other, each time on it. Only what is used takes memory.
const STACK_BYTES: usize = 256 << 20;
/// How long one chart may take.
const RENDER_MAX: Duration = Duration::from_secs(10);

impl Charts {
    /// Renders what is new, and puts the results among the listed files; files that hold values are taken out.
    ///
    /// # Errors
    /// The repository can't be read. What is wrong with a chart or a Release is told, not an error.
    pub fn join(
        &mut self,
        around: &Around<'_>,
        surroundings: Option<&Surroundings>,
        folders: &[Arc<str>],
        cache: &mut Cache,
        listed: &mut Vec<Listed>,
    ) -> Result<Vec<Problem>, Error> {
        let mut problems = Vec::new();
        let lock = read_lock(around, &mut problems)?;
        let files: Vec<Arc<File>> = listed.iter().filter_map(|file| cache.file(file).cloned()).collect();
        let wanted: Vec<&Wanted> = files.iter().flat_map(|file| &file.wanted).collect();
        let planned = releases::plan(around.snapshot, folders, &wanted, &lock);
        problems.extend(planned.problems);
        listed.retain(|(path, _)| !planned.values.contains(path));

        let mut renamed: HashMap<Listed, Listed> = HashMap::new();
        for unit in planned.units.iter().filter(|unit| unit.spec.suspend) {
            cache.put(unit.listed.clone(), chart::suspended(unit));
        }
        let mut new: Vec<(&Unit, Revision)> = Vec::new();
        for unit in planned.units.iter().filter(|unit| !unit.spec.suspend) {
            // Once for all that follows: what is known of the release may change meanwhile.
            let revision = revision_of(surroundings, unit);
            let name = self.name_of(around, unit, revision)?;
            if cache.file(&name).is_none() || self.volatile.contains(&unit.listed) {
                new.push((unit, revision));
            }
            renamed.insert(unit.listed.clone(), name);
        }
        for (unit, _) in &new {
            self.load(around, surroundings, unit)?;
        }
        let mut work = Vec::new();
        for (unit, revision) in &new {
            let (unit, revision) = (*unit, *revision);
            let (chart, texts) = (self.loaded.get(&chart_id(unit)).cloned(), texts(around, unit, &mut problems)?);
            let asks = match &chart {
                Some(Ok(chart)) => asks::of(chart, &texts, &unit.values),
                _ => asks::Asks::default(),
            };
            if asks.revision {
                self.numbered.insert(unit.listed.clone());
            }
            let now_s = if asks.time { self.time_of(around, unit)? } else { around.time_s };
            work.push(Work { unit, chart, texts, now_s, revision });
        }
        for ((unit, revision), (file, has_looked)) in new.into_iter().zip(render_all(work, surroundings)) {
            let mut name = self.name_of(around, unit, revision)?;
            if has_looked {
                self.volatile.insert(unit.listed.clone());
                // The same inputs may give something else: then it has to have another name.
                name.1 = of_result(&file);
            }
            // Under this name alone: what asks is forgotten, and when the unit comes back it is asked again.
            renamed.insert(unit.listed.clone(), name.clone());
            cache.put(name, file);
        }
        for unit in &planned.units {
            listed.push(renamed.remove(&unit.listed).unwrap_or_else(|| unit.listed.clone()));
        }
        listed.sort_by(|a, b| a.0.cmp(&b.0));
        self.forget(&planned.units);
        Ok(problems)
    }

    /// One object of a unit with where each line of it comes from, and the values of the unit that are files or texts.
    ///
    /// # Errors
    /// The repository can't be read. What is wrong with the chart is told in the inner one.
    pub fn trace(
        &mut self,
        around: &Around<'_>,
        surroundings: Option<&Surroundings>,
        unit: &Unit,
        key: &ObjectKey,
    ) -> Result<Result<Option<Traced>, String>, Error> {
        self.load(around, surroundings, unit)?;
        let chart = match self.loaded.get(&chart_id(unit)) {
            Some(Ok(chart)) => chart.clone(),
            Some(Err(why)) => return Ok(Err(why.clone())),
            None => return Ok(Err("its chart was not loaded".to_owned())),
        };
        let texts = texts(around, unit, &mut Vec::new())?;
        let now_s = match asks::of(&chart, &texts, &unit.values).time {
            true => self.time_of(around, unit)?,
            false => around.time_s,
        };
        let revision = revision_of(surroundings, unit);
        // Templates include each other, each time on the stack.
        let done = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("blame".to_owned()).stack_size(STACK_BYTES);
            let lookup = surroundings.and_then(|with| with.find.clone());
            let work = move || {
                let lookup = lookup.map(|find| -> Lookup { Box::new(move |v, k, ns, name| find(v, k, ns, name)) });
                let entropy = surroundings.map_or([0; 32], |with| with.entropy);
                let around = chart::Around { probe: Box::new(probe()), entropy, now_s, revision, lookup };
                chart::trace(unit, &chart, texts, around, key)
            };
            match thread.spawn_scoped(scope, work) {
                Ok(worker) => worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                Err(error) => Err(vec![problem(&unit.origin.path, 0, &format!("no thread to render in: {error}"), "")]),
            }
        });
        Ok(done.map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))
    }

    /// Keeps only what the newest snapshot has.
    fn forget(&mut self, units: &[Unit]) {
        let used: BTreeSet<String> = units.iter().map(chart_id).collect();
        self.loaded.retain(|id, _| used.contains(id));
        let listed: BTreeSet<&Listed> = units.iter().map(|unit| &unit.listed).collect();
        self.volatile.retain(|unit| listed.contains(unit));
        self.timed.retain(|unit, _| listed.contains(unit));
        self.numbered.retain(|unit| listed.contains(unit));
    }

    /// The name of what a unit gives now: its own, unless more than its inputs decides.
    fn name_of(&mut self, around: &Around<'_>, unit: &Unit, revision: Revision) -> Result<Listed, Error> {
        let mut hash = Sha256::new();
        hash.update(unit.listed.1.as_bytes());
        if self.timed.contains_key(&unit.listed) {
            hash.update(b"at");
            hash.update(self.time_of(around, unit)?.to_le_bytes());
        } else if !self.numbered.contains(&unit.listed) {
            return Ok(unit.listed.clone());
        }
        if self.numbered.contains(&unit.listed) {
            hash.update(format!("as {revision:?}"));
        }
        Ok((unit.listed.0.clone(), BlobId::of_digest(hash.finalize().into())))
    }

    /// What a unit's chart is told that it is now: the time of the commit that last changed the unit, so that neither
    /// another commit nor a new start makes another time of it.
    fn time_of(&mut self, around: &Around<'_>, unit: &Unit) -> Result<i64, Error> {
        let tip = around.snapshot.commit;
        let known = self.timed.get(&unit.listed).map(|told| (told.tip, told.time_s));
        let mut paths: Vec<&str> = unit.files.iter().map(|path| &**path).collect();
        let lock = lock_path(around);
        match &unit.place {
            Place::Folder(folder, _) => paths.push(folder.trim_end_matches('/')),
            Place::Elsewhere(_) => paths.push(&lock),
        }
        let is_same = |path: &str, one: Option<BlobId>, other: Option<BlobId>| {
            let Place::Elsewhere(locked) = &unit.place else { return false };
            let pin = |blob: Option<BlobId>| {
                let bytes = around.reader.blob(blob?, around.limits.file_bytes).ok()?;
                Lock::read(&bytes).ok()?.find(&locked.asked).cloned()
            };
            path == lock && pin(one) == pin(other)
        };
        let time_s = around.reader.last_change(tip, &paths, known, &is_same)?;
        self.timed.insert(unit.listed.clone(), Told { time_s, tip });
        Ok(time_s)
    }

    fn load(&mut self, around: &Around<'_>, with: Option<&Surroundings>, unit: &Unit) -> Result<(), Error> {
        let id = chart_id(unit);
        if matches!(self.loaded.get(&id), Some(Ok(_))) {
            return Ok(());
        }
        let chart = match &unit.place {
            Place::Folder(folder, _) => folder_chart(around, folder)?,
            Place::Elsewhere(locked) => fetch(locked, with).and_then(|archive| {
                let named = |why| format!("{}-{}.tgz: {why}", locked.asked.name, locked.resolved);
                chart::unpack(&archive).map_err(named)
            }),
        };
        self.loaded.insert(id, chart.map(Arc::new));
        Ok(())
    }
}

fn chart_id(unit: &Unit) -> String {
    match &unit.place {
        Place::Folder(_, tree) => tree.to_string(),
        Place::Elsewhere(locked) => locked.digest.clone(),
    }
}

/// What the templates of a unit are told of their release.
fn revision_of(with: Option<&Surroundings>, unit: &Unit) -> Revision {
    let key = ReleaseKey { namespace: unit.namespace.clone(), name: unit.name.clone() };
    let known = with.and_then(|with| with.known.as_ref()).and_then(|known| known(&key));
    known.map_or(Revision::FIRST, |known| known.changes.told(&unit.inputs, known.applied.is_some()))
}

pub(in crate::sync) fn lock_path(around: &Around<'_>) -> String {
    let folder = &around.snapshot.path;
    if folder.is_empty() { lock::FILE.to_owned() } else { format!("{folder}/{}", lock::FILE) }
}

pub(in crate::sync) fn read_lock(around: &Around<'_>, problems: &mut Vec<Problem>) -> Result<Lock, Error> {
    let path = lock_path(around);
    let Some(entry) = around.snapshot.entry(&path) else { return Ok(Lock::default()) };
    let bytes = around.reader.blob(entry.blob, around.limits.file_bytes)?;
    Ok(Lock::read(&bytes).unwrap_or_else(|why| {
        problems.push(problem(&path, 0, &why, "write it anew with `masthead chart lock`"));
        Lock::default()
    }))
}

fn folder_chart(around: &Around<'_>, folder: &str) -> Result<Result<Chart, String>, Error> {
    let entries: Vec<&Entry> = around.snapshot.below(folder).iter().collect();
    let contents = around.reader.read(&entries, around.limits)?;
    if let Some(fault) = contents.problems.first() {
        return Ok(Err(as_problem(fault).to_string()));
    }
    let relative = |entry: &Entry| entry.path.strip_prefix(folder).unwrap_or(&entry.path).to_owned();
    let files = contents.files.into_iter().map(|(entry, bytes)| (relative(entry), bytes.into_vec()));
    Ok(chart::load(files.collect()))
}

/// The archive of a pinned chart. Commits are observed on a thread that may wait.
fn fetch(locked: &Locked, with: Option<&Surroundings>) -> Result<Vec<u8>, String> {
    let Some(with) = with else { return Err("charts that are elsewhere can't be fetched here".to_owned()) };
    let runtime = tokio::runtime::Handle::try_current().map_err(|error| error.to_string())?;
    let fetcher = Fetcher::new(Login::new(None), Store::new(with.store.clone())).map_err(|error| error.to_string())?;
    let archive = runtime.block_on(fetcher.pinned(locked)).map_err(|error| error.to_string())?;
    Ok(archive.to_vec())
}

/// The values of a unit that are files or texts, read.
fn texts(around: &Around<'_>, unit: &Unit, problems: &mut Vec<Problem>) -> Result<Vec<Read>, Error> {
    let mut out = Vec::new();
    for source in &unit.values {
        match source {
            Values::Inline(_) => {}
            Values::Text(what, text) => out.push(Read { what: what.clone(), text: text.to_vec() }),
            Values::File((path, blob)) => match around.reader.blob(*blob, around.limits.file_bytes) {
                Ok(bytes) => out.push(Read { what: path.to_string(), text: bytes.into_vec() }),
                Err(error @ Error::Limit { .. }) => {
                    problems.push(problem(path, 0, &error.to_string(), "split the file"));
                    out.push(Read { what: path.to_string(), text: Vec::new() });
                }
                Err(error) => return Err(error),
            },
        }
    }
    Ok(out)
}

/// One render.
struct Work<'u> {
    unit: &'u Unit,
    chart: Option<Result<Arc<Chart>, String>>,
    texts: Vec<Read>,
    now_s: i64,
    revision: Revision,
}

/// Renders all, in order, each with whether it looked something up.
fn render_all(work: Vec<Work<'_>>, with: Option<&Surroundings>) -> Vec<(File, bool)> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(work.len() / WORTH_A_THREAD + 1);
    let share = work.len().div_ceil(threads.max(1)).max(1);
    let mut parts: Vec<Vec<Work<'_>>> = Vec::new();
    for one in work {
        match parts.last_mut() {
            Some(part) if part.len() < share => part.push(one),
            _ => parts.push(vec![one]),
        }
    }
    let render =
        &|part: Vec<Work<'_>>| -> Vec<(File, bool)> { part.into_iter().map(|work| render_one(work, with)).collect() };
    std::thread::scope(|scope| {
        let mut workers = Vec::new();
        for part in parts {
            let units: Vec<&Unit> = part.iter().map(|work| work.unit).collect();
            let thread = std::thread::Builder::new().name("charts".to_owned()).stack_size(STACK_BYTES);
            workers.push((units, thread.spawn_scoped(scope, move || render(part))));
        }
        let mut done = Vec::new();
        for (units, worker) in workers {
            match worker {
                // A panic is a fault of ours, not of the chart: it goes on in the caller.
                Ok(worker) => done.extend(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))),
                Err(error) => {
                    let why = format!("no thread to render in: {error}");
                    done.extend(units.into_iter().map(|unit| (failed(unit, &why), false)));
                }
            }
        }
        done
    })
}

fn render_one(work: Work<'_>, with: Option<&Surroundings>) -> (File, bool) {
    let Work { unit, chart, texts, now_s, revision } = work;
    let why = match chart {
        Some(Ok(chart)) => {
            let has_looked = Arc::new(AtomicBool::new(false));
            let lookup = with.and_then(|with| with.find.clone()).map(|find| -> Lookup {
                let has_looked = has_looked.clone();
                Box::new(move |version, kind, namespace, name| {
                    has_looked.store(true, Ordering::Relaxed);
                    find(version, kind, namespace, name)
                })
            });
            let around = chart::Around {
                probe: Box::new(probe()),
                entropy: with.map_or([0; 32], |with| with.entropy),
                now_s,
                revision,
                lookup,
            };
            let file = chart::render(unit, &chart, texts, around);
            return (file, has_looked.load(Ordering::Relaxed));
        }
        Some(Err(why)) => why,
        None => "its chart was not loaded".to_owned(),
    };
    (failed(unit, &why), false)
}

/// Says when a render has taken too long.
fn probe() -> impl FnMut() -> Result<(), String> {
    let began = Instant::now();
    move || match began.elapsed() {
        spent if spent > RENDER_MAX => Err(format!("the render takes longer than {} s", RENDER_MAX.as_secs())),
        _ => Ok(()),
    }
}

fn failed(unit: &Unit, why: &str) -> File {
    let mut told = problem(&unit.origin.path, unit.origin.line, why, "");
    told.object = format!("Release/{}", unit.name);
    File { problems: vec![told], ..File::default() }
}

/// A name for what a render gave.
fn of_result(file: &File) -> BlobId {
    let mut hash = Sha256::new();
    for wanted in &file.wanted {
        hash.update(wanted.object.body());
        hash.update(wanted.origin.to_string());
    }
    for problem in &file.problems {
        hash.update(problem.to_string());
    }
    if let Some(release) = &file.release {
        hash.update(format!("{} {:?}", release.digest, release.broken_tests));
        for hook in &release.hooks {
            hash.update(hook.object.body());
            hash.update(format!("{} {:?}", hook.origin, hook.events));
        }
    }
    BlobId::of_digest(hash.finalize().into())
}
