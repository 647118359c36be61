//! Charts and their values to rendered files: which templates there are, in which order, and how faults are told.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, PoisonError};

use masthead_gotmpl::exec::execution::{Execution, Options as ExecOptions, Probe};
use masthead_gotmpl::exec::limits::{Limits, MissingKey};
use masthead_gotmpl::exec::trace::Trace;
use masthead_gotmpl::kind::MAP_ANY;
use masthead_gotmpl::map::Map;
use masthead_gotmpl::set::Set;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;
use masthead_sprig::golang::path;
use masthead_sprig::host::Host;
use masthead_sprig::table;

use crate::ahead::{self, Ahead, Early, Pool};
use crate::chart::Chart;
use crate::error::{Error, Stage};
use crate::instance::{Instance, Shared};
use crate::manifests::Parts;
use crate::metadata::Metadata;
use crate::objects::{self, ChartObject};
use crate::origins::Keys;
use crate::parsed::Parsed;
use crate::step::Step;

/// What the name of a file with notes ends in.
pub(crate) const NOTES: &str = "NOTES.txt";

/// How many sets of templates a chart keeps parsed: one for each choice of its dependencies.
const SETS_MAX: usize = 16;

/// What one render uses besides the chart.
pub(crate) struct Surroundings<'a> {
    pub host: &'a mut Host,
    pub probe: Option<Probe<'a>>,
    pub limits: Limits,
    pub trace: bool,
    pub strict: bool,
    /// Who may work ahead.
    pub pool: &'a Pool,
    /// Called at the end of each step.
    pub done: &'a mut dyn FnMut(Step),
}

/// A template and what it is rendered with.
struct Renderable {
    source: Str,
    early: Option<Early>,
    dot: Map,
    base_path: String,
}

type Renderables = BTreeMap<String, Renderable>;

/// A file as it was rendered.
pub(crate) struct RenderedFile {
    pub path: String,
    pub text: Arc<Vec<u8>>,
    /// What is in the text, where that may be known already.
    pub parts: Option<Arc<Ahead<Parts>>>,
    pub traced: Option<Traced>,
}

/// What was recorded of a file.
pub(crate) struct Traced {
    /// What the engine wrote, where the file's text is another.
    pub written: Option<Vec<u8>>,
    pub trace: Trace,
    pub keys: Arc<Keys>,
}

