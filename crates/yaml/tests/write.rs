//! Writing: tables of what sigs.k8s.io/yaml and Helm's `toYamlPretty` write, learnt by comparing with Go.

use masthead_yaml::{emit, json, limits::Limits};
use serde_json::{Value, json};

fn check(value: Value, expect: &str) {
    assert_eq!(emit::to_string(&value), expect, "{value}");
}

#[test]
fn collections() {
    check(
        json!({"b": [1, {"c": 2, "d": [3]}, [4, [5]], [], {}], "a": {"x": null}, "e": {}}),
        "a:\n  x: null\nb:\n- 1\n- c: 2\n  d:\n  - 3\n- - 4\n  - - 5\n- []\n- {}\ne: {}\n",
    );
    check(json!([]), "[]\n");
    check(json!({}), "{}\n");
    check(json!(null), "null\n");
    let value = json!({"b": [1, {"c": [2]}, [3]], "e": []});
    assert_eq!(emit::pretty(&value), "b:\n  - 1\n  - c:\n      - 2\n  - - 3\ne: []\n");
}

#[test]
fn strings() {
    let table = [
        ("", "\"\""),
        ("a", "a"),
        ("yes", "\"yes\""),
        ("n", "\"n\""),
        ("Off", "\"Off\""),
        ("true", "\"true\""),
        ("~", "\"~\""),
        ("null", "\"null\""),
        ("5", "\"5\""),
        ("0755", "\"0755\""),
        ("1e3", "\"1e3\""),
        ("1_0", "\"1_0\""),
        (".5", "\".5\""),
        (".inf", "\".inf\""),
        ("2001-01-01", "\"2001-01-01\""),
        ("2001-13-01", "2001-13-01"),
        ("2001-02-29", "2001-02-29"),
        ("2001-01-01 1:2:3", "\"2001-01-01 1:2:3\""),
        ("12:30", "\"12:30\""),
        ("12:61", "12:61"),
        ("1.2.3", "1.2.3"),
        ("<<", "<<"),
        ("=", "="),
        ("- a", "'- a'"),
        ("-a", "-a"),
        ("a: b", "'a: b'"),
        ("a:b", "a:b"),
        ("a:", "'a:'"),
        ("a #b", "'a #b'"),
        ("a#b", "a#b"),
        ("{a}", "'{a}'"),
        ("*a", "'*a'"),
        ("@a", "'@a'"),
        ("%a", "'%a'"),
        ("it's", "it's"),
        ("'a'", "'''a'''"),
        (" a", "' a'"),
        ("a ", "'a '"),
        ("a\tb", "\"a\\tb\""),
        ("\u{e9}", "\u{e9}"),
        ("\u{1F600}", "\"\\U0001F600\""),
        ("\u{1}", "\"\\x01\""),
        ("\u{a0}", "\u{a0}"),
        ("\u{feff}a", "\"\\uFEFF\\x61\""),
        ("---", "'---'"),
        ("---a", "'---a'"),
        ("a\\b", "a\\b"),
        ("?", "'?'"),
    ];
    for (text, expect) in table {
        check(json!({"k": text}), &format!("k: {expect}\n"));
    }
}

#[test]
fn lines() {
    check(json!({"k": "a\nb\n"}), "k: |\n  a\n  b\n");
    check(json!({"k": "a\nb"}), "k: |-\n  a\n  b\n");
    check(json!({"k": "a\n\n"}), "k: |+\n  a\n\n");
    check(json!({"k": "\n"}), "k: |2+\n\n");
    check(json!({"k": "  a\nb"}), "k: |2-\n    a\n  b\n");
    check(json!({"k": "a \nb"}), "k: \"a \\nb\"\n");
    check(json!({"k": "a\tb\n"}), "k: \"a\\tb\\n\"\n");
    check(json!(["a\nb"]), "- |-\n  a\n  b\n");
    check(json!({"a\nb": 1}), "? |-\n  a\n  b\n: 1\n");
    assert_eq!(emit::pretty(&json!({"k": "a\tb\n"})), "k: |\n  a\tb\n");
    let long = "word ".repeat(20);
    let long = long.trim_end();
    let folded = format!("k: {}\n  {}\n", ["word"; 16].join(" "), ["word"; 4].join(" "));
    check(json!({"k": long}), &folded);
    assert_eq!(emit::pretty(&json!({"k": long})), format!("k: {long}\n"));
}

