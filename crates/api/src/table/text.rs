//! Columns and cells to the aligned text that `get` prints.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::kind::Kind;
use crate::meta::object_meta::ObjectMeta;
use crate::table::column::Column;

/// Spaces after the widest cell of a column.
const GAP: usize = 3;
/// The least width of a column that another follows.
const LEAST: usize = 6;

/// What `get` was asked to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Also columns of a priority above zero (`-o wide`).
    pub wide: bool,
    /// Rows only (`--no-headers`).
    pub no_headers: bool,
    /// All labels as the last column (`--show-labels`).
    pub show_labels: bool,
    /// A column for each of these labels (`-L`).
    pub label_columns: Vec<String>,
    /// The namespace as the first column (`-A`).
    pub with_namespace: bool,
    /// The kind before each name, as in `deployment.apps/web`; for several kinds in one answer.
    pub kind: Option<Kind>,
}

/// The head of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// As in `Nominated Node`; printed in capitals.
    pub name: String,
    /// Whether it holds the name of the object, before which a kind may be put.
    pub names: bool,
    /// Above zero only with `-o wide`.
    pub priority: i64,
}

/// One object's cells, and what further columns need of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// One for each heading.
    pub cells: Vec<Value>,
    /// Of the object.
    pub namespace: String,
    /// Of the object.
    pub labels: BTreeMap<String, String>,
}

impl From<&Column> for Heading {
    fn from(column: &Column) -> Self {
        let names = column.format == "name" && column.type_ == "string";
        Self { name: column.name.to_owned(), names, priority: column.priority.into() }
    }
}

impl Row {
    /// From cells and the metadata of their object.
    pub fn new(cells: Vec<Value>, meta: &ObjectMeta) -> Self {
        Self { cells, namespace: meta.namespace.clone(), labels: meta.labels.clone() }
    }
}

/// Prints tables one after another as one listing: later rows keep the widths of earlier ones, headings come once.
#[derive(Clone, Debug, Default)]
pub struct Printer {
    options: Options,
    headings: Vec<Heading>,
    headed: bool,
    widths: Vec<usize>,
}

impl Printer {
    /// A printer that has printed nothing yet.
    pub fn new(options: Options) -> Self {
        Self { options, ..Self::default() }
    }

    /// The lines of a `meta.k8s.io/v1` Table; one without columns, as a watch sends, takes those of the last.
    pub fn document(&mut self, table: &Value) -> String {
        let rows: Vec<Row> = array(table, "rows").iter().map(row_of).collect();
        let headings: Vec<Heading> = array(table, "columnDefinitions").iter().map(heading_of).collect();
        self.rows(&headings, &rows)
    }

    /// The lines of these rows; nothing for no rows. Without headings those of the last call hold.
    pub fn rows(&mut self, headings: &[Heading], rows: &[Row]) -> String {
        if !headings.is_empty() && headings != self.headings {
            self.headings = headings.to_vec();
            self.headed = false;
        }
        if rows.is_empty() {
            return String::new();
        }
        let mut lines = Vec::with_capacity(rows.len() + 1);
        if !self.options.no_headers && !self.headed {
            lines.push(self.head());
        }
        self.headed = true;
        lines.extend(rows.iter().map(|row| self.line(row)));
        align(&mut self.widths, &lines)
    }

    fn shown(&self) -> impl Iterator<Item = (usize, &Heading)> {
        self.headings.iter().enumerate().filter(|(_, heading)| self.options.wide || heading.priority == 0)
    }

    fn head(&self) -> Vec<String> {
        let options = &self.options;
        let mut line = Vec::new();
        if options.with_namespace {
            line.push("NAMESPACE".to_owned());
        }
        line.extend(self.shown().map(|(_, heading)| heading.name.to_uppercase()));
        // Only the last part of a label's key heads its column.
        line.extend(options.label_columns.iter().map(|key| key.rsplit('/').next().unwrap_or(key).to_uppercase()));
        if options.show_labels {
            line.push("LABELS".to_owned());
        }
        line
    }

    fn line(&self, row: &Row) -> Vec<String> {
        let options = &self.options;
        let mut line = Vec::with_capacity(row.cells.len() + 2);
        if options.with_namespace {
            line.push(escaped(&row.namespace));
        }
        let naming = self.headings.iter().position(|heading| heading.names);
        for (i, _) in self.shown() {
            let Some(value) = row.cells.get(i) else { break };
            line.push(match options.kind {
                Some(kind) if naming == Some(i) => {
                    format!("{}/{}", kind.info().qualified_kind().to_lowercase(), cell(value))
                }
                _ => cell(value),
            });
        }
        line.extend(
            options.label_columns.iter().map(|key| row.labels.get(key).map_or_else(String::new, |v| escaped(v))),
        );
        if options.show_labels {
            line.push(pairs(&row.labels));
        }
        line
    }
}

/// Labels as `a=b,c=d`; `<none>` for none.
pub fn pairs(labels: &BTreeMap<String, String>) -> String {
    if labels.is_empty() {
        return "<none>".to_owned();
    }
    let pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}

fn array<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn heading_of(column: &Value) -> Heading {
    let text = |field: &str| column.get(field).and_then(Value::as_str).unwrap_or_default();
    Heading {
        name: text("name").to_owned(),
        names: text("format") == "name" && text("type") == "string",
        priority: column.get("priority").and_then(Value::as_i64).unwrap_or_default(),
    }
}

