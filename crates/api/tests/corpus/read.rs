//! The recordings → JSON cases; none, with a plain message, where they are absent.

use std::path::PathBuf;

use serde_json::Value;

/// Where the recordings lie: `MASTHEAD_SHARED`, or `shared` beside the work tree.
fn folder() -> PathBuf {
    match std::env::var_os("MASTHEAD_SHARED") {
        Some(path) => path.into(),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    }
    .join("corpus/api")
}

/// The cases of one file.
pub fn cases(file: &str) -> Vec<Value> {
    let path = folder().join(file);
    match std::fs::read(&path) {
        Ok(bytes) => match serde_json::from_slice(&expand(&bytes)).unwrap() {
            Value::Array(cases) => cases,
            other => panic!("{file} is no list: {other}"),
        },
        Err(_) => {
            println!("skipped: {file}: no recordings on this machine (MASTHEAD_SHARED names their folder)");
            Vec::new()
        }
    }
}

/// `<REPEAT:c:n>` is the character c, n times.
fn expand(bytes: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("<REPEAT:") {
        out.push_str(&rest[..at]);
        let end = at + rest[at..].find('>').unwrap();
        let (c, n) = rest[at + 8..end].rsplit_once(':').unwrap();
        out.push_str(&c.repeat(n.parse().unwrap()));
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    out.into_bytes()
}
