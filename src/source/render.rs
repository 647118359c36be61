//! The bytes of one file → its manifests, each with the line where it starts, and the faults of the text.

use std::sync::{Arc, OnceLock};

use masthead_plan::desired::Problem;
use masthead_yaml::error::Fault;
use masthead_yaml::limits::Limits;
use masthead_yaml::parse::{self, Document};
use masthead_yaml::positions::Positions;
use serde_json::Value;

use crate::source::words;

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
    /// The document, for a second look.
    document: Arc<Kept>,
    /// The path of the manifest inside its document, for items of a List.
    prefix: String,
}

/// A document as text, whose places are looked for once, when there is something to say.
#[derive(Debug)]
struct Kept {
    text: Arc<[u8]>,
    /// Without its value.
    document: Document,
    positions: OnceLock<Positions>,
}

impl Places {
    /// The line of a field given as Kubernetes writes it (`spec.containers[0].image`), or of the nearest parent that is
    /// written; the document's line when there is none.
    pub fn line_of(&self, field: &str) -> u32 {
        self.nearest(&pointer_of(field))
    }

    /// The line of what is at a JSON pointer, where it is written.
    pub fn at(&self, pointer: &str) -> Option<u32> {
        let spot = self.positions().get(&format!("{}{pointer}", self.prefix))?;
        u32::try_from(spot.key.unwrap_or(spot.value).line).ok()
    }

    /// The line of what is at a JSON pointer, or of the nearest parent that is written.
    pub fn nearest(&self, pointer: &str) -> u32 {
        let spot = self.positions().nearest(&format!("{}{pointer}", self.prefix));
        let at = spot.map(|spot| spot.key.unwrap_or(spot.value).line);
        at.and_then(|line| u32::try_from(line).ok()).unwrap_or(self.line)
    }

    fn positions(&self) -> &Positions {
        let Kept { text, document, positions } = &*self.document;
        positions.get_or_init(|| parse::positions(text, document, &limits()))
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
    let (mut documents, faults) = parse::documents(bytes, &limits());
    if faults.iter().any(|fault| matches!(fault.fault, Fault::Limit { name: "documents", .. })) {
        // What is said of the first hundred thousand would hide it.
        documents.clear();
    }
    for fault in faults {
        let message = match &fault.fault {
            // Its text may be a value of a Secret: what it belongs to is not known while the text is broken.
            Fault::Decode { found, wanted, .. } => format!("cannot decode {found} as a {wanted}"),
            Fault::UnknownAnchor(_) => "unknown anchor referenced".to_owned(),
            other => words::short(&other.to_string()),
        };
        problems.push(problem(path, u32::try_from(fault.line).unwrap_or(0), &message, hint(&fault.fault)));
    }
    let text: Arc<[u8]> = bytes.into();
    for document in documents {
        split(path, document, &text, &mut manifests, &mut problems);
    }
    (manifests, problems)
}

/// What to do about a fault of the text.
fn hint(fault: &Fault) -> &'static str {
    match fault {
        Fault::Limit { .. } => "split the file, or list it in .mastheadignore",
        Fault::InvalidKey(_) => "quote it; templates such as {{ … }} are not rendered, commit their result",
        Fault::UnknownAnchor(_) => "quote text that begins with *",
        Fault::DuplicateKey(_) => "keep one of the two",
        _ => "",
    }
}

fn is_utf16(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff])
}

/// A document as one manifest, or as each item of a `v1 List`.
fn split(path: &str, mut document: Document, text: &Arc<[u8]>, out: &mut Vec<Manifest>, problems: &mut Vec<Problem>) {
    let line = u32::try_from(document.line).unwrap_or(0);
    let value = std::mem::take(&mut document.value);
    let kept = Kept { text: text.clone(), document, positions: OnceLock::new() };
    let places = Places { line, document: Arc::new(kept), prefix: String::new() };
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
