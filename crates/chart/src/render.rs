//! A chart, values and a release to its manifests, hooks and notes: all that `helm template` does between files and text.

use std::fmt;
use std::sync::Arc;

use masthead_gotmpl::exec::execution::Probe;
use masthead_gotmpl::exec::limits::Limits;
use masthead_gotmpl::kind::MAP_ANY;
use masthead_gotmpl::map::Map;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;
use masthead_sprig::host::{Host, Lookup};
use masthead_sprig::time::moment::Moment;

use crate::ahead::Pool;
use crate::capabilities::{Capabilities, CapabilitiesObject};
use crate::chart::{Chart, has_manifest_extension};
use crate::checks::{self, Verdict};
use crate::coalesce::{Coalescer, Nulls};
use crate::dependencies;
use crate::engine::{self, NOTES, RenderedFile, Surroundings, Traced};
use crate::error::{Error, Stage};
use crate::hook::{self, Event, Hook};
use crate::instance::{Instance, Shared};
use crate::line_origin::LineOrigin;
use crate::manifest::Manifest;
use crate::manifests::{self, Sorted, parts};
use crate::objects;
use crate::origins::Origins;
use crate::step::Step;
use crate::tree::Table;

/// What a chart is rendered for.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the release.
    pub release: String,
    /// Its namespace.
    pub namespace: String,
    /// Which time it is installed, from 1.
    pub revision: u32,
    /// Whether it was there before.
    pub is_upgrade: bool,
    /// What the cluster offers.
    pub capabilities: Capabilities,
    /// Whether values.schema.json is passed over.
    pub skip_schema_validation: bool,
    /// Whether the notes of charts below are kept too.
    pub sub_notes: bool,
    /// Whether `required` and `fail` only warn.
    pub lint: bool,
    /// Whether a missing key is an error.
    pub strict: bool,
    /// The secret that random values derive from.
    pub entropy: [u8; 32],
    /// What `now` says.
    pub now: Moment,
    /// The bounds of the render.
    pub limits: Limits,
    /// Whether it is recorded where each line comes from.
    pub trace: bool,
}

impl Options {
    /// A first installation into a cluster that nothing is known of.
    pub fn new(release: &str, namespace: &str, entropy: [u8; 32], now: Moment) -> Options {
        Options {
            release: release.to_owned(),
            namespace: namespace.to_owned(),
            revision: 1,
            is_upgrade: false,
            capabilities: Capabilities::default(),
            skip_schema_validation: false,
            sub_notes: false,
            lint: false,
            strict: false,
            entropy,
            now,
            limits: Limits::default(),
            trace: false,
        }
    }
}

/// What a render may ask while it runs.
#[derive(Default)]
pub struct Asks<'a> {
    /// Finds applied objects for `lookup`.
    pub lookup: Option<Lookup>,
    /// Asked now and then whether to go on: how wall time is bounded.
    pub probe: Option<Probe<'a>>,
}

/// A definition of resources from `crds/`.
#[derive(Debug, Clone)]
pub struct Crd {
    /// Its path: `chart/crds/x.yaml`.
    pub path: String,
    /// Its text.
    pub text: Str,
}

/// What a chart renders to.
#[derive(Debug)]
pub struct Rendered {
    /// Manifests in the order of installation.
    pub manifests: Vec<Manifest>,
    /// Hooks in the same order, tests among them; [`Rendered::hooks_at`] has the order in which they run.
    pub hooks: Vec<Hook>,
    /// NOTES.txt.
    pub notes: String,
    /// The files of `crds/`.
    pub crds: Vec<Crd>,
    /// Where the lines of rendered files come from, in the order of their paths; empty unless traced.
    pub(crate) origins: Vec<Origins>,
    /// Helm's warnings, each one line.
    pub warnings: Vec<String>,
    /// Freed with the rest: a process that ends with its output frees neither.
    _used: Option<Used>,
}

/// The charts and values of a render.
struct Used {
    _root: Shared,
    _top: Map,
}

impl fmt::Debug for Used {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Used")
    }
}

impl Rendered {
    /// Where each line of a manifest comes from, if that was traced. Worked out for a whole file when it is first asked.
    pub fn origins_of(&self, manifest: &Manifest) -> &[LineOrigin] {
        let Ok(at) = self.origins.binary_search_by(|file| file.path.as_str().cmp(&manifest.path)) else { return &[] };
        let all = self.origins[at].lines();
        let lines = manifest.text.split('\n').count();
        let end = (manifest.first_line + lines).min(all.len());
        all.get(manifest.first_line..end).unwrap_or_default()
    }

