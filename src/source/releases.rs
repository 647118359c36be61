//! The files of a snapshot and the Releases written in them → which charts are to be rendered, and with which values.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use masthead_api::kind::registry::{CONFIG_MAP, RELEASE, SECRET};
use masthead_api::object::Object;
use masthead_api::release::release::{HOOKS_RUN, Release, ReleaseSpec, ValuesKey, ValuesSource};
use masthead_plan::desired::{Problem, Wanted};
use masthead_plan::origin::Origin;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::charts::lock::{Asked, Lock, Locked};
use crate::git::commit::{BlobId, TreeId};
use crate::git::snapshot::Snapshot;
use crate::source::desire::DEFAULT_NAMESPACE;
use crate::source::tree::Listed;

/// The file that makes a folder a chart.
pub const CHART_FILE: &str = "Chart.yaml";
/// The key of a ConfigMap or Secret that holds values, unless another is named (Flux's).
const VALUES_KEY: &str = "values.yaml";
/// Changes whenever the same inputs are rendered to something else, so that nothing old is taken for new.
const ENGINE: &str = "1";

/// Where a chart's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A folder of the snapshot, its path with a slash at its end (the watched root: its own), and its tree.
    Folder(Arc<str>, TreeId),
    /// Elsewhere, pinned by the lock file.
    Elsewhere(Locked),
}

/// Values of one source, in the order in which later ones win.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// A file of the snapshot.
    File(Listed),
    /// A key of a ConfigMap or Secret of the same snapshot, with what it is called in messages.
    Text(String, Arc<[u8]>),
    /// Written in the Release itself.
    Inline(Value),
}

/// One chart to render.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Stands for it among files: a name of its own and the digest of all that goes in.
    pub listed: Listed,
    /// Where messages about it as a whole point.
    pub origin: Origin,
    /// The release's name.
    pub name: String,
    /// The namespace of its objects.
    pub namespace: String,
    /// How it is installed.
    pub spec: ReleaseSpec,
    /// Its chart.
    pub place: Place,
    /// Its values.
    pub values: Vec<Values>,
    /// Stands for what its templates see of it: chart, values, name and namespace, wherever these are written.
    pub inputs: String,
    /// The files that it is written in, besides its chart: paths from the root of the repository, sorted.
    pub files: Vec<Arc<str>>,
}

/// What the charts of a snapshot come to.
#[derive(Debug, Default)]
pub struct Releases {
    /// The charts to render.
    pub units: Vec<Unit>,
    /// Files that hold values, and so are no manifests.
    pub values: BTreeSet<Arc<str>>,
    /// What is wrong with Releases.
    pub problems: Vec<Problem>,
}

/// The folders of a snapshot that are charts and lie in no other chart, with a slash at their end.
pub fn folders(snapshot: &Snapshot) -> Vec<Arc<str>> {
    let mut out: Vec<Arc<str>> = Vec::new();
    // Sorted by path, so that a chart comes before what lies in it.
    for folder in snapshot.folders.keys() {
        if out.last().is_some_and(|chart| folder.starts_with(&**chart)) {
            continue;
        }
        if snapshot.entry(&format!("{folder}{CHART_FILE}")).is_some() {
            out.push(folder.clone());
        }
    }
    out
}

/// Whether a path lies in one of some sorted folders.
pub fn is_inside(folders: &[Arc<str>], path: &str) -> bool {
    let at = folders.partition_point(|folder| **folder <= *path);
    at > 0 && path.starts_with(&*folders[at - 1])
}

/// Puts the releases of a snapshot together from its manifests (those outside of charts) and its lock file.
pub fn plan(snapshot: &Snapshot, charts: &[Arc<str>], wanted: &[&Wanted], lock: &Lock) -> Releases {
    let mut planner = Planner { snapshot, charts, wanted, lock, out: Releases::default() };
    let mut used = BTreeSet::new();
    for release in wanted.iter().filter(|wanted| wanted.object.key().kind == RELEASE) {
        planner.release(release, &mut used);
    }
    for chart in charts.iter().filter(|chart| !used.contains(*chart)) {
        planner.plain(chart);
    }
    planner.out
}

