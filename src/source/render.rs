//! The bytes of one file → its manifests, each with the line where it starts, and the faults of the text.

use masthead_plan::desired::Problem;
use masthead_yaml::limits::Limits;
use masthead_yaml::parse::{self, Document};
use serde_json::Value;

/// One manifest as written.
#[derive(Debug)]
pub struct Manifest {
    /// The document; `List` kinds are taken apart already.
    pub value: Value,
    /// The line of its document, from 1.
    pub line: u32,
    /// Where its fields are; finds lines for messages.
    pub places: Places,
}

/// Finds the line of a field of a manifest.
#[derive(Clone, Debug)]
pub struct Places {
    /// The document's own first line.
    line: u32,
    /// The text from the document on, for a second look; only read when there is something to say.
    text: std::sync::Arc<[u8]>,
    /// The document, without its value.
    document: std::sync::Arc<Document>,
    /// The path of the manifest inside its document, for items of a List.
    prefix: String,
}

impl Places {
    /// The line of a field given as Kubernetes writes it (`spec.containers[0].image`), or of the nearest parent that is
    /// written; the document's line when there is none.
    pub fn line_of(&self, field: &str) -> u32 {
        let pointer = format!("{}{}", self.prefix, pointer_of(field));
        let positions = parse::positions(&self.text, &self.document, &limits());
        let spot = positions.nearest(&pointer).map(|spot| spot.key.unwrap_or(spot.value));
        spot.and_then(|at| u32::try_from(at.line).ok()).unwrap_or(self.line)
    }
}

/// `spec.containers[0].image` → `/spec/containers/0/image`; keys in brackets may hold dots.
fn pointer_of(field: &str) -> String {
    let mut out = String::new();
    let mut rest = field;
    while !rest.is_empty() {
        let (part, after) = if let Some(inner) = rest.strip_prefix('[') {
            inner.split_once(']').unwrap_or((inner, ""))
        } else {
            rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()))
        };
        out.push('/');
        out.push_str(&part.replace('~', "~0").replace('/', "~1"));
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    out
}

/// The bounds of one file; the number of its bytes is bounded by the snapshot.
fn limits() -> Limits {
    Limits::default()
}

/// Reads a file of manifests; a fault in one document does not hide the others.
pub fn render(path: &str, bytes: &[u8]) -> (Vec<Manifest>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut manifests = Vec::new();
    if bytes.contains(&0) && !is_utf16(bytes) {
        problems.push(problem(
            path,
            0,
            "this is a binary file, not a manifest",
            "keep other files out of the watched path, or list them in .mastheadignore",
        ));
        return (manifests, problems);
    }
    if bytes.starts_with(b"version https://git-lfs.github.com/spec/") {
        problems.push(problem(
            path,
            1,
            "this is a Git LFS pointer, not the file it stands for",
            "store manifests in git itself",
        ));
        return (manifests, problems);
    }
    let (documents, faults) = parse::documents(bytes, &limits());
    for fault in faults {
        problems.push(problem(path, u32::try_from(fault.line).unwrap_or(0), &fault.fault.to_string(), ""));
    }
    let text: std::sync::Arc<[u8]> = bytes.into();
    for document in documents {
        split(path, document, &text, &mut manifests, &mut problems);
    }
    (manifests, problems)
}

fn is_utf16(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff])
}

/// A document as one manifest, or as each item of a `v1 List`.
fn split(
    path: &str,
    mut document: Document,
    text: &std::sync::Arc<[u8]>,
    out: &mut Vec<Manifest>,
    problems: &mut Vec<Problem>,
) {
    let line = u32::try_from(document.line).unwrap_or(0);
    let value = std::mem::take(&mut document.value);
    let places = Places { line, text: text.clone(), document: std::sync::Arc::new(document), prefix: String::new() };
    let is_list = value.get("kind").and_then(Value::as_str) == Some("List");
    if !(is_list && value.get("apiVersion").and_then(Value::as_str) == Some("v1")) {
        out.push(Manifest { value, line, places });
        return;
    }
    let Value::Object(mut list) = value else { return };
    let Some(Value::Array(items)) = list.remove("items") else {
        problems.push(problem(path, line, "a List has no items", "write items: with a list of objects"));
        return;
    };
    for (i, value) in items.into_iter().enumerate() {
        let places = Places { prefix: format!("/items/{i}"), ..places.clone() };
        if value.get("kind").and_then(Value::as_str) == Some("List") {
            problems.push(problem(
                path,
                places.line_of(""),
                "a List is inside a List",
                "write its items in the outer list",
            ));
            continue;
        }
        out.push(Manifest { value, line: places.line_of(""), places });
    }
}

/// A fault of the text itself, before any object is known.
pub fn problem(path: &str, line: u32, message: &str, hint: &str) -> Problem {
    Problem {
        path: path.to_owned(),
        line,
        object: String::new(),
        field: String::new(),
        message: message.to_owned(),
        hint: hint.to_owned(),
    }
}
