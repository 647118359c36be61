//! Which dependencies a render has, under which names, and what their parents import of their values: as Helm decides.

use std::cell::RefCell;
use std::rc::Rc;

use masthead_gotmpl::kind::MAP_ANY;
use masthead_gotmpl::map::Map;
use masthead_gotmpl::value::Value;
use masthead_sprig::semver::{constraint, version};

use crate::coalesce::{Coalescer, Nulls};
use crate::deep_copy::deep_copy;
use crate::go_format::percent_v_tree;
use crate::instance::{Instance, Shared, adopt};
use crate::metadata::Dependency;
use crate::tree::Tree;
use crate::value_path;

/// How many charts may take part in a render. Helm has no bound: each level of charts may ask for those below it under
/// many names, and every name is a chart of its own.
pub const CHARTS_MAX: usize = 10_000;

/// Helm's `IsCompatibleRange`: whether a version satisfies a constraint; no where either can't be read.
pub fn is_compatible(range: &str, text: &str) -> bool {
    let Ok(version) = version::parse(text.as_bytes()) else { return false };
    constraint::parse(range.as_bytes()).is_ok_and(|range| range.check(&version))
}

/// Helm's `ProcessDependenciesWithMerge`.
///
/// # Errors
/// A chart's values are not a mapping.
pub(crate) fn process(root: &Shared, user: &Map, warnings: &mut Vec<String>) -> Result<(), String> {
    enable(root, user, "", &mut 0, warnings)?;
    import(root, warnings)
}

fn enable(
    chart: &Shared,
    values: &Map,
    path: &str,
    charts: &mut usize,
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    let Some(wanted) = chart.borrow().wanted.clone() else { return Ok(()) };
    let there = chart.borrow().dependencies.clone();
    let mut kept: Vec<Shared> = there.iter().filter(|existing| !is_wanted(existing, &wanted)).cloned().collect();
    for request in &wanted {
        kept.extend(alias_of(&there, &request.borrow()));
        let mut request = request.borrow_mut();
        if !request.alias.is_empty() {
            request.name = request.alias.clone();
        }
    }
    *charts += kept.len();
    if *charts > CHARTS_MAX {
        let name = &chart.borrow().name;
        return Err(format!("more than {CHARTS_MAX} charts take part, with the dependencies of {name}"));
    }
    adopt(chart, kept);
    chart.borrow_mut().originals = there;
    wanted.iter().for_each(|request| request.borrow_mut().enabled = true);
    let values = Coalescer { warnings, nulls: Nulls::Remove }.values(chart, values)?;
    by_tags(&wanted, &values, warnings);
    by_conditions(&wanted, &values, path, warnings);
    let is_off = |name: &str| wanted.iter().any(|request| !request.borrow().enabled && request.borrow().name == name);
    let on: Vec<Shared> =
        chart.borrow().dependencies.iter().filter(|child| !is_off(&child.borrow().name)).cloned().collect();
    let still: Vec<_> = wanted.iter().filter(|request| !is_off(&request.borrow().name)).cloned().collect();
    for child in &on {
        let path = format!("{path}{}.", child.borrow().name);
        enable(child, &values, &path, charts, warnings)?;
    }
    chart.borrow_mut().wanted = (!still.is_empty()).then_some(still);
    adopt(chart, on);
    Ok(())
}

fn is_wanted(existing: &Shared, wanted: &[Rc<RefCell<Dependency>>]) -> bool {
    let existing = existing.borrow();
    wanted.iter().any(|request| {
        let request = request.borrow();
        existing.name == request.name && is_compatible(&request.version, &existing.chart.metadata.version)
    })
}

/// A copy of the chart that the request is for, under the name it asks for.
fn alias_of(charts: &[Shared], request: &Dependency) -> Option<Shared> {
    let found = charts.iter().find(|chart| {
        let chart = chart.borrow();
        chart.name == request.name && is_compatible(&request.version, &chart.chart.metadata.version)
    })?;
    let mut copy = Instance::clone(&found.borrow());
    if !request.alias.is_empty() {
        copy.name = request.alias.clone();
    }
    Some(Rc::new(RefCell::new(copy)))
}