struct Planner<'a> {
    snapshot: &'a Snapshot,
    charts: &'a [Arc<str>],
    wanted: &'a [&'a Wanted],
    lock: &'a Lock,
    out: Releases,
}

impl Planner<'_> {
    fn release(&mut self, wanted: &Wanted, used: &mut BTreeSet<Arc<str>>) {
        let Ok(release) = wanted.object.typed::<Release>() else { return };
        let spec = &release.spec;
        let place = match self.place(spec, &wanted.origin) {
            Ok(place) => place,
            Err((field, message, hint)) => return self.problem(wanted, field, message, hint),
        };
        if let Place::Folder(folder, _) = &place {
            used.insert(folder.clone());
        }
        let mut values = Vec::new();
        let mut files = BTreeSet::from([wanted.origin.path.clone()]);
        for (i, source) in spec.values_from.iter().enumerate() {
            match self.values(source, &release.metadata.namespace, &wanted.origin, &mut files) {
                Ok(found) => values.extend(found),
                Err((message, hint)) => {
                    return self.problem(wanted, &format!("spec.valuesFrom[{i}]"), message, hint);
                }
            }
        }
        if !spec.values.is_null() {
            values.push(Values::Inline(spec.values.clone()));
        }
        let name = match spec.release_name.as_str() {
            "" => release.metadata.name.clone(),
            name => name.to_owned(),
        };
        let namespace = release.metadata.namespace.clone();
        let files = files.into_iter().collect();
        let (listed, origin, spec, inputs) = (nameless(), wanted.origin.clone(), spec.clone(), String::new());
        self.unit(Unit { listed, origin, name, namespace, spec, place, values, inputs, files });
    }

    /// A folder that no Release names: installed under its own name.
    fn plain(&mut self, chart: &Arc<str>) {
        let Some(tree) = self.snapshot.folders.get(chart) else { return };
        let folder = chart.trim_end_matches('/');
        let name = folder.rsplit('/').next().unwrap_or_default().to_owned();
        let origin = Origin { path: format!("{chart}{CHART_FILE}").into(), line: 1 };
        let spec = ReleaseSpec { hooks: HOOKS_RUN.to_owned(), ..ReleaseSpec::default() };
        let place = Place::Folder(chart.clone(), *tree);
        let (listed, namespace, inputs) = (nameless(), DEFAULT_NAMESPACE.to_owned(), String::new());
        let (values, files) = (Vec::new(), Vec::new());
        self.unit(Unit { listed, origin, name, namespace, spec, place, values, inputs, files });
    }

    /// Keeps a unit, under the name that stands for all that goes into it.
    fn unit(&mut self, mut unit: Unit) {
        let id = digest(&unit);
        unit.inputs = inputs(&unit);
        // No path of a repository holds this character, so that it is no file's.
        unit.listed = (Arc::from(format!("{}\u{0}{}/{}", unit.origin.path, unit.namespace, unit.name)), id);
        self.out.units.push(unit);
    }

    fn place(&self, spec: &ReleaseSpec, origin: &Origin) -> Result<Place, (&'static str, String, String)> {
        let chart = &spec.chart;
        if chart.path.is_empty() {
            let (repository, name) = (chart.repository.clone(), chart.name.clone());
            let asked = Asked { repository, name, version: chart.version.clone() };
            let found = self.lock.find(&asked).cloned().map(Place::Elsewhere);
            return found.ok_or_else(|| {
                let hint = "run `masthead chart lock` in the repository and commit masthead.lock".to_owned();
                ("spec.chart", format!("masthead.lock pins no version of {}", asked.name), hint)
            });
        }
        let found = join(&self.snapshot.path, &origin.path, &chart.path).and_then(|path| {
            let folder = if path.is_empty() { path } else { format!("{path}/") };
            let at = self.charts.iter().find(|chart| ***chart == *folder)?;
            Some(Place::Folder(at.clone(), *self.snapshot.folders.get(at)?))
        });
        found.ok_or_else(|| {
            let hint = "the path of a folder with a Chart.yaml, from this file, or from the root with a / in front";
            ("spec.chart.path", format!("there is no chart at {}", chart.path), hint.to_owned())
        })
    }

    fn values(
        &mut self,
        source: &ValuesSource,
        namespace: &str,
        origin: &Origin,
        files: &mut BTreeSet<Arc<str>>,
    ) -> Result<Option<Values>, (String, String)> {
        if !source.file.is_empty() {
            let path = join(&self.snapshot.path, &origin.path, &source.file);
            let entry = path.and_then(|path| self.snapshot.entry(&path)).ok_or_else(|| {
                let hint = "a path from this file, or from the root with a / in front".to_owned();
                (format!("there is no file {}", source.file), hint)
            })?;
            if !is_inside(self.charts, &entry.path) {
                self.out.values.insert(entry.path.clone());
            }
            files.insert(entry.path.clone());
            return Ok(Some(Values::File((entry.path.clone(), entry.blob))));
        }
        let (kind, key) = match (&source.config_map, &source.secret) {
            (Some(key), _) => (CONFIG_MAP, key),
            (None, Some(key)) => (SECRET, key),
            // Refused when the Release was read.
            (None, None) => return Ok(None),
        };
        let found = self.wanted.iter().find(|wanted| {
            let other = wanted.object.key();
            other.kind == kind && other.name == key.name && other.namespace == namespace
        });
        files.extend(found.map(|wanted| wanted.origin.path.clone()));
        let object = found.map(|wanted| &wanted.object);
        let name = if key.key.is_empty() { VALUES_KEY } else { key.key.as_str() };
        match object.and_then(|object| text_of(object, name)) {
            Some(text) => Ok(Some(Values::Text(shown(kind.info().kind, key, name), text.into()))),
            None if key.optional => Ok(None),
            None => {
                let hint = "values are read from objects of the same repository; set optional: true to go without";
                Err((format!("there is no {}", shown(kind.info().kind, key, name)), hint.to_owned()))
            }
        }
    }

    fn problem(&mut self, wanted: &Wanted, field: &str, message: String, hint: String) {
        let key = wanted.object.key();
        self.out.problems.push(Problem {
            path: wanted.origin.path.to_string(),
            line: wanted.origin.line,
            object: format!("{}/{}", key.kind.info().kind, key.name),
            field: field.to_owned(),
            message,
            hint,
        });
    }
}

