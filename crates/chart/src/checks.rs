//! The charts of a render and their values → what their schemas say against them, at once or while templates are executed.

use std::sync::{Arc, OnceLock};

use masthead_gotmpl::map::Map;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;

use crate::ahead::{LazySchema, Pool};
use crate::instance::Shared;
use crate::schema::Schema;
use crate::tree::Tree;

/// What stands before faults.
const INTRO: &str = "values don't meet the specifications of the schema(s) in the following chart(s):";

/// A chart's schema, with the chart's name for its faults.
#[derive(Clone)]
struct Rule {
    chart: String,
    text: Str,
    compiled: LazySchema,
}

impl Rule {
    fn fault(&self, values: &Value) -> Option<String> {
        let schema = self.compiled.get_or_init(|| Schema::parse(self.text.as_bytes()));
        let error = match schema {
            Ok(schema) => shown(&schema.validate(values).err()?),
            Err(error) => error.clone(),
        };
        Some(format!("{}:\n{error}", self.chart))
    }
}

/// What Helm's `ValidateAgainstSchema` comes by, in its order.
enum Part<V> {
    Values(Rule, V),
    Fault(String),
}

fn parts(instance: &Shared, values: &Map, all: &mut Vec<Part<Map>>) {
    let here = instance.borrow();
    if let Some(text) = &here.chart.schema {
        let rule = Rule { chart: here.name.clone(), text: text.clone(), compiled: Arc::clone(&here.chart.compiled) };
        all.push(Part::Values(rule, values.clone()));
    }
    for child in &here.dependencies {
        let name = child.borrow().name.clone();
        match values.get(name.as_bytes()) {
            None | Some(Value::Nil) => {}
            Some(Value::Map(inner)) => parts(child, &inner, all),
            Some(other) => all.push(Part::Fault(format!(
                "{name}:\ninvalid type for values: expected object (map), got {}\n",
                other.type_name()
            ))),
        }
    }
}

/// What all schemas say, or will say.
pub(crate) struct Verdict {
    /// Copies: templates may change values.
    parts: Vec<Part<Tree>>,
    faults: OnceLock<String>,
}

impl Verdict {
    fn faults(&self) -> &str {
        self.faults.get_or_init(|| {
            let fault = |part: &Part<Tree>| match part {
                Part::Values(rule, values) => rule.fault(&values.to_value()),
                Part::Fault(fault) => Some(fault.clone()),
            };
            self.parts.iter().filter_map(fault).collect()
        })
    }

    /// What they say: waited for where a thread is at it, found out where none has begun.
    ///
    /// # Errors
    /// Helm's words.
    pub fn get(&self) -> Result<(), String> {
        told(self.faults())
    }
}

fn told(faults: &str) -> Result<(), String> {
    if faults.is_empty() { Ok(()) } else { Err(format!("{INTRO}\n{faults}")) }
}

/// Holds values against the schemas of their charts, or has that done by a thread of the pool.
///
/// # Errors
/// Helm's words, where it was done at once.
pub(crate) fn begin(root: &Shared, values: &Map, pool: &Pool) -> Result<Option<Arc<Verdict>>, String> {
    let mut all = Vec::new();
    parts(root, values, &mut all);
    let copy = |part: &Part<Map>| match part {
        Part::Values(rule, values) => Some(Part::Values(rule.clone(), Tree::of(&Value::Map(values.clone()))?)),
        Part::Fault(fault) => Some(Part::Fault(fault.clone())),
    };
    let copies = if pool.helps() { all.iter().map(copy).collect() } else { None };
    if let Some(parts) = copies {
        let verdict = Arc::new(Verdict { parts, faults: OnceLock::new() });
        let theirs = Arc::clone(&verdict);
        pool.last(move || _ = theirs.faults());
        return Ok(Some(verdict));
    }
    let fault = |part: Part<Map>| match part {
        Part::Values(rule, values) => rule.fault(&Value::Map(values)),
        Part::Fault(fault) => Some(fault),
    };
    told(&all.into_iter().filter_map(fault).collect::<String>()).map(|()| None)
}

/// Helm shows a failed validation without its first line.
pub(crate) fn shown(error: &str) -> String {
    let first = "jsonschema validation failed with 'file:///values.schema.json#'\n";
    format!("{}\n", error.strip_prefix(first).unwrap_or(error))
}
