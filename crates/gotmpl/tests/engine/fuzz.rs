//! Random sources and formats: the parser, the execution and `printf` end with a result, never with a panic.
//!
//! The same number of iterations from the same seed each time; `examples/fuzz` goes on for as long as one likes.
use crate::support;
use masthead_gotmpl::float;
use masthead_gotmpl::fmt::print::sprintf;
use masthead_gotmpl::function::NoFunctions;
use masthead_gotmpl::parse::parser::parse;
use masthead_gotmpl::quote::{quote, unquote};
use masthead_gotmpl::value::Value;
use serde_json::json;

/// xorshift64*: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 11) as usize % bound
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.below(from.len())]
    }
}

fn repeat(iterations: u64, mut one: impl FnMut(&mut Random, u64)) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    (0..iterations).for_each(|count| one(&mut random, count));
}

const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{{- ",
    " -}}",
    "{{/*",
    "*/}}",
    "(",
    ")",
    "|",
    ".",
    ".a",
    ".f.g.h",
    "$",
    "$x",
    "$x := ",
    "$x = ",
    ", ",
    " ",
    "\n",
    "if ",
    "else ",
    "else if ",
    "end",
    "range ",
    "with ",
    "define \"d\"",
    "template \"d\" ",
    "block \"b\" .",
    "break",
    "continue",
    "nil",
    "true",
    "1",
    "-1",
    "0x1F",
    "1.5e3",
    "9223372036854775807",
    "'a'",
    "\"s\"",
    "`raw`",
    "\"\\xff\"",
    "\"%d\"",
    "printf ",
    "index ",
    "slice ",
    "len ",
    "eq ",
    "lt ",
    "and ",
    "or ",
    "not ",
    "html ",
    "js ",
    "urlquery ",
    "call ",
    "print ",
    "list ",
    "dict ",
    "set ",
    "needint ",
    "needstr ",
    "include \"d\" ",
    "tpl ",
    "fail ",
    "\u{fffd}",
    "é",
    "\u{7f}",
    "\\",
    "\"",
    "'",
    "`",
    "{",
    "}",
    "=",
    ":=",
];

fn source(random: &mut Random) -> String {
    let length = 1 + random.below(30);
    let mut source = String::from("{{define \"d\"}}{{.}}{{end}}");
    (0..length).for_each(|_| source.push_str(random.pick(PIECES)));
    source
}

#[test]
fn sources() {
    let data = json!({
        "a": "text", "f": {"g": {"h": {"$int": 3}}}, "l": [1, "x", null], "b": {"$bytes": "hi"}, "s": {"$strs": ["p"]},
    });
    repeat(20_000, |random, _| {
        let templates = json!([["t", source(random)]]);
        let case = json!({"templates": templates, "execute": "t", "data": data, "missing": "zero"});
        support::run(&case);
    });
}

#[test]
fn bytes_to_the_parser() {
    repeat(20_000, |random, _| {
        let mut bytes = source(random).into_bytes();
        for _ in 0..random.below(6) {
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes[at] = random.next() as u8,
                1 => bytes.insert(at, random.next() as u8),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let _ = parse("t", &bytes, &NoFunctions).map(|trees| trees.len());
    });
}

#[test]
fn formats() {
    const FORMATS: &[&str] = &[
        "%",
        "%%",
        "+",
        "-",
        "#",
        "0",
        " ",
        "[1]",
        "[2]",
        "[",
        "]",
        "*",
        ".",
        "7",
        "12",
        "3",
        "v",
        "d",
        "s",
        "q",
        "x",
        "X",
        "e",
        "E",
        "f",
        "F",
        "g",
        "G",
        "b",
        "o",
        "O",
        "U",
        "c",
        "t",
        "T",
        "w",
        "z",
        "é",
        "\u{10ffff}",
        "text",
    ];
    let list = support::typed(&json!([1, "x", null, {"a": {"$int": -9}}]));
    let values = [
        Value::Nil,
        Value::Bool(true),
        Value::int(i64::MIN),
        Value::int(3),
        Value::Float(-0.0),
        Value::Float(f64::NAN),
        Value::Float(1e-300),
        Value::from("t\u{e9}xt"),
        Value::Bytes(vec![0, 255].into()),
        list,
    ];
    repeat(50_000, |random, _| {
        let format: String = (0..random.below(12)).map(|_| random.pick(FORMATS)).collect();
        let args: Vec<Value> = (0..random.below(4)).map(|_| values[random.below(values.len())].clone()).collect();
        let mut out = Vec::new();
        let _ = sprintf(&mut out, format.as_bytes(), &args);
        assert!(out.len() < 64 << 20, "{format}");
    });
}

#[test]
fn quoting_there_and_back() {
    repeat(20_000, |random, _| {
        let bytes: Vec<u8> = (0..random.below(20)).map(|_| (random.next() >> 20) as u8).collect();
        assert_eq!(unquote(quote(&bytes).as_bytes()), Some(bytes));
    });
}

#[test]
fn floats_read_back() {
    repeat(50_000, |random, _| {
        let value = f64::from_bits(random.next());
        if value.is_finite() {
            for verb in *b"efg" {
                let text = float::format(value, verb, None);
                assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(value.to_bits()), "{text}");
            }
        }
    });
}
