//! `-o custom-columns=NAME:.metadata.name,…` and objects → a table of what the paths find.

use masthead_api::patch::go_value::shown;
use serde_json::Value;

use crate::cli::jsonpath::eval::{Missing, find};
use crate::cli::jsonpath::parse::{Action, parse};
use crate::cli::tabular::Tabular;

/// What is shown where a path finds nothing.
const NONE: &str = "<none>";

/// Headers, each with its path.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns(Vec<(String, Vec<Action>)>);

impl Columns {
    /// Reads `HEADER:PATH,…`.
    ///
    /// # Errors
    /// kubectl's words for what is none.
    pub fn read(text: &str) -> Result<Columns, String> {
        if text.is_empty() {
            return Err("custom-columns format specified but no custom columns given".to_owned());
        }
        let column = |text: &str| {
            let (header, path) = text
                .split_once(':')
                .ok_or_else(|| format!("unexpected custom-columns spec: {text}, expected <header>:<json-path-expr>"))?;
            Ok((header.to_owned(), parse(&in_braces(path)?)?))
        };
        text.split(',').map(column).collect::<Result<_, String>>().map(Columns)
    }

    /// The rows of these objects.
    ///
    /// # Errors
    /// A path does not fit an object.
    pub fn rows<'v>(&self, items: impl IntoIterator<Item = &'v Value>) -> Result<Vec<Vec<String>>, String> {
        let cell = |item, actions: &[Action]| {
            let found = find(actions, item, Missing::Nothing)?;
            if found.first().is_none_or(Vec::is_empty) {
                return Ok(NONE.to_owned());
            }
            Ok(found.iter().flatten().map(|one| shown(one)).collect::<Vec<_>>().join(","))
        };
        items.into_iter().map(|item| self.0.iter().map(|(_, actions)| cell(item, actions)).collect()).collect()
    }

    /// The table of these objects.
    ///
    /// # Errors
    /// As [`Columns::rows`].
    pub fn table<'v>(&self, items: impl IntoIterator<Item = &'v Value>, headers: bool) -> Result<String, String> {
        let headers = headers.then(|| self.0.iter().map(|(header, _)| header.clone()).collect());
        let rows: Vec<Vec<String>> = headers.into_iter().chain(self.rows(items)?).collect();
        Ok(Tabular::default().lines(&rows))
    }
}

/// `{.a.b}` of that, of `.a.b`, `a.b` and `{a.b}`.
///
/// # Errors
/// It is none of these.
pub fn in_braces(path: &str) -> Result<String, String> {
    let inner = path.strip_prefix('{').map_or(Some(path), |rest| rest.strip_suffix('}'));
    let inner = inner.map(|inner| inner.strip_prefix('.').unwrap_or(inner));
    match inner.filter(|inner| !inner.is_empty() && !inner.contains(['{', '}'])) {
        Some(inner) => Ok(format!("{{.{inner}}}")),
        None => Err(format!(
            "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{{name1.name2}}' or \
             '{{.name1.name2}}'; it is {path:?}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_printed_as_kubectl_prints_them() {
        let items = [
            json!({"metadata": {"name": "long-name", "labels": {"b": "2", "a": "1"}}, "n": [1, 2]}),
            json!({"metadata": {"name": "b"}, "n": []}),
        ];
        let columns = Columns::read("NAME:.metadata.name,N:{.n[*]},L:metadata.labels,ALL:{n}").unwrap();
        let expect = "NAME        N        L              ALL\n\
                      long-name   1,2      map[a:1 b:2]   [1 2]\n\
                      b           <none>   <none>         []\n";
        assert_eq!(columns.table(&items, true).unwrap(), expect);
        assert_eq!(Columns::read("X:.n").unwrap().table(&items[1..], false).unwrap(), "[]\n");
        for (text, expect) in [
            ("", "custom-columns format specified but no custom columns given"),
            ("NAME", "unexpected custom-columns spec: NAME, expected <header>:<json-path-expr>"),
            ("A:.b[", "unterminated array"),
        ] {
            assert_eq!(Columns::read(text).unwrap_err(), expect);
        }
        assert!(Columns::read("A:{.b").unwrap_err().starts_with("unexpected path string"));
    }
}
