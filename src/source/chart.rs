//! A chart's files and the values of a release → the objects it asks for, each with the template and line it comes from.

use std::sync::Arc;

use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::KINDS;
use masthead_api::release::release::HOOKS_SKIP;
use masthead_chart::capabilities::{Capabilities, KubeVersion};
use masthead_chart::chart::{Chart, File as ChartFile};
use masthead_chart::command::missing_dependencies;
use masthead_chart::error::Error as RenderError;
use masthead_chart::hook::{DeletePolicy, Hook as RenderedHook};
use masthead_chart::ignore::{self, Rules};
use masthead_chart::line_origin::LineOrigin;
use masthead_chart::render::{self, Asks, Options, Rendered};
use masthead_chart::tree::{Table, table_from_json};
use masthead_chart::{archive, decode, load};
use masthead_plan::desired::{Problem, Wanted};
use masthead_plan::origin::Origin;
use masthead_plan::sync::release::{Hook, HookEvent, ReleaseKey, WantedRelease};
use masthead_plan::sync::revision::Revision;
use masthead_sprig::host::Lookup;
use masthead_sprig::time::moment::Moment;
use sha2::{Digest, Sha256};

use crate::source::desire;
use crate::source::releases::{Place, Unit, Values};
use crate::source::render as manifests;
use crate::source::trace::Traced;
use crate::source::tree::File;
use crate::source::words;

/// The version of Kubernetes whose API is served.
const KUBE_VERSION: &str = "v1.32.0";

/// Templates within templates; Helm bounds the inclusion of one in itself by 1,000.
const DEPTH_MAX: u32 = 5_000;

/// What a render may know besides its chart and its values.
pub struct Around {
    /// The secret from which random values are derived.
    pub entropy: [u8; 32],
    /// What `now` says, in Unix seconds.
    pub now_s: i64,
    /// Which change of the release it is.
    pub revision: Revision,
    /// Finds applied objects.
    pub lookup: Option<Lookup>,
    /// Asked now and then whether to go on.
    pub probe: Box<dyn FnMut() -> Result<(), String>>,
}

/// Values as they were read, with what they are called in messages.
pub struct Read {
    /// `values/prod.yaml`, `ConfigMap settings with the key values.yaml`.
    pub what: String,
    /// The bytes.
    pub text: Vec<u8>,
}

/// A chart of a folder's files; paths are relative to the folder.
///
/// # Errors
/// Helm's words.
pub fn load(files: Vec<(String, Vec<u8>)>) -> Result<Chart, String> {
    let ignored = files.iter().find(|(name, _)| name == ignore::FILE).map_or(&b""[..], |(_, text)| text);
    let rules = Rules::parse(ignored)?;
    let leaves = |name: &str| {
        let folders = name.match_indices('/').any(|(at, _)| rules.ignores(&name[..at], true));
        !folders && !rules.ignores(name, false)
    };
    let kept = files.into_iter().filter(|(name, _)| leaves(name));
    let kept = kept.map(|(name, text)| ChartFile::new(name, text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text)));
    load::files(kept.collect(), &mut Vec::new())
}

/// A chart of an archive.
///
/// # Errors
/// Helm's words; more bytes, files or depth than allowed.
pub fn unpack(archive: &[u8]) -> Result<Chart, String> {
    load::files(archive::files_or_name(archive)?, &mut Vec::new())
}

/// What the cluster offers to charts: what is served here, and nothing else.
pub fn capabilities() -> Capabilities {
    let mut versions: Vec<String> = Vec::new();
    for kind in KINDS {
        let info = kind.info();
        for version in info.versions().map(|version| info.api_version_of(version)) {
            versions.push(format!("{version}/{}", info.kind));
            versions.push(version);
        }
    }
    versions.sort();
    versions.dedup();
    let minor = KUBE_VERSION.split('.').nth(1).unwrap_or_default().to_owned();
    let kube_version = KubeVersion { version: KUBE_VERSION.to_owned(), major: "1".to_owned(), minor };
    Capabilities { kube_version, api_versions: versions }
}

/// Renders a unit; `texts` are its values that are files or texts, in their order.
pub fn render(unit: &Unit, chart: &Arc<Chart>, texts: Vec<Read>, around: Around) -> File {
    match rendered(unit, chart, texts, around) {
        Ok(rendered) => objects(unit, chart, &rendered),
        Err(problems) => File { problems, ..File::default() },
    }
}