fn row_of(row: &Value) -> Row {
    let meta = row.pointer("/object/metadata");
    let labels = meta.and_then(|m| m.get("labels")).and_then(Value::as_object);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Row {
        cells: array(row, "cells").to_vec(),
        namespace: meta.and_then(|m| m.get("namespace")).map(text).unwrap_or_default(),
        labels: labels.into_iter().flatten().map(|(key, value)| (key.clone(), text(value))).collect(),
    }
}

/// What a terminal would act on, made visible.
pub fn escaped(text: &str) -> String {
    if text.contains(['\x1b', '\r']) { text.replace('\x1b', "^[").replace('\r', "\\r") } else { text.to_owned() }
}

/// A cell as text; a line break ends it, as it would break the table.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => match text.split_once(['\n', '\r', '\x0c']) {
            Some((first, _)) => format!("{}...", escaped(first)),
            None => escaped(text),
        },
        other => other.to_string(),
    }
}

/// Lines of cells, each column as wide as its widest cell or as remembered in `widths`; the last cell of a line gets no
/// padding.
fn align(widths: &mut Vec<usize>, lines: &[Vec<String>]) -> String {
    for line in lines {
        let padded = line.len().saturating_sub(1);
        if widths.len() < padded {
            widths.resize(padded, LEAST);
        }
        for (width, text) in widths.iter_mut().zip(&line[..padded]) {
            *width = (*width).max(text.chars().count() + GAP);
        }
    }
    let mut out = String::new();
    for line in lines {
        for (i, text) in line.iter().enumerate() {
            out.push_str(text);
            if i + 1 < line.len() {
                let gap = widths[i] - text.chars().count();
                out.extend(std::iter::repeat_n(' ', gap));
            }
        }
        out.push('\n');
    }
    out
}

/// The table of objects of one kind; `wide` shows every column.
pub fn render(columns: &[Column], rows: &[Vec<Value>], wide: bool) -> String {
    let headings: Vec<Heading> = columns.iter().map(Heading::from).collect();
    let rows: Vec<Row> = rows.iter().map(|cells| Row { cells: cells.clone(), ..Row::default() }).collect();
    Printer::new(Options { wide, ..Options::default() }).rows(&headings, &rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Options, Printer, Row, render};
    use crate::kind::registry;
    use crate::table::rows::columns;

    fn lease() -> serde_json::Value {
        json!({
            "columnDefinitions": [
                {"name": "Name", "type": "string", "format": "name", "priority": 0},
                {"name": "Holder", "type": "string", "priority": 0},
                {"name": "Note", "type": "string", "priority": 1},
                {"name": "Age", "type": "string", "priority": 0}],
            "rows": [
                {"cells": ["a", "me", "x", "5s"],
                 "object": {"metadata": {"namespace": "ns", "labels": {"app": "web", "x.io/tier": "front"}}}},
                {"cells": ["longer", "two\nlines", null, "5d"], "object": {"metadata": {"namespace": "n"}}}],
        })
    }

    fn check(options: Options, expect: &[&str]) {
        let text = Printer::new(options.clone()).document(&lease());
        assert_eq!(text.lines().collect::<Vec<_>>(), expect, "{options:?}");
    }

    #[test]
    fn options_choose_columns() {
        let none = Options::default;
        check(none(), &["NAME     HOLDER   AGE", "a        me       5s", "longer   two...   5d"]);
        check(Options { no_headers: true, ..none() }, &["a        me       5s", "longer   two...   5d"]);
        check(
            Options { wide: true, ..none() },
            &["NAME     HOLDER   NOTE   AGE", "a        me       x      5s", "longer   two...          5d"],
        );
        check(
            Options { with_namespace: true, kind: Some(registry::LEASE), ..none() },
            &[
                "NAMESPACE   NAME                               HOLDER   AGE",
                "ns          lease.coordination.k8s.io/a        me       5s",
                "n           lease.coordination.k8s.io/longer   two...   5d",
            ],
        );
        check(
            Options { show_labels: true, label_columns: vec!["x.io/tier".to_owned()], ..none() },
            &[
                "NAME     HOLDER   AGE   TIER    LABELS",
                "a        me       5s    front   app=web,x.io/tier=front",
                "longer   two...   5d            <none>",
            ],
        );
    }

    #[test]
    fn later_rows_keep_widths_and_have_no_headings() {
        let mut printer = Printer::new(Options::default());
        printer.document(&lease());
        let row = Row { cells: vec!["b".into(), "c".into(), "d".into(), "9s".into()], ..Row::default() };
        assert_eq!(printer.rows(&[], &[row]), "b        c        9s\n");
    }

    #[test]
    fn narrow_columns_are_six_wide_and_control_codes_show() {
        let options = Options { no_headers: true, ..Options::default() };
        let row = Row { cells: vec!["\u{1b}[1m".into(), "é".into(), "z".into()], ..Row::default() };
        let headings: Vec<_> = columns(registry::LEASE).iter().map(Into::into).collect();
        assert_eq!(Printer::new(options).rows(&headings, &[row]), "^[[1m   é     z\n");
        assert_eq!(render(columns(registry::LEASE), &[], false), "");
    }
}