fn shown(kind: &str, key: &ValuesKey, name: &str) -> String {
    format!("{kind} {} with the key {name}", key.name)
}

/// A key of a ConfigMap or Secret as text.
fn text_of(object: &Arc<Object>, name: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let value = object.value();
    let at = |field: &str| value.get(field)?.get(name)?.as_str().map(str::to_owned);
    if object.key().kind == SECRET {
        return base64::engine::general_purpose::STANDARD.decode(at("data")?).ok();
    }
    at("data").map(String::into_bytes)
}

/// A path from the folder of `file`, or from the watched root with a slash in front; none when it leads out of it.
fn join(root: &str, file: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    let base = match path.strip_prefix('/') {
        Some(_) => root,
        None => file.rsplit_once('/').map_or("", |(folder, _)| folder),
    };
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    let inside = root.is_empty() || joined == root || joined.starts_with(&format!("{root}/"));
    inside.then_some(joined)
}

/// Until a unit is whole.
fn nameless() -> Listed {
    (Arc::from(""), BlobId::of_digest([0; 32]))
}

/// A name for all that goes into a render; the same digest gives the same objects.
fn digest(unit: &Unit) -> BlobId {
    let Unit { origin, name, namespace, spec, place, values, .. } = unit;
    let mut hash = Sha256::new();
    let mut put = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    put(ENGINE.as_bytes());
    put(env!("CARGO_PKG_VERSION").as_bytes());
    // Lines in messages and origins are part of the result.
    put(origin.to_string().as_bytes());
    put(name.as_bytes());
    put(namespace.as_bytes());
    put(serde_json::to_string(spec).unwrap_or_default().as_bytes());
    match place {
        Place::Folder(folder, tree) => {
            put(folder.as_bytes());
            put(tree.to_string().as_bytes());
        }
        Place::Elsewhere(locked) => put(locked.digest.as_bytes()),
    }
    for source in values {
        match source {
            Values::File((path, blob)) => {
                put(path.as_bytes());
                put(blob.to_string().as_bytes());
            }
            Values::Text(what, text) => {
                put(what.as_bytes());
                put(text);
            }
            // Part of the spec.
            Values::Inline(_) => {}
        }
    }
    BlobId::of_digest(hash.finalize().into())
}