/// One object of a unit, a hook's too, with where each line of it comes from.
///
/// # Errors
/// What is wrong with the chart or its values.
pub fn trace(
    unit: &Unit,
    chart: &Arc<Chart>,
    texts: Vec<Read>,
    around: Around,
    key: &ObjectKey,
) -> Result<Option<Traced>, Vec<Problem>> {
    let rendered = rendered(unit, chart, texts, around)?;
    let find = |path: &str, text: &[u8], lines: Option<&[LineOrigin]>| {
        Traced::find(&path_of(unit, chart, path), text, lines, &unit.namespace, key)
    };
    let manifests = rendered.manifests.iter().chain(rendered.hooks.iter().map(|hook| &hook.manifest));
    let mut found = manifests.filter_map(|manifest| {
        // Most are of other kinds, and reading them takes longer than rendering them did.
        let is_kind = manifest.head.kind == key.kind.info().kind || manifest.head.kind == "List";
        is_kind.then(|| find(&manifest.path, manifest.text.as_bytes(), Some(rendered.origins_of(manifest)))).flatten()
    });
    let found = found.next();
    Ok(found.or_else(|| rendered.crds.iter().find_map(|crd| find(&crd.path, crd.text.as_bytes(), None))))
}

fn rendered(unit: &Unit, chart: &Arc<Chart>, texts: Vec<Read>, around: Around) -> Result<Rendered, Vec<Problem>> {
    if let Err(why) = missing_dependencies(chart) {
        let hint = "`masthead chart dependency build` brings them; commit them with the chart".to_owned();
        return Err(vec![Problem { hint, ..problem(unit, &why) }]);
    }
    let values = values(unit, texts)?;
    let mut options = Options::new(&unit.name, &unit.namespace, around.entropy, Moment::from_unix(around.now_s, 0));
    options.capabilities = capabilities();
    options.skip_schema_validation = unit.spec.skip_schema_validation;
    options.revision = around.revision.number;
    options.is_upgrade = around.revision.is_upgrade;
    options.trace = true;
    options.limits.depth = DEPTH_MAX;
    let asks = Asks { lookup: around.lookup, probe: Some(around.probe) };
    let rendered = render::render(chart, &values, &options, asks, &mut Vec::new());
    rendered.map_err(|error| vec![failed(unit, chart, &error)])
}

fn values(unit: &Unit, texts: Vec<Read>) -> Result<Table, Vec<Problem>> {
    let mut texts = texts.into_iter();
    let mut all = Table::new();
    let mut problems = Vec::new();
    for source in &unit.values {
        let table = match source {
            Values::Inline(serde_json::Value::Object(fields)) => table_from_json(fields.clone()),
            Values::Inline(_) => Table::new(),
            Values::File(_) | Values::Text(..) => {
                let Some(read) = texts.next() else { continue };
                match decode::table(&read.text) {
                    Ok(table) => table.unwrap_or_default(),
                    Err(why) => {
                        problems.push(problem(unit, &format!("{}: {why}", read.what)));
                        continue;
                    }
                }
            }
        };
        all.merge(table);
    }
    if problems.is_empty() { Ok(all) } else { Err(problems) }
}

fn problem(unit: &Unit, message: &str) -> Problem {
    Problem {
        path: unit.origin.path.to_string(),
        line: unit.origin.line,
        object: format!("Release/{}", unit.name),
        field: String::new(),
        message: words::short(message),
        hint: String::new(),
    }
}

/// A render that failed, at the line of the template where it did.
fn failed(unit: &Unit, chart: &Chart, error: &RenderError) -> Problem {
    let mut problem = problem(unit, &error.text);
    if let (Some(file), Some(line)) = (&error.file, error.line) {
        problem.path = path_of(unit, chart, file).to_string();
        problem.line = line;
        problem.hint = format!("rendered for {}", unit.origin);
    }
    problem
}

/// Where a template is: in the repository, or in the chart that was fetched.
fn path_of(unit: &Unit, chart: &Chart, template: &str) -> Arc<str> {
    match &unit.place {
        Place::Folder(folder, _) => {
            let inner = template.strip_prefix(chart.name()).and_then(|rest| rest.strip_prefix('/'));
            format!("{folder}{}", inner.unwrap_or(template)).into()
        }
        Place::Elsewhere(locked) => {
            let inner = template.strip_prefix(chart.name()).unwrap_or(template);
            format!("{}-{}{inner}", locked.asked.name, locked.resolved).into()
        }
    }
}

fn objects(unit: &Unit, chart: &Chart, rendered: &Rendered) -> File {
    let mut taken = Taken::new(unit, chart);
    if unit.spec.include_crds != Some(false) {
        for crd in &rendered.crds {
            taken.manifest(&crd.path, &crd.text.to_str_lossy(), &|_| None);
        }
    }
    for manifest in &rendered.manifests {
        taken.manifest(&manifest.path, &manifest.text, &|line| rendered.origin_of(manifest, line));
    }
    for hook in &rendered.hooks {
        taken.hook(hook, &|line| rendered.origin_of(&hook.manifest, line));
    }
    taken.file()
}

