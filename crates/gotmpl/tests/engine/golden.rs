//! Templates and what Go 1.26 makes of them: text or message, byte for byte.
//!
//! `golden.jsonl` holds, after a first line with what all share, cases of `[source, missingkey, result]`, where the
//! results were written by Go's own text/template. The example `gotmpl_run` takes the same cases.
use crate::support;
use serde_json::{Value as Json, json};

#[test]
fn as_go_answers() {
    let mut lines = include_str!("golden.jsonl").lines();
    let common: Json = serde_json::from_str(lines.next().unwrap()).unwrap();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for line in lines {
        let case: Json = serde_json::from_str(line).unwrap();
        let templates = json!([["lib.tpl", common["library"]], ["x/main.yaml", case[0]]]);
        let asked = json!({
            "templates": templates, "execute": "x/main.yaml", "data": common["data"], "missing": case[1],
        });
        let result = support::run(&asked);
        count += 1;
        if result != case[2] {
            wrong.push(format!("{} {}\n  go:   {}\n  here: {}", case[0], case[1], shown(&case[2]), shown(&result)));
        }
    }
    assert!(count > 400, "the cases are there");
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn shown(result: &Json) -> String {
    let Some(out) = result["out"].as_str() else { return result["error"].to_string() };
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0) as u8;
    let bytes: Vec<u8> = out.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
