//! Cases as JSON lines on stdin to results as JSON lines on stdout: for comparing this engine with Go's.
//!
//! A case is `{"templates": [[name, source], …], "execute": name, "data": …, "missing": "zero"}`, a result `{"out": hex}`
//! or `{"error": text}`. In data, `{"$int": 1}`, `{"$strs": [..]}`, `{"$bytes": ".."}` and the like choose Go's type.
use serde_json::Value as Json;
use std::io::{BufRead, Write};

#[path = "../tests/engine/support.rs"]
mod support;

fn main() -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout());
    for line in std::io::stdin().lock().lines() {
        let case: Json = serde_json::from_str(&line?)?;
        writeln!(out, "{}", support::run(&case))?;
    }
    out.flush()
}