/// A release that is left as it is, without a look at its chart.
pub fn suspended(unit: &Unit) -> File {
    let mut file = Taken::bare(unit).file();
    if let Some(release) = file.release.as_mut().and_then(Arc::get_mut) {
        release.is_suspended = true;
    }
    file
}

/// Tells where a line of a rendered manifest comes from, counted from 1.
type Lines<'l> = &'l dyn Fn(u32) -> Option<LineOrigin>;

/// What a rendered chart comes to.
struct Taken<'a> {
    unit: &'a Unit,
    chart: Option<&'a Chart>,
    file: File,
    hooks: Vec<Hook>,
    broken_tests: Vec<String>,
    /// Over what was rendered, tests aside: before defaulting, so that another version of ours gives the same.
    digest: Sha256,
}

impl<'a> Taken<'a> {
    fn bare(unit: &'a Unit) -> Taken<'a> {
        let mut digest = Sha256::new();
        digest.update(format!("{}/{}\n", unit.namespace, unit.name));
        Taken { unit, chart: None, file: File::default(), hooks: Vec::new(), broken_tests: Vec::new(), digest }
    }

    fn new(unit: &'a Unit, chart: &'a Chart) -> Taken<'a> {
        Taken { chart: Some(chart), ..Taken::bare(unit) }
    }

    fn manifest(&mut self, path: &str, text: &str, lines: Lines<'_>) {
        let (wanted, problems) = self.read(path, text, lines, true);
        self.file.wanted.extend(wanted);
        self.file.problems.extend(problems);
    }

    fn hook(&mut self, hook: &RenderedHook, lines: Lines<'_>) {
        let mut events: Vec<HookEvent> =
            hook.events.iter().filter_map(|event| HookEvent::parse(event.name())).collect();
        let is_test = events.iter().all(|event| *event == HookEvent::Test);
        // Those that are skipped are part of what was rendered: to skip them is no change of the release.
        let (wanted, problems) = self.read(hook.path(), &hook.manifest.text, lines, !is_test);
        if self.unit.spec.hooks == HOOKS_SKIP {
            events.retain(|event| *event == HookEvent::Test);
        }
        if events.is_empty() {
            return;
        }
        if is_test {
            // Who never tests may install the chart all the same.
            self.broken_tests.extend(problems.iter().map(ToString::to_string));
        } else {
            self.file.problems.extend(problems);
        }
        self.hooks.extend(wanted.into_iter().map(|wanted| Hook {
            object: wanted.object,
            origin: wanted.origin,
            events: events.clone(),
            weight: hook.weight,
            deletes_before: hook.deletes(DeletePolicy::BeforeCreation),
            deletes_succeeded: hook.deletes(DeletePolicy::Succeeded),
            deletes_failed: hook.deletes(DeletePolicy::Failed),
        }));
    }

    /// Reads one rendered manifest; lines of the text become those of its template.
    fn read(&mut self, path: &str, text: &str, lines: Lines<'_>, counts: bool) -> (Vec<Wanted>, Vec<Problem>) {
        let path = self.chart.map_or_else(|| Arc::from(path), |chart| path_of(self.unit, chart, path));
        let (read, mut problems) = manifests::render(&path, text.as_bytes());
        if counts {
            for manifest in &read {
                self.digest.update(manifest.value.to_string());
                self.digest.update("\n");
            }
        }
        let (mut wanted, more) = desire::desire(&path, read, &self.unit.namespace);
        problems.extend(more);
        // One line each: most lines of what was rendered are never asked about.
        for problem in &mut problems {
            let Some(origin) = lines(problem.line) else { continue };
            if !origin.key.is_empty() {
                let fed = format!("from {} of {}", origin.key, self.unit.origin);
                problem.hint = if problem.hint.is_empty() { fed } else { format!("{}; {fed}", problem.hint) };
            }
            problem.line = origin.line;
        }
        for one in &mut wanted {
            let line = lines(one.origin.line).map_or(one.origin.line, |origin| origin.line);
            one.origin = Origin { path: path.clone(), line };
        }
        (wanted, problems)
    }

    fn file(mut self) -> File {
        let mut objects: Vec<ObjectKey> = self.file.wanted.iter().map(|wanted| wanted.object.key().clone()).collect();
        objects.sort();
        let digest = self.digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let release = WantedRelease {
            key: ReleaseKey { namespace: self.unit.namespace.clone(), name: self.unit.name.clone() },
            origin: self.unit.origin.clone(),
            digest,
            inputs: self.unit.inputs.clone(),
            hooks: self.hooks,
            objects,
            is_suspended: false,
            broken_tests: self.broken_tests,
        };
        self.file.release = Some(Arc::new(release));
        self.file
    }
}
