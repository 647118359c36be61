//! Columns and cells to the aligned text that `get` prints.

use serde_json::Value;

use crate::table::Column;

/// Spaces between two columns.
const GAP: usize = 3;

/// A cell as text; line breaks end it, as they would break the table.
pub fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => match text.split_once(['\n', '\r', '\x0c']) {
            Some((first, _)) => format!("{first}..."),
            None => text.clone(),
        },
        other => other.to_string(),
    }
}

/// A header and rows, each column as wide as its widest cell; no trailing spaces. `headers` and `rows` are of one
/// length each.
pub fn align(headers: &[String], rows: &[Vec<String>]) -> String {
    let lines: Vec<&[String]> = std::iter::once(headers).chain(rows.iter().map(Vec::as_slice)).collect();
    let lines: Vec<&[String]> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    let count = lines.iter().map(|line| line.len()).max().unwrap_or_default();
    let width = |i: usize| lines.iter().filter_map(|line| line.get(i)).map(|text| text.chars().count()).max();
    let widths: Vec<usize> = (0..count).map(|i| width(i).unwrap_or_default() + GAP).collect();
    let mut out = String::new();
    for line in lines {
        let mut written = String::new();
        for (text, width) in line.iter().zip(&widths) {
            written.push_str(text);
            (text.chars().count()..*width).for_each(|_| written.push(' '));
        }
        out.push_str(written.trim_end());
        out.push('\n');
    }
    out
}

/// The table of objects of one kind; `wide` shows every column.
pub fn render(columns: &[Column], rows: &[Vec<Value>], wide: bool) -> String {
    let shown: Vec<usize> = (0..columns.len()).filter(|i| wide || columns[*i].priority == 0).collect();
    let headers: Vec<String> = shown.iter().map(|i| columns[*i].name.to_uppercase()).collect();
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| shown.iter().filter_map(|i| row.get(*i)).map(cell).collect()).collect();
    align(&headers, &rows)
}
