//! Faults as the API words them → words for whoever wrote the file: short, of one line, without a value of a Secret.

use masthead_api::problem::{FieldProblem, ProblemKind};
use serde_json::Value;

use crate::git::text;

/// Characters of one part of a message that are shown.
const CHARS_MAX: usize = 400;

/// What stands for a message that would show a value of a Secret.
const HIDDEN: &str = "invalid value (not shown, it belongs to a Secret)";

/// A text of somebody's on one line, safe to print, and cut.
pub fn short(text: &str) -> String {
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", text::line(&text[..end])),
        None => text::line(text).into_owned(),
    }
}

/// A fault's message and hint; the path stands before it.
pub fn of(fault: &FieldProblem) -> (String, String) {
    let meant = fault.hint.as_ref().map(|hint| format!("did you mean {hint}?")).unwrap_or_default();
    match fault.kind {
        ProblemKind::UnknownField => ("unknown field".to_owned(), meant),
        ProblemKind::Type => match wrong_type(&fault.message) {
            Some((message, hint)) => (message, if meant.is_empty() { hint.to_owned() } else { meant }),
            None => (fault.message.clone(), meant),
        },
        _ => (fault.message.clone(), meant),
    }
}

/// `json: cannot unmarshal number into Go struct field ConfigMap.data of type string` → `must be text, not a number`.
fn wrong_type(message: &str) -> Option<(String, &'static str)> {
    let (found, wanted) = message.strip_prefix("json: cannot unmarshal ")?.split_once(" into Go ")?;
    let wanted = wanted.rsplit_once("type ")?.1;
    let is = match found.split(' ').next()? {
        "string" => "text",
        "number" => "a number",
        "bool" => "true or false",
        "array" => "a list",
        "object" => "a mapping",
        "null" => "null",
        _ => return None,
    };
    let must = match wanted {
        "string" => "text",
        "[]uint8" => "text in base64",
        "bool" => "true or false",
        "int32" | "int64" => "a whole number",
        t if t.starts_with("[]") => "a list",
        t if t.starts_with("map[") || t.starts_with("v1.") => "a mapping",
        _ => return None,
    };
    if must == "a whole number" && is == "a number" {
        return Some((format!("must be a whole number of type {wanted}"), ""));
    }
    let hint = if must == "text" && matches!(is, "a number" | "true or false") { "put it in quotes" } else { "" };
    Some((format!("must be {must}, not {is}"), hint))
}

/// Every value of a Secret that a message may not show: all but what is known to be public.
pub fn values(secret: &Value) -> Vec<String> {
    const PUBLIC: [&str; 5] = ["apiVersion", "kind", "metadata", "type", "immutable"];
    let mut found = Vec::new();
    for (_, value) in secret.as_object().into_iter().flatten().filter(|(field, _)| !PUBLIC.contains(&field.as_str())) {
        leaves(value, &mut found);
    }
    found
}

fn leaves(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.values().for_each(|v| leaves(v, out)),
        Value::Array(list) => list.iter().for_each(|v| leaves(v, out)),
        Value::String(text) => out.push(text.clone()),
        Value::Number(number) => out.push(number.to_string()),
        Value::Bool(_) | Value::Null => {}
    }
}

/// The message, or words in its place when one of these values is in it.
pub fn without(message: String, hidden: &[String]) -> String {
    // As a message quotes it; the quotes around belong to the message.
    let quoted = |value: &str| format!("{value:?}").trim_matches('"').to_owned();
    let shows = |value: &str| !value.is_empty() && (message.contains(value) || message.contains(&quoted(value)));
    if hidden.iter().any(|value| shows(value)) { HIDDEN.to_owned() } else { message }
}