/// Renders all templates; files in the order of their paths. `top` holds `Release`, `Capabilities` and `Values`.
pub(crate) fn render(
    chart: &Arc<Chart>,
    root: &Shared,
    top: &Map,
    surroundings: Surroundings<'_>,
) -> Result<Vec<RenderedFile>, Error> {
    let mut all = Renderables::new();
    let mut collector = Collector { all: &mut all, trace: surroundings.trace, keys: Keys::default() };
    let outer = collector.chart(root, top);
    let keys = Arc::new(collector.keys);
    let mut names: Vec<&String> = all.keys().collect();
    names.sort_by_cached_key(|name| Reverse((name.bytes().filter(|byte| *byte == b'/').count(), *name)));
    let set = parsed(chart, &all, &names)?;
    (surroundings.done)(Step::Parse);
    let options = ExecOptions {
        missing_key: if surroundings.strict { MissingKey::Error } else { MissingKey::Zero },
        limits: surroundings.limits,
        trace: surroundings.trace,
        set_name: "gotpl",
    };
    let mut execution = Execution::new(&set, options, surroundings.host);
    if let Some(probe) = surroundings.probe {
        execution = execution.with_probe(probe);
    }
    let mut files = Vec::with_capacity(names.len());
    for name in names {
        if path::base(name.as_bytes()).starts_with(b"_") {
            continue;
        }
        let renderable = &all[name];
        let template = Map::from_pairs(
            &objects::VALUES,
            vec![("BasePath".into(), Value::str(&renderable.base_path)), ("Name".into(), Value::str(name))],
        );
        // The map was made here and takes writes.
        let _ = renderable.dot.insert("Template".into(), Value::Map(template));
        let dot = Value::Map(renderable.dot.retyped(&objects::VALUES));
        let text = execution
            .execute(name.as_bytes(), dot)
            .map_err(|failure| execution_error(chart.name(), name, &failure.text));
        let text = match text {
            Ok(text) => text,
            Err(error) => {
                outer.clear();
                return Err(error);
            }
        };
        let clean = without_no_value(&text);
        let traced = execution.take_trace().map(|trace| {
            let written = clean.is_some().then(|| text.clone());
            Traced { written, trace, keys: Arc::clone(&keys) }
        });
        let text = Arc::new(clean.unwrap_or(text));
        let parts = if name.ends_with(NOTES) { None } else { surroundings.pool.look_into(&text) };
        files.push(RenderedFile { path: name.clone(), text, parts, traced });
    }
    drop(execution);
    // Templates may have tied maps into circles; cut here, they are freed.
    for renderable in all.values() {
        renderable.dot.clear();
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    (surroundings.done)(Step::Execute);
    Ok(files)
}

/// The parsed templates, from an earlier render where the same ones took part.
fn parsed(chart: &Chart, all: &Renderables, names: &[&String]) -> Result<Arc<Set>, Error> {
    let cache = chart.parsed.get_or_init(Parsed::default);
    let lock = || cache.sets.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, set)) = lock().iter().find(|(known, _)| known.iter().eq(all.keys())) {
        return Ok(Arc::clone(set));
    }
    let mut set = Set::new(table::functions());
    let early = |name: &String| match &all[name] {
        Renderable { source, early: Some(Early::Template(template)), .. } => Some((template, source)),
        _ => None,
    };
    // From one end, while others may come from the other one.
    for (template, source) in names.iter().filter_map(|name| early(name)) {
        template.make(|| ahead::parse(source));
    }
    for name in names {
        let taken = early(name).and_then(|(template, source)| template.take(|| ahead::parse(source))??.named(name));
        match taken {
            Some(trees) => trees.into_iter().for_each(|tree| set.add(tree)),
            None => set
                .parse_shared(name, &all[*name].source)
                .map_err(|error| parse_error(chart.name(), name, &error.text))?,
        }
    }
    let set = Arc::new(set);
    let mut sets = lock();
    if sets.len() < SETS_MAX {
        sets.push((all.keys().cloned().collect(), Arc::clone(&set)));
    }
    Ok(set)
}

struct Collector<'r> {
    all: &'r mut Renderables,
    trace: bool,
    keys: Keys,
}

impl Collector<'_> {
    /// Helm's `recAllTpls`: the chart's part of the values, for it and for those below it.
    fn chart(&mut self, instance: &Shared, values: &Map) -> Map {
        let here = instance.borrow();
        let get = |key: &[u8]| values.get(key).unwrap_or_default();
        let own = if here.is_root() {
            get(b"Values")
        } else {
            match get(b"Values") {
                Value::Map(all) => match all.get(here.name.as_bytes()) {
                    Some(Value::Map(own)) => Value::Map(own.retyped(&objects::VALUES)),
                    _ => Value::Map(Map::new(&objects::VALUES)),
                },
                _ => Value::Map(Map::new(&objects::VALUES)),
            }
        };
        if self.trace
            && let Value::Map(map) = &own
        {
            self.keys.number(map);
        }
        let subcharts = Map::any();
        let next = Map::from_pairs(
            &MAP_ANY,
            vec![
                ("Capabilities".into(), get(b"Capabilities")),
                ("Chart".into(), Value::Object(Rc::new(ChartObject::new(metadata(&here), here.is_root())))),
                ("Files".into(), objects::files(&here.chart.files)),
                ("Release".into(), get(b"Release")),
                ("Subcharts".into(), Value::Map(subcharts.clone())),
                ("Values".into(), own),
            ],
        );
        for child in &here.dependencies {
            let inner = self.chart(child, &next);
            // The map was made here and takes writes.
            let _ = subcharts.insert(child.borrow().name.as_str().into(), Value::Map(inner));
        }
        let prefix = here.full_path();
        let base_path = format!("{prefix}/templates");
        let is_library = here.chart.metadata.is_library();
        for template in &here.chart.templates {
            if is_library && !path::base(template.name.as_bytes()).starts_with(b"_") {
                continue;
            }
            let name = format!("{prefix}/{}", template.name);
            let renderable = Renderable {
                source: template.data.clone(),
                early: template.early.clone(),
                dot: next.clone(),
                base_path: base_path.clone(),
            };
            self.all.insert(name, renderable);
        }
        next
    }
}