#[test]
fn long_keys() {
    check(json!({"k".repeat(129): [1]}), &format!("? {}\n: - 1\n", "k".repeat(129)));
    check(json!({"k".repeat(128): [1]}), &format!("{}:\n- 1\n", "k".repeat(128)));
}

#[test]
fn numbers() {
    let table = [
        (json!(1), "1"),
        (json!(-7), "-7"),
        (json!(u64::MAX), "18446744073709551615"),
        (json!(1.0), "1"),
        (json!(1.5), "1.5"),
        (json!(1e6), "1000000"),
        (json!(1_234_567.5), "1.2345675e+06"),
        (json!(123_456.5), "123456.5"),
        (json!(1e-5), "1e-05"),
        (json!(0.0001), "0.0001"),
        (json!(1e20), "1e+20"),
        (json!(1e19), "10000000000000000000"),
        (json!(1e300), "1e+300"),
        (json!(-0.0), "0"),
        (json!(2.379_386_979_465_698e18), "2379386979465698000"),
        (json!(-1_160_052_118_330_361.2), "-1.1600521183303612e+15"),
    ];
    for (value, expect) in table {
        check(value, &format!("{expect}\n"));
    }
    assert_eq!(emit::pretty(&json!(1e6)), "1e+06\n");
    assert_eq!(emit::pretty(&json!(1_000_000)), "1000000\n");
}

#[test]
fn keys_are_in_gos_order() {
    let value =
        json!({"a10": 0, "a2": 0, "a": 0, "B": 0, "b": 0, "_x": 0, "1": 0, "a-b": 0, "a.b": 0, "ab": 0, "a02": 0});
    let text = emit::to_string(&value);
    let keys: Vec<_> = text.lines().map(|line| line.trim_end_matches(": 0").trim_matches('"')).collect();
    assert_eq!(keys, ["_x", "1", "B", "a", "a-b", "a.b", "a2", "a02", "a10", "ab", "b"]);
}

#[test]
fn json_is_strict() {
    let read = |text: &str| json::parse(text.as_bytes(), &Limits::default());
    assert_eq!(
        read(" {\"a\": [1, 1.0, 1e2, 12345678901234567890, -0], \"b\": \"\\ud83d\\ude00\\/\"} "),
        Ok(json!({"a": [1, 1.0, 1e2, 12345678901234567890u64, 0], "b": "\u{1F600}/"}))
    );
    let faults = [
        ("{\"a\":1,\"a\":2}", "yaml: line 1: key \"a\" already set in map"),
        ("{\"a\":1,}", "yaml: line 1: expected a key in double quotes"),
        ("[1,]", "yaml: line 1: expected a JSON value"),
        ("{a:1}", "yaml: line 1: expected a key in double quotes"),
        ("01", "yaml: line 1: malformed number"),
        ("[1\n 2]", "yaml: line 2: expected ',' or ']'"),
        ("1 2", "yaml: line 1: unexpected text after the JSON value"),
        ("", "yaml: line 1: expected a JSON value"),
        ("\"a\nb\"", "yaml: line 1: control character in a string"),
        ("1e999", "yaml: line 1: number out of range"),
        ("[1}", "yaml: line 1: expected ',' or ']'"),
    ];
    for (text, expect) in faults {
        assert_eq!(read(text).map_err(|fault| fault.to_string()), Err(expect.to_owned()), "{text:?}");
    }
}
