//! `--set` lines and what Helm makes of them; expectations follow its parser's source.

use serde_json::{Value as Json, json};

use super::{Kind, parse_into};
use crate::tree::{Table, table_from_json};

fn table(json: Json) -> Table {
    match json {
        Json::Object(fields) => table_from_json(fields),
        _ => Table::new(),
    }
}

fn run(base: Json, line: &str, kind: Kind<'_>) -> Result<Json, String> {
    let mut dest = table(base);
    parse_into(line, &mut dest, kind)?;
    Ok(crate::tree::Tree::Map(dest).to_json())
}

fn check(line: &str, expect: Json) {
    assert_eq!(run(json!({}), line, Kind::Typed), Ok(expect), "{line}");
}

fn refuses(base: Json, line: &str, expect: &str) {
    assert_eq!(run(base, line, Kind::Typed), Err(expect.to_owned()), "{line}");
}

#[test]
fn typed_values() {
    check(
        "a=1,b=true,c=null,d=x,e=0,f=00,g=-5,h=1.5",
        json!({"a": 1, "b": true, "c": null, "d": "x", "e": 0, "f": "00", "g": -5, "h": "1.5"}),
    );
    check("a.b.c=x,a.d=y", json!({"a": {"b": {"c": "x"}, "d": "y"}}));
    check("a={1,x,true},b={}", json!({"a": [1, "x", true], "b": [""]}));
    check("a[1]=x", json!({"a": [null, "x"]}));
    check("a[0].b=x,a[0].c=y,a[1][1]=z", json!({"a": [{"b": "x", "c": "y"}, [null, "z"]]}));
    check("a\\.b=c\\,d", json!({"a.b": "c,d"}));
    check("a=", json!({"a": ""}));
    check("", json!({}));
    check("a=b=c", json!({"a": "b=c"}));
    check("=x", json!({}));
}

#[test]
fn faults() {
    refuses(json!({}), "x", "key \"x\" has no value");
    refuses(json!({}), "a,b=1", "key \"a\" has no value (cannot end with ,)");
    refuses(json!({}), "a[-1]=x", "negative -1 index not allowed");
    refuses(json!({}), "a[a]=x", "error parsing index: strconv.Atoi: parsing \"a\": invalid syntax");
    refuses(json!({}), "a[0]b'=x", "unexpected data at end of array index: ['b' '\\'']");
    refuses(json!({}), "a[70000]=x", "index of 70000 is greater than maximum supported index of 65536");
    refuses(json!({}), "a={x", "list must terminate with '}'");
    refuses(json!({}), "a[0", "error parsing index: EOF");
    refuses(
        json!({"a": "s"}),
        "a.b=1",
        "unable to parse key: interface conversion: interface {} is string, not map[string]interface {}",
    );
    refuses(
        json!({"a": null}),
        "a[0]=1",
        "unable to parse key: interface conversion: interface {} is nil, not []interface {}",
    );
    let deep = format!("{}=1", vec!["a"; 40].join("."));
    refuses(json!({}), &deep, "value name nested level is greater than maximum supported nested level of 30");
}

#[test]
fn other_kinds() {
    assert_eq!(run(json!({}), "a=1,b=true", Kind::Text), Ok(json!({"a": "1", "b": "true"})));
    assert_eq!(
        run(json!({}), "a={\"b\": [1, null]} ,c=\"x\" ,d=", Kind::Json),
        Ok(json!({"a": {"b": [1.0, null]}, "c": "x", "d": null}))
    );
    assert!(run(json!({}), "x={bad", Kind::Json).is_err());
    assert_eq!(run(json!({}), "a.b=1,c=\\x{y}", Kind::Literal), Ok(json!({"a": {"b": "1,c=\\x{y}"}})));
    let mut read = |name: &str| {
        if name == "f" { Ok(b"text".to_vec()) } else { Err(format!("open {name}: no such file or directory")) }
    };
    assert_eq!(run(json!({}), "a=f", Kind::File(&mut read)), Ok(json!({"a": "text"})));
    assert_eq!(run(json!({}), "a=g", Kind::File(&mut read)), Err("open g: no such file or directory".to_owned()));
}

/// Lines of all that has a meaning: none makes the parser fall over, and what it takes is the same twice.
#[test]
fn random_lines_end() {
    const PIECES: [&str; 22] = [
        "a", "b.c", "x", "=", "[", "]", "0", "1", "-1", "99999999", ",", ".", "{", "}", "\\", " ", "true", "null",
        "\"", "é", ":", "[0]",
    ];
    for case in 0..20_000_u64 {
        let mut state = case;
        let mut next = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % bound
        };
        let line: String = (0..next(14)).map(|_| PIECES[next(PIECES.len())]).collect();
        for kind in [|| Kind::Typed, || Kind::Text, || Kind::Json, || Kind::Literal] {
            let first = run(json!({"a": {"b": [1]}}), &line, kind());
            assert_eq!(run(json!({"a": {"b": [1]}}), &line, kind()), first, "case {case}: {line:?}");
        }
    }
}