/// The chart's metadata with what this render made of it.
fn metadata(instance: &Instance) -> Metadata {
    let mut metadata = instance.chart.metadata.clone();
    metadata.name.clone_from(&instance.name);
    metadata.dependencies =
        instance.wanted.as_ref().map(|list| list.iter().map(|entry| Some(entry.borrow().clone())).collect());
    metadata
}

/// Go prints `<no value>` for what is not there; Helm takes it out. None where there is nothing to take out.
fn without_no_value(text: &[u8]) -> Option<Vec<u8>> {
    const MARK: &[u8] = b"<no value>";
    let mut marks = memchr::memmem::find_iter(text, MARK).peekable();
    marks.peek()?;
    let mut out = Vec::with_capacity(text.len());
    let mut from = 0;
    for at in marks {
        out.extend_from_slice(&text[from..at]);
        from = at + MARK.len();
    }
    out.extend_from_slice(&text[from..]);
    Some(out)
}

/// Helm's `cleanupParseError`.
fn parse_error(chart: &str, file: &str, text: &str) -> Error {
    let tokens: Vec<&str> = text.split(": ").collect();
    match tokens.as_slice() {
        [_, location, ..] => {
            let last = tokens.last().copied().unwrap_or_default();
            Error::new(Stage::Render, chart, format!("parse error at ({location}): {last}")).at(location)
        }
        _ => Error::new(Stage::Render, chart, format!("parse error in ({file}): {text}")).at(file),
    }
}

/// Helm's `cleanupExecError`; `file` is what was executed, where the text does not begin with a place.
fn execution_error(chart: &str, file: &str, text: &str) -> Error {
    let mut tokens = text.splitn(3, ": ");
    let (Some(first), Some(location), Some(rest)) = (tokens.next(), tokens.next(), tokens.next()) else {
        return Error::new(Stage::Render, chart, text).at(file);
    };
    let warning = rest.split_once("HELM_ERR_START").and_then(|(_, inner)| inner.rsplit_once("HELM_ERR_END"));
    let words = match warning {
        Some((warning, _)) => format!("execution error at ({location}): {warning}"),
        None => text.to_owned(),
    };
    Error::new(Stage::Render, chart, words).at(if first == "template" { location } else { file })
}

#[cfg(test)]
mod tests {
    use super::{execution_error, parse_error, without_no_value};

    #[test]
    fn faults_are_told_as_helm_tells_them() {
        let error = execution_error(
            "c",
            "c/t.yaml",
            "template: c/t.yaml:3:4: executing \"c/t.yaml\" at <fail \"x\">: error calling fail: HELM_ERR_STARTx: yHELM_ERR_END",
        );
        assert_eq!(error.text, "execution error at (c/t.yaml:3:4): x: y");
        assert_eq!((error.file.as_deref(), error.line), (Some("c/t.yaml"), Some(3)));
        let error = execution_error("c", "c/t.yaml", "long: words: of a function");
        assert_eq!((error.file.as_deref(), error.line), (Some("c/t.yaml"), None));
        let error = parse_error("c", "c/t.yaml", "template: c/t.yaml:2: function \"x\" not defined");
        assert_eq!(error.text, "parse error at (c/t.yaml:2): function \"x\" not defined");
    }

    #[test]
    fn no_value_is_taken_out() {
        assert_eq!(without_no_value(b"a<no value>b<no <no value>c").as_deref(), Some(b"ab<no c".as_slice()));
        assert_eq!(without_no_value(b"a<b"), None);
    }
}