    /// Where one line of a manifest comes from, counted from 1, if that was traced.
    pub fn origin_of(&self, manifest: &Manifest, line: u32) -> Option<LineOrigin> {
        let at = self.origins.binary_search_by(|file| file.path.as_str().cmp(&manifest.path)).ok()?;
        let line = usize::try_from(line).ok()?.checked_sub(1)?;
        self.origins[at].line(manifest.first_line + line)
    }

    /// The hooks of an event in the order in which Helm runs them.
    pub fn hooks_at(&self, event: Event) -> Vec<&Hook> {
        hook::in_order(&self.hooks, event)
    }
}

/// Renders a chart.
///
/// # Errors
/// Helm's own words, with the file and line where there is one; `warnings` has what was said before.
pub fn render(
    chart: &Arc<Chart>,
    values: &Table,
    options: &Options,
    asks: Asks<'_>,
    warnings: &mut Vec<String>,
) -> Result<Rendered, Error> {
    watched(chart, values, options, asks, &Pool::none(), warnings, &mut |_| {})
}

/// As [`render`], with threads that work ahead; `done` is called at the end of each step, for those who measure.
///
/// # Errors
/// As [`render`].
pub fn watched(
    chart: &Arc<Chart>,
    values: &Table,
    options: &Options,
    asks: Asks<'_>,
    pool: &Pool,
    warnings: &mut Vec<String>,
    done: &mut dyn FnMut(Step),
) -> Result<Rendered, Error> {
    let Prepared { root, top, verdict } = prepare(chart, values, options, pool, warnings, done)?;
    let crds = crds(&root);
    let mut host = Host::new(options.entropy, options.release.as_str(), options.now.clone());
    host.lookup = asks.lookup;
    host.lint = options.lint;
    let surroundings = Surroundings {
        host: &mut host,
        probe: asks.probe,
        limits: options.limits,
        trace: options.trace,
        strict: options.strict,
        pool,
        done,
    };
    let files = check_kube_version(chart, options).and_then(|()| engine::render(chart, &root, &top, surroundings));
    // Whatever came of templates, Helm would not have got to them.
    verdict.map_or(Ok(()), |verdict| verdict.get()).map_err(|text| Error::new(Stage::Values, chart.name(), text))?;
    warnings.extend(host.reports);
    let rendered = finish(chart, files?, crds, options, warnings)?;
    done(Step::Sort);
    Ok(Rendered { _used: Some(Used { _root: root, _top: top }), ..rendered })
}

/// Only the rendered files, by path: what linting looks at.
///
/// # Errors
/// As [`render`].
pub(crate) fn files(
    chart: &Arc<Chart>,
    values: &Table,
    options: &Options,
    warnings: &mut Vec<String>,
) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let done = &mut |_| {};
    let pool = &Pool::none();
    let Prepared { root, top, .. } = prepare(chart, values, options, pool, warnings, done)?;
    let mut host = Host::new(options.entropy, options.release.as_str(), options.now.clone());
    host.lint = options.lint;
    let (limits, strict) = (options.limits, options.strict);
    let surroundings = Surroundings { host: &mut host, probe: None, limits, trace: false, strict, pool, done };
    let done = engine::render(chart, &root, &top, surroundings);
    warnings.extend(host.reports);
    Ok(done?.into_iter().map(|file| (file.path, Arc::unwrap_or_clone(file.text))).collect())
}

/// What templates are rendered with.
struct Prepared {
    /// The charts of this render.
    root: Shared,
    /// What stands at the top for templates.
    top: Map,
    /// What schemas say of the values, if that is not known to be nothing.
    verdict: Option<Arc<Verdict>>,
}