fn by_tags(wanted: &[Rc<RefCell<Dependency>>], values: &Map, warnings: &mut Vec<String>) {
    let Some(Value::Map(tags)) = values.get(b"tags") else { return };
    for request in wanted {
        let mut request = request.borrow_mut();
        let (mut on, mut off) = (false, false);
        for tag in request.tags.iter().flatten() {
            match tags.get(tag.as_bytes()) {
                None => {}
                Some(Value::Bool(flag)) => {
                    on |= flag;
                    off |= !flag;
                }
                Some(_) => warnings.push(format!(
                    "dependencies.go:95: Warning: Tag '{tag}' for chart {} returned non-bool value",
                    request.name
                )),
            }
        }
        request.enabled = on || !off;
    }
}

fn by_conditions(wanted: &[Rc<RefCell<Dependency>>], values: &Map, path: &str, warnings: &mut Vec<String>) {
    for request in wanted {
        let mut request = request.borrow_mut();
        let conditions = request.condition.trim().to_owned();
        for condition in conditions.split(',').filter(|condition| !condition.is_empty()) {
            match value_path::value(values, format!("{path}{condition}").as_bytes()) {
                Err(_) => {}
                Ok(Value::Bool(flag)) => {
                    request.enabled = flag;
                    break;
                }
                Ok(_) => warnings.push(format!(
                    "dependencies.go:64: Warning: Condition path '{condition}' for chart {} returned non-bool value",
                    request.name
                )),
            }
        }
    }
}

fn import(chart: &Shared, warnings: &mut Vec<String>) -> Result<(), String> {
    let children = chart.borrow().dependencies.clone();
    for child in &children {
        import(child, warnings)?;
    }
    let Some(wanted) = chart.borrow().wanted.clone() else { return Ok(()) };
    let values = Coalescer { warnings, nulls: Nulls::Keep }.values(chart, &Map::any())?;
    let mut imported = Map::any();
    for request in &wanted {
        let request = &mut *request.borrow_mut();
        // Helm leaves what it has imported behind in a form that it does not read again: of the copies of a chart under
        // several names, which share their requests, only the first imports.
        let items = request.import_values.take().filter(|_| !request.imported);
        request.imported = true;
        for item in items.into_iter().flatten() {
            if let Some((child, parent)) = ends(&item) {
                import_one(&request.name, &child, parent.as_deref(), &values, &mut imported, warnings)?;
                let parent = parent.unwrap_or_else(|| ".".to_owned());
                let ends = [("child", child), ("parent", parent)];
                let left = ends.into_iter().map(|(key, text)| (key.into(), Tree::str(text))).collect();
                request.import_values.get_or_insert_default().push(Tree::Map(left));
            }
        }
    }
    let values = if imported.is_empty() { values } else { deep_copy(&values) };
    Coalescer { warnings, nulls: Nulls::Keep }.tables(&values, &imported, "")?;
    chart.borrow_mut().values = Some(values);
    Ok(())
}

/// Where an item takes from, below its dependency, and where it puts that: nowhere below the parent if it is a name.
fn ends(item: &Tree) -> Option<(String, Option<String>)> {
    match item {
        Tree::Map(fields) => {
            let text = |key: &[u8]| fields.get(key).map_or_else(|| "<nil>".to_owned(), percent_v_tree);
            Some((text(b"child"), Some(text(b"parent"))))
        }
        Tree::Str(name) => Some((format!("exports.{name}"), None)),
        _ => None,
    }
}

fn import_one(
    name: &str,
    child: &str,
    parent: Option<&str>,
    values: &Map,
    imported: &mut Map,
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    let table = match (value_path::table(values, format!("{name}.{child}").as_bytes()), parent) {
        (Ok(table), _) => table,
        (Err(error), Some(_)) => {
            warnings
                .push(format!("dependencies.go:270: Warning: ImportValues missing table from chart {name}: {error}"));
            return Ok(());
        }
        (Err(error), None) => {
            warnings.push(format!("dependencies.go:287: Warning: ImportValues missing table: {error}"));
            return Ok(());
        }
    };
    let path = parent.filter(|parent| *parent != ".").into_iter().flat_map(|parent| parent.rsplit('.'));
    let taken = path.fold(table, |inner, key| Map::from_pairs(&MAP_ANY, vec![(key.into(), Value::Map(inner))]));
    Coalescer { warnings, nulls: Nulls::Keep }.tables(imported, &taken, "")
}
