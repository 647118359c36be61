//! Values of charts and of the user to the values of a render: Helm's coalescing, its nulls, its warnings, its sharing.
//!
//! The maps are templates' maps, shared where Helm shares them: a template that changes `.Values.global` in place is seen
//! where it would be seen under Helm.

use std::rc::Rc;

use masthead_gotmpl::map::{Entry, Map};
use masthead_gotmpl::quote::quote;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;

use crate::deep_copy::deep_copy;
use crate::go_format::{percent_t, percent_v};
use crate::instance::{Instance, Shared};

/// The key under which values are seen by all charts.
pub(crate) const GLOBAL: &str = "global";

/// Whether nulls are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// Helm's `Coalesce…`: a null takes a chart's default away.
    Remove,
    /// Helm's `Merge…`: nulls stay, for a later coalescing.
    Keep,
}

/// Puts values together and collects Helm's warnings.
pub(crate) struct Coalescer<'w> {
    pub warnings: &'w mut Vec<String>,
    pub nulls: Nulls,
}

impl Coalescer<'_> {
    /// Helm's `CoalesceValues` and `MergeValues`: the user's values over the chart's, for it and all charts below.
    ///
    /// # Errors
    /// A chart's values are not a mapping.
    pub fn values(&mut self, chart: &Shared, user: &Map) -> Result<Map, String> {
        let dest = deep_copy(user);
        self.chart(chart, &dest, "")?;
        Ok(dest)
    }

    fn warn(&mut self, line: u32, words: &str) {
        self.warnings.push(format!("coalesce.go:{line}: {words}"));
    }

    fn chart(&mut self, chart: &Shared, dest: &Map, prefix: &str) -> Result<(), String> {
        let chart = chart.borrow();
        self.own(&chart, dest, prefix);
        let prefix = joined(prefix, &chart.name);
        for child in &chart.dependencies {
            let name = Str::from(&child.borrow().name);
            let inner = match dest.get(name.as_bytes()) {
                None => {
                    let inner = Map::any();
                    dest.insert(name, Value::Map(inner.clone()))?;
                    inner
                }
                Some(Value::Map(inner)) => inner,
                Some(other) => return Err(format!("type mismatch on {name}: {}", percent_t(&other))),
            };
            self.globals(&inner, dest, &prefix)?;
            self.chart(child, &inner, &prefix)?;
        }
        Ok(())
    }

    /// Takes the globals of `source` into `dest`.
    fn globals(&mut self, dest: &Map, source: &Map, prefix: &str) -> Result<(), String> {
        let theirs = match dest.get(GLOBAL.as_bytes()) {
            None => Map::any(),
            Some(Value::Map(map)) => map,
            Some(_) => {
                self.warn(138, &format!("warning: skipping globals because destination {GLOBAL} is not a table."));
                return Ok(());
            }
        };
        let ours = match source.get(GLOBAL.as_bytes()) {
            None => Map::any(),
            Some(Value::Map(map)) => map,
            Some(_) => {
                self.warn(145, &format!("warning: skipping globals because source {GLOBAL} is not a table."));
                return Ok(());
            }
        };
        for (key, value) in ours.entries().iter() {
            let there = theirs.get(key.as_bytes());
            match (value, there) {
                (Value::Map(map), None) => theirs.insert(key.clone(), Value::Map(map.shallow_copy()))?,
                (Value::Map(map), Some(Value::Map(under))) => {
                    let over = map.shallow_copy();
                    let prefix = joined(prefix, &key.to_str_lossy());
                    let nulls = std::mem::replace(&mut self.nulls, Nulls::Keep);
                    let done = self.tables(&over, &under, &prefix);
                    self.nulls = nulls;
                    done?;
                    theirs.insert(key.clone(), Value::Map(over))?;
                }
                (Value::Map(_), Some(_)) => {
                    let key = quote(key.as_bytes());
                    self.warn(161, &format!("Conflict: cannot merge map onto non-map for {key}. Skipping."));
                }
                (_, Some(Value::Map(_))) => self.warn(175, &format!("key {key} is table. Skipping")),
                (value, _) => theirs.insert(key.clone(), value.clone())?,
            }
        }
        dest.insert(GLOBAL.into(), Value::Map(theirs))
    }

    /// The chart's own values under those in `dest`.
    fn own(&mut self, chart: &Instance, dest: &Map, prefix: &str) {
        let prefix = joined(prefix, &chart.name);
        for (key, value) in Rc::unwrap_or_clone(chart.own_values().entries()) {
            match dest.get(key.as_bytes()) {
                None => insert(dest, key, value),
                Some(Value::Nil) if self.nulls == Nulls::Remove => drop(dest.remove(key.as_bytes())),
                Some(Value::Map(over)) => match value {
                    Value::Map(under) => {
                        let is_child = chart.dependencies.iter().any(|child| key == child.borrow().name.as_str());
                        let nulls = self.nulls;
                        if is_child {
                            self.nulls = Nulls::Keep;
                        }
                        // Both are maps of this coalescing, which take writes.
                        let _ = self.tables(&over, &under, &joined(&prefix, &key.to_str_lossy()));
                        self.nulls = nulls;
                    }
                    Value::Nil => {}
                    _ => self.warn(237, &format!("warning: skipped value for {prefix}.{key}: Not a table.")),
                },
                Some(_) => {}
            }
        }
    }

    /// Helm's `coalesceTablesFullKey`: `under` into `over`, which wins.
    pub fn tables(&mut self, over: &Map, under: &Map, prefix: &str) -> Result<(), String> {
        let defaults: Rc<Vec<Entry>> = under.entries();
        let is_default = |key: &Str| {
            let at = defaults.binary_search_by(|entry| entry.0.cmp(key));
            at.is_ok_and(|at| !matches!(defaults[at].1, Value::Nil))
        };
        for (key, value) in over.entries().iter() {
            if matches!(value, Value::Nil) {
                under.insert(key.clone(), Value::Nil)?;
            }
        }
        for (key, value) in under.entries().iter() {
            let Some(there) = over.get(key.as_bytes()) else {
                over.insert(key.clone(), value.clone())?;
                continue;
            };
            if self.nulls == Nulls::Remove && matches!(there, Value::Nil) && is_default(key) {
                over.remove(key.as_bytes());
                continue;
            }
            let full = || joined(prefix, &key.to_str_lossy());
            match (value, there) {
                (Value::Map(under), Value::Map(over)) => self.tables(&over, under, &full())?,
                (Value::Map(_), _) => {
                    let words = format!("{} ({})", full(), percent_v(value));
                    self.warn(316, &format!("warning: cannot overwrite table with non table for {words}"));
                }
                (Value::Nil, _) => {}
                (_, Value::Map(_)) => {
                    let words = format!("{} is a table. Ignoring non-table value ({})", full(), percent_v(value));
                    self.warn(319, &format!("warning: destination for {words}"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn insert(map: &Map, key: Str, value: Value) {
    // Only a nil map refuses, and none is made here.
    let _ = map.insert(key, value);
}

fn joined(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

#[cfg(test)]
#[path = "coalesce_tests.rs"]
mod tests;