/// Values put together and held against schemas, or about to be.
fn prepare(
    chart: &Arc<Chart>,
    values: &Table,
    options: &Options,
    pool: &Pool,
    warnings: &mut Vec<String>,
    done: &mut dyn FnMut(Step),
) -> Result<Prepared, Error> {
    let fault = |text: String| Error::new(Stage::Values, chart.name(), text);
    let root = Instance::tree(chart);
    let user = values.to_map();
    dependencies::process(&root, &user, warnings).map_err(fault)?;
    let mut values = Coalescer { warnings, nulls: Nulls::Remove }.values(&root, &user).map_err(fault)?;
    if options.lint {
        // Helm's linter puts the values together twice.
        values = Coalescer { warnings, nulls: Nulls::Remove }.values(&root, &values).map_err(fault)?;
    }
    done(Step::Values);
    let verdict = match options.skip_schema_validation {
        true => None,
        false => checks::begin(&root, &values, pool).map_err(fault)?,
    };
    done(Step::Schema);
    let release = vec![
        ("IsInstall".into(), Value::Bool(!options.is_upgrade && !options.lint)),
        ("IsUpgrade".into(), Value::Bool(options.is_upgrade)),
        ("Name".into(), Value::str(&options.release)),
        ("Namespace".into(), Value::str(&options.namespace)),
        ("Revision".into(), Value::int(i64::from(options.revision))),
        ("Service".into(), Value::str("Helm")),
    ];
    let capabilities = CapabilitiesObject::new(&options.capabilities);
    let top = vec![
        ("Capabilities".into(), Value::Object(std::rc::Rc::new(capabilities))),
        ("Release".into(), Value::Map(Map::from_pairs(&MAP_ANY, release))),
        ("Values".into(), Value::Map(values.retyped(&objects::VALUES))),
    ];
    Ok(Prepared { root, top: Map::from_pairs(&MAP_ANY, top), verdict })
}

/// Values with others under them, as the linter holds them against a schema.
pub(crate) fn over(values: &Table, under: &Table, warnings: &mut Vec<String>) -> Result<Value, String> {
    let map = values.to_map();
    Coalescer { warnings, nulls: Nulls::Remove }.tables(&map, &under.to_map(), "")?;
    Ok(Value::Map(map))
}

fn check_kube_version(chart: &Chart, options: &Options) -> Result<(), Error> {
    let (wanted, there) = (&chart.metadata.kube_version, &options.capabilities.kube_version.version);
    if wanted.is_empty() || dependencies::is_compatible(wanted, there) {
        return Ok(());
    }
    let text = format!("chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {there}");
    Err(Error::new(Stage::Render, chart.name(), text))
}

/// The files of `crds/`, the chart's own first.
fn crds(instance: &Shared) -> Vec<Crd> {
    let here = instance.borrow();
    let prefix = here.full_path();
    let own =
        here.chart.files.iter().filter(|file| file.name.starts_with("crds/") && has_manifest_extension(&file.name));
    let mut all: Vec<Crd> =
        own.map(|file| Crd { path: format!("{prefix}/{}", file.name), text: file.data.clone() }).collect();
    for child in &here.dependencies {
        all.extend(crds(child));
    }
    all
}

fn finish(
    chart: &Chart,
    files: Vec<RenderedFile>,
    crds: Vec<Crd>,
    options: &Options,
    warnings: &mut Vec<String>,
) -> Result<Rendered, Error> {
    let own_notes = format!("{}/templates/{NOTES}", chart.name());
    let mut notes = String::new();
    let mut kept = Vec::with_capacity(files.len());
    for file in files {
        if !file.path.ends_with(NOTES) {
            kept.push(file);
        } else if options.sub_notes || file.path == own_notes {
            if !notes.is_empty() {
                notes.push('\n');
            }
            notes.push_str(&masthead_gotmpl::string::lossy(&file.text));
        }
    }
    // From one end, while others may come from the other one.
    for file in kept.iter().rev() {
        if let Some(ahead) = &file.parts {
            ahead.make(|| parts(&file.text));
        }
    }
    let read = kept.iter().map(|file| {
        let taken = file.parts.as_ref().and_then(|ahead| ahead.take(|| parts(&file.text)));
        (file.path.as_str(), taken.unwrap_or_else(|| parts(&file.text)))
    });
    match manifests::sort_parts(read, warnings) {
        Ok(Sorted { manifests, hooks }) => {
            let origins = |file: RenderedFile| {
                let Traced { written, trace, keys } = file.traced?;
                Some(Origins::new(file.path, written.unwrap_or_else(|| Arc::unwrap_or_clone(file.text)), trace, keys))
            };
            let origins = kept.into_iter().filter_map(origins).collect();
            Ok(Rendered { manifests, hooks, notes, crds, origins, warnings: warnings.clone(), _used: None })
        }
        Err((path, text)) => {
            let mut error = Error::new(Stage::Render, chart.name(), text).at(&path);
            error.rendered = kept.into_iter().map(|file| (file.path, Str::new(&file.text))).collect();
            Err(error)
        }
    }
}