/// A name for what the templates of a unit see, which where it is written, and who renders it, do not change.
fn inputs(unit: &Unit) -> String {
    let Unit { name, namespace, spec, place, values, .. } = unit;
    let mut hash = Sha256::new();
    let mut put = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    put(name.as_bytes());
    put(namespace.as_bytes());
    put(&[u8::from(spec.include_crds != Some(false))]);
    match place {
        Place::Folder(_, tree) => put(tree.to_string().as_bytes()),
        Place::Elsewhere(locked) => put(locked.digest.as_bytes()),
    }
    for source in values {
        match source {
            Values::File((_, blob)) => put(blob.to_string().as_bytes()),
            Values::Text(_, text) => put(text),
            Values::Inline(value) => put(value.to_string().as_bytes()),
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Locks by what they pin; what Releases of a snapshot ask for.
pub fn asked(wanted: &[&Wanted]) -> BTreeMap<Asked, Origin> {
    let releases = wanted.iter().filter(|wanted| wanted.object.key().kind == RELEASE);
    let mut out = BTreeMap::new();
    for wanted in releases {
        if let Ok(release) = wanted.object.typed::<Release>()
            && release.spec.chart.path.is_empty()
        {
            let chart = &release.spec.chart;
            let asked = Asked {
                repository: chart.repository.clone(),
                name: chart.name.clone(),
                version: chart.version.clone(),
            };
            out.entry(asked).or_insert_with(|| wanted.origin.clone());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        let check = |root: &str, file: &str, path: &str, expect: Option<&str>| {
            assert_eq!(join(root, file, path).as_deref(), expect, "{root} {file} {path}");
        };
        check("", "apps/web.yaml", "../charts/web", Some("charts/web"));
        check("", "apps/web.yaml", "values/prod.yaml", Some("apps/values/prod.yaml"));
        check("", "apps/web.yaml", "/charts/web/", Some("charts/web"));
        check("", "apps/web.yaml", "../../charts", None);
        check("", "web.yaml", "./web", Some("web"));
        check("env/prod", "env/prod/web.yaml", "/charts", Some("env/prod/charts"));
        check("env/prod", "env/prod/web.yaml", "../test/charts", None);
        check("env/prod", "env/prod/web.yaml", "..", None);
        check("", "web.yaml", ".", Some(""));
    }

    #[test]
    fn files_of_a_chart_are_known_by_its_folder() {
        let folders: Vec<Arc<str>> = ["a/", "charts/web/"].into_iter().map(Arc::from).collect();
        let check = |path: &str, expect: bool| assert_eq!(is_inside(&folders, path), expect, "{path}");
        check("a/Chart.yaml", true);
        check("a.yaml", false);
        check("ab/c.yaml", false);
        check("charts/web/templates/x.yaml", true);
        check("charts/web.yaml", false);
        check("charts/webb/x.yaml", false);
        check("0/x.yaml", false);
        assert!(is_inside(&[Arc::from("")], "x"));
    }
}
