//! A live object → its lines, each with the commit, author, file and line it comes from, or who else wrote it.

use std::collections::BTreeMap;
use std::sync::Arc;

use masthead_api::core::pod::Pod;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Kind;
use masthead_api::meta::Time;
use masthead_api::object::Object;
use masthead_plan::cluster::view::{Cluster, controller_of};
use masthead_plan::origin::Origin;
use masthead_plan::sync::release::RELEASE_ANNOTATION;
use masthead_plan::sync::release::ReleaseKey;
use masthead_yaml::emit;
use masthead_yaml::limits::Limits;
use masthead_yaml::parse;
use serde::Serialize;
use serde_json::Value;

use crate::git::commit::CommitId;
use crate::git::error::Error as GitError;
use crate::git::reader::Reader;
use crate::source::releases::{Place as ChartPlace, Unit, Values};
use crate::source::trace::{self, Place};
use crate::sync::handle::Handle;
use crate::sync::observe::{Fault, Found};

/// What is asked about.
#[derive(Clone, Debug)]
pub enum About {
    /// One object.
    Object(ObjectKey),
    /// A file of the repository: the objects written in it, or, when there are none, its own lines.
    File(String),
}

/// Why nobody can be named.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such object or file.
    #[error("{0} not found")]
    NotFound(String),
    /// The repository.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The commit's tree, or a chart of it.
    #[error("{}", told(.0))]
    Source(#[from] Fault),
}

fn told(fault: &Fault) -> String {
    match fault {
        Fault::Git(error) => error.to_string(),
        Fault::Invalid(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    }
}

/// The lines of one object or file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Blamed {
    /// `Deployment default/web`, or the path of a file.
    pub about: String,
    /// The commit in which it is looked up.
    pub commit: String,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// One line.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The text.
    pub text: String,
    /// The field, as Kubernetes writes it; empty for lines of files.
    pub field: String,
    /// Who wrote it: `git`, or `default`, `server`, `status` and of which node, or a controller.
    pub by: String,
    /// Where in the repository, or in a chart that is elsewhere: `path:line`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The values key that fed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<String>,
    /// Where that key is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values_origin: Option<String>,
    /// The commit that wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Its author.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The author's mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// When it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// The first line of its message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

/// Tells who wrote what. Blocks: it reads the object database.
///
/// # Errors
/// There is no such object or file, or the repository cannot be read.
pub fn blame(sync: &Handle, about: &About) -> Result<Vec<Blamed>, Error> {
    let reader = sync.reader()?;
    let cluster = sync.view().read().clone();
    let mut annals = Annals { sync, reader: &reader, lines: BTreeMap::new() };
    match about {
        About::Object(key) => Ok(vec![annals.object(&cluster, key)?]),
        About::File(path) => {
            let path = path.trim_start_matches("./");
            let written: Vec<&ObjectKey> =
                cluster.applied().filter(|(_, applied)| &*applied.origin.path == path).map(|(key, _)| key).collect();
            if written.is_empty() {
                return Ok(vec![annals.file(&cluster, path)?]);
            }
            written.into_iter().map(|key| annals.object(&cluster, key)).collect()
        }
    }
}

/// The release that an object belongs to, a hook's too.
fn release_of(cluster: &Cluster, key: &ObjectKey, live: &Object) -> Option<ReleaseKey> {
    if let Some(note) = live.meta().annotations.get(RELEASE_ANNOTATION) {
        let (namespace, name) = note.split_once('/')?;
        return Some(ReleaseKey { namespace: namespace.to_owned(), name: name.to_owned() });
    }
    let found = cluster.installed().iter().find(|(_, installed)| installed.objects.binary_search(key).is_ok());
    found.map(|(release, _)| release.clone())
}

/// Who wrote which line, by file and commit.
struct Annals<'a> {
    sync: &'a Handle,
    reader: &'a Reader,
    lines: BTreeMap<(CommitId, String), Vec<CommitId>>,
}

