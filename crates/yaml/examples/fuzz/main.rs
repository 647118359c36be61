//! Random texts to the reader, random values to the writer and back, and values written in all styles to the reader.
//!
//! `cargo run --release -p masthead-yaml --example fuzz -- [TARGET] [--seconds N] [--seed S]`
use std::process::ExitCode;

use masthead_yaml::limits::{Duplicates, Limits};
use masthead_yaml::{emit, go_words, parse};
use serde_json::{Map, Value, json};

#[path = "../../../gotmpl/examples/fuzz/harness.rs"]
mod harness;
mod styles;

use harness::{Input, Random, Target};

const PIECES: &[&str] = &[
    "a",
    "key",
    "0",
    "1.5",
    "-3",
    "0x1F",
    "1_000",
    "true",
    "no",
    "null",
    "~",
    " ",
    "  ",
    "\n",
    "\n\n",
    "\t",
    "\r\n",
    ":",
    ": ",
    "-",
    "- ",
    "#",
    " #",
    "|",
    ">",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&a",
    "*a",
    "!t",
    "!!str",
    "'",
    "\"",
    "\\",
    "%",
    "@",
    "`",
    "é",
    "😀",
    "\u{85}",
    "\u{2028}",
    "\u{FEFF}",
    "---",
    "...",
    "<<",
    "=",
    "2001-01-01",
    "10:30",
    "a longer run of words that may be folded",
    "\u{0}",
    "\u{7f}",
    "?",
];

fn main() -> ExitCode {
    harness::run(&[
        Target { name: "reader", input: text, check: reader },
        Target { name: "writer", input: value, check: writer },
        Target { name: "styles", input: written, check: styles_read },
    ])
}

fn limits() -> Limits {
    Limits { duplicates: Duplicates::LastWins, ..Limits::default() }
}

fn pieces(random: &mut Random, most: usize) -> String {
    (0..random.below(most)).map(|_| *random.pick(PIECES)).collect()
}

/// Half of the texts are pieces, half are documents that somebody changed.
fn text(random: &mut Random) -> Input {
    let mut bytes = match random.one_in(2) {
        true => pieces(random, 40).into_bytes(),
        false => {
            let value = tree(random, 0);
            styles::write(random, &value).into_bytes()
        }
    };
    random.mutate(&mut bytes);
    Input::Bytes(vec![bytes])
}

/// A text is read, or refused with words; the first document is the same as among all of them.
fn reader(input: &Input) -> Result<(), String> {
    let bytes = input.bytes(0);
    let limits = limits();
    let first = parse::value(bytes, &limits);
    let floats = parse::value_keeping_floats(bytes, &limits);
    if first.is_ok() != floats.is_ok() {
        return Err(format!("{first:?}, but with floats kept {floats:?}"));
    }
    if let Err(errors) = &first
        && go_words::text(bytes, errors, &limits).is_empty()
    {
        return Err("a fault without words".to_owned());
    }
    let (documents, errors) = parse::documents(bytes, &limits);
    if let (Ok(value), true) = (&first, errors.is_empty())
        && !value.is_null()
        && documents.first().map(|document| &document.value) != Some(value)
    {
        return Err(format!("the first document is {value}, among all of them {documents:?}"));
    }
    for document in &documents {
        parse::positions(bytes, document, &limits);
    }
    Ok(())
}

fn tree(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth > 4 { 7 } else { 11 }) {
        0 => Value::Null,
        1 => json!(random.one_in(2)),
        2 => json!(random.next() as i64 >> random.below(64)),
        3 => json!(random.next()),
        4 => match random.below(3) {
            0 => json!(f64::from_bits(random.next())),
            _ => json!((random.next() as i64 >> random.below(63)) as f64 / 16.0),
        },
        5 | 6 => Value::String(pieces(random, 8)),
        7 | 8 => (0..random.below(5)).map(|_| tree(random, depth + 1)).collect(),
        _ => {
            let fields: Map<String, Value> =
                (0..random.below(6)).map(|_| (pieces(random, 4), tree(random, depth + 1))).collect();
            Value::Object(fields)
        }
    }
}

fn value(random: &mut Random) -> Input {
    Input::Json(Vec::new(), tree(random, 0))
}

/// Is there a key `<<`, which Go writes plain and reads as a merge?
fn merges(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(merges),
        Value::Object(fields) => fields.iter().any(|(key, value)| key == "<<" || merges(value)),
        _ => false,
    }
}

/// Is there a text of several lines that goyaml v3 writes in a form that does not read back?
fn is_lost(value: &Value) -> bool {
    let lost = |text: &str| text.contains('\n') && text.contains('\t');
    match value {
        Value::String(text) => lost(text),
        Value::Array(items) => items.iter().any(is_lost),
        Value::Object(fields) => fields.iter().any(|(key, value)| lost(key) || is_lost(value)),
        _ => false,
    }
}

/// A whole float reads back as an integer, as on the way through JSON text.
fn through_json(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => match masthead_yaml::number::whole(float) {
                Some(masthead_yaml::number::Number::Int(int)) => json!(int),
                Some(masthead_yaml::number::Number::Uint(uint)) => json!(uint),
                _ => value.clone(),
            },
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(through_json).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), through_json(value))).collect(),
        other => other.clone(),
    }
}

/// What is written reads back, and is written in the same way again.
fn writer(input: &Input) -> Result<(), String> {
    let value = input.json();
    let (text, pretty) = (emit::to_string(value), emit::pretty(value));
    if merges(value) {
        return Ok(());
    }
    let expect = through_json(value);
    let back = parse::value(text.as_bytes(), &limits());
    if back.as_ref() != Ok(&expect) {
        return Err(format!("{text:?} reads back as {back:?}"));
    }
    if emit::to_string(&expect) != text {
        return Err(format!("{text:?} is written another way the second time"));
    }
    let back = parse::value(pretty.as_bytes(), &limits());
    if !is_lost(value) && back.as_ref() != Ok(&expect) {
        return Err(format!("the pretty {pretty:?} reads back as {back:?}"));
    }
    Ok(())
}

/// A value, and the text that it is written as.
fn written(random: &mut Random) -> Input {
    let value = tree(random, 0);
    let text = styles::write(random, &value);
    Input::Json(text.into_bytes(), value)
}

fn styles_read(input: &Input) -> Result<(), String> {
    let back = parse::value(input.bytes(0), &limits());
    let expect = through_json(input.json());
    if back.as_ref() == Ok(&expect) { Ok(()) } else { Err(format!("it reads as {back:?}, not as {expect}")) }
}