impl Annals<'_> {
    fn object(&mut self, cluster: &Cluster, key: &ObjectKey) -> Result<Blamed, Error> {
        let live = cluster.get(key).ok_or_else(|| Error::NotFound(key.to_string()))?;
        let release = release_of(cluster, key, live);
        let installed = release.as_ref().and_then(|release| cluster.installed().get(release));
        let applied = cluster.applied_of(key);
        let hook = installed.and_then(|installed| installed.hooks.iter().find(|hook| hook.key() == key));
        // A hook has no record of its own: its release has.
        let (commit, origin) = match (applied, hook, installed) {
            (Some(applied), ..) => (Some(applied.commit.clone()), applied.origin.clone()),
            (None, Some(hook), Some(installed)) => (Some(installed.commit.clone()), hook.origin.clone()),
            _ => (None, Origin { path: Arc::from(""), line: 0 }),
        };
        let id: Option<CommitId> = commit.as_deref().map(str::parse).transpose()?;
        let found = match id {
            Some(id) => self.sync.source.trace(self.reader, id, key, &origin, release.as_ref())?,
            None => None,
        };
        let asked = applied.map(|applied| &applied.desired).or(hook.map(|hook| &hook.object));
        let mut lines = lines_of(live);
        for line in &mut lines {
            let pointer = std::mem::take(&mut line.field);
            line.field = trace::field_of(&pointer);
            let place = found.as_ref().and_then(|found| found.traced.place(&pointer));
            match (place, &found, id) {
                (Some(place), Some(found), Some(id)) => self.wrote(line, found, id, place)?,
                _ => line.by = other(&pointer, live, asked.map(|object| object.value()).as_ref(), cluster),
            }
        }
        Ok(Blamed { about: key.to_string(), commit: commit.unwrap_or_default(), lines })
    }

    /// A file that no object is written in.
    fn file(&mut self, cluster: &Cluster, path: &str) -> Result<Blamed, Error> {
        let missing = || Error::NotFound(format!("file {path}"));
        let commit = cluster.applied_commit().ok_or_else(missing)?;
        let id: CommitId = commit.parse()?;
        let bytes = self.reader.file(id, path, self.sync.source.file_bytes_max())?.ok_or_else(missing)?;
        let mut lines = Vec::new();
        for (number, text) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            let mut line = Line { text: text.to_owned(), by: "git".to_owned(), ..Line::default() };
            let at = Origin { path: path.into(), line: u32::try_from(number + 1).unwrap_or(u32::MAX) };
            line.origin = Some(at.to_string());
            let writer = self.writer(id, &at)?;
            self.sign(&mut line, writer)?;
            lines.push(line);
        }
        Ok(Blamed { about: path.to_owned(), commit: commit.to_owned(), lines })
    }

    /// A line that git wrote: the template's, and the values' that fed it; the younger commit of the two is named.
    fn wrote(&mut self, line: &mut Line, found: &Found, id: CommitId, place: Place) -> Result<(), Error> {
        line.by = "git".to_owned();
        line.origin = Some(place.origin.to_string());
        let mut writer = self.writer(id, &place.origin)?;
        let Some(unit) = &found.unit else { return self.sign(line, writer) };
        if writer.is_none() {
            // A chart that is elsewhere is in git by its pin alone.
            let pin = self.pin(id, &found.lock, unit)?;
            writer = match pin {
                Some(pin) => self.writer(id, &pin)?,
                None => self.writer(id, &unit.origin)?,
            };
        }
        if !place.key.is_empty() {
            if let Some(at) = self.values(id, unit, &place.key)? {
                line.values_origin = Some(at.to_string());
                let of_values = self.writer(id, &at)?;
                writer = self.younger(writer, of_values)?;
            }
            line.values = Some(place.key);
        }
        self.sign(line, writer)
    }

    /// The commit that wrote a line; none where the file is not in the commit.
    fn writer(&mut self, id: CommitId, at: &Origin) -> Result<Option<CommitId>, Error> {
        let key = (id, at.path.to_string());
        if !self.lines.contains_key(&key) {
            let is_there = self.reader.file(id, &at.path, self.sync.source.file_bytes_max())?.is_some();
            let lines = if is_there { self.reader.blame(id, &at.path)? } else { Vec::new() };
            self.lines.insert(key.clone(), lines);
        }
        let lines = self.lines.get(&key).map(Vec::as_slice).unwrap_or_default();
        Ok(usize::try_from(at.line).ok().and_then(|line| lines.get(line.checked_sub(1)?)).copied())
    }

    fn younger(&self, one: Option<CommitId>, other: Option<CommitId>) -> Result<Option<CommitId>, Error> {
        let (Some(a), Some(b)) = (one, other) else { return Ok(one.or(other)) };
        let time = |id: CommitId| self.reader.commit(id).map(|commit| commit.committer.time_s);
        // Of two in one second the one that has the other among its ancestors.
        let is_b = time(b)? > time(a)? || (time(b)? == time(a)? && self.reader.is_descendant(b, a)?);
        Ok(Some(if is_b { b } else { a }))
    }

    fn sign(&self, line: &mut Line, writer: Option<CommitId>) -> Result<(), Error> {
        let Some(id) = writer else { return Ok(()) };
        let commit = self.reader.commit(id)?;
        line.commit = Some(id.to_string());
        line.author = Some(commit.author.name);
        line.email = Some(commit.author.mail);
        line.time = Some(Time(commit.author.time_s));
        line.subject = Some(commit.subject);
        Ok(())
    }

    /// Where a chart that is elsewhere is pinned.
    fn pin(&self, id: CommitId, lock: &str, unit: &Unit) -> Result<Option<Origin>, Error> {
        let ChartPlace::Elsewhere(locked) = &unit.place else { return Ok(None) };
        let bytes = self.reader.file(id, lock, self.sync.source.file_bytes_max())?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().position(|line| line.contains(&locked.digest));
        let at = line.and_then(|line| u32::try_from(line + 1).ok());
        Ok(at.map(|line| Origin { path: lock.into(), line }))
    }

    /// Where a values key is set: what wins comes first.
    fn values(&self, id: CommitId, unit: &Unit, key: &str) -> Result<Option<Origin>, Error> {
        let max = self.sync.source.file_bytes_max();
        let find = |path: &str, document: u32, below: &str| -> Result<Option<Origin>, Error> {
            let bytes = self.reader.file(id, path, max)?.unwrap_or_default();
            let line = trace::line_of_values(path, &bytes, document, below, key);
            Ok(line.map(|line| Origin { path: path.into(), line }))
        };
        for source in unit.values.iter().rev() {
            let found = match source {
                Values::Inline(_) => find(&unit.origin.path, unit.origin.line, "/spec/values")?,
                Values::File((path, _)) => find(path, 0, "")?,
                // The text of a ConfigMap has no lines of its own.
                Values::Text(..) => None,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        match &unit.place {
            ChartPlace::Folder(folder, _) => find(&format!("{folder}values.yaml"), 0, ""),
            ChartPlace::Elsewhere(_) => Ok(None),
        }
    }
}

/// The YAML of an object, each line with the JSON pointer of the innermost field that begins on it or reaches over it.
fn lines_of(live: &Object) -> Vec<Line> {
    let value = live.value();
    let text = emit::to_string(&value);
    let (documents, _) = parse::documents(text.as_bytes(), &Limits::default());
    let mut fields: Vec<Option<String>> = vec![None; text.lines().count()];
    if let Some(document) = documents.first() {
        let positions = parse::positions(text.as_bytes(), document, &Limits::default());
        // Those inside come first, and the first stays.
        for pointer in trace::pointers(&value) {
            let Some(spot) = positions.get(&pointer) else { continue };
            let at = spot.key.unwrap_or(spot.value).line;
            if let Some(field @ None) = at.checked_sub(1).and_then(|at| fields.get_mut(at)) {
                *field = Some(pointer);
            }
        }
    }
    let mut last = String::new();
    let line = |(text, field): (&str, Option<String>)| {
        last = field.unwrap_or_else(|| std::mem::take(&mut last));
        Line { text: text.to_owned(), field: last.clone(), ..Line::default() }
    };
    text.lines().zip(fields).map(line).collect()
}

/// Who wrote a field that git did not.
fn other(pointer: &str, live: &Object, asked: Option<&Value>, cluster: &Cluster) -> String {
    const SERVER: [&str; 8] = [
        "/metadata/uid",
        "/metadata/creationTimestamp",
        "/metadata/resourceVersion",
        "/metadata/generation",
        "/metadata/managedFields",
        "/metadata/ownerReferences",
        "/metadata/deletionTimestamp",
        "/metadata/deletionGracePeriodSeconds",
    ];
    let below = |parent: &str| pointer == parent || pointer.starts_with(&format!("{parent}/"));
    let kind = live.kind().info();
    if below("/status") {
        let node = live.typed::<Pod>().map(|pod| pod.spec.node_name.clone()).unwrap_or_default();
        return match node.as_str() {
            "" => "status".to_owned(),
            node => format!("status from node {node}"),
        };
    }
    if SERVER.iter().any(|field| below(field)) {
        return "server".to_owned();
    }
    if asked.is_some_and(|asked| asked.pointer(pointer).is_some()) {
        return "default".to_owned();
    }
    match controller_of(live) {
        Some(owner) => match written_for(live, cluster) {
            Some((above, origin)) => format!("{}/{} for {above} at {origin}", owner.kind, owner.name),
            None => format!("{}/{}", owner.kind, owner.name),
        },
        None => format!("{}-controller", kind.singular),
    }
}

/// Owners of owners that are looked at.
const OWNERS_MAX: usize = 8;

/// The object of git for which an object was made, and where it is written.
fn written_for(live: &Object, cluster: &Cluster) -> Option<(ObjectKey, Origin)> {
    let mut key = live.key().clone();
    for _ in 0..OWNERS_MAX {
        let owner = controller_of(cluster.get(&key)?)?;
        key = ObjectKey::new(Kind::by_gvk(&owner.api_version, &owner.kind)?, key.namespace, owner.name.clone());
        if let Some(applied) = cluster.applied_of(&key) {
            return Some((key, applied.origin.clone()));
        }
    }
    None
}
