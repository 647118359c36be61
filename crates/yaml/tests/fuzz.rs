//! Random values and texts: what is written reads back, and no text makes the reader fall over.
//!
//! The same bounded number of cases each time; `examples/fuzz` goes on for as long as one likes.

use masthead_yaml::limits::{Duplicates, Limits};
use masthead_yaml::{emit, go_words, parse};
use serde_json::{Value, json};

/// A small generator, so that a failing case can be made again from its seed.
struct Seed(u64);

const PIECES: [&str; 44] = [
    "a", "key", "0", "1.5", "-3", "true", "no", "null", "~", "", " ", "  ", "\n", "\n\n", "\t", ":", ": ", "-", "- ",
    "#", " #", "|", ">", "{", "}", "[", "]", ",", "&a", "*a", "!t", "'", "\"", "\\", "%", "@", "`", "é", "\u{85}",
    "\u{2028}", "\u{FEFF}", "---", "<<", "=",
];

impl Seed {
    fn next(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn text(&mut self, most: usize) -> String {
        (0..self.next(most)).map(|_| PIECES[self.next(PIECES.len())]).collect()
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.next(if depth > 4 { 6 } else { 9 }) {
            0 => Value::Null,
            1 => json!(self.next(2) == 0),
            2 => json!(self.next(1_000_000) as i64 - 500_000),
            3 => json!(self.next(1_000_000) as f64 + 0.25),
            4 | 5 => Value::String(self.text(8)),
            6 => (0..self.next(4)).map(|_| self.value(depth + 1)).collect(),
            _ => {
                let fields: serde_json::Map<String, Value> =
                    (0..self.next(5)).map(|_| (self.text(4), self.value(depth + 1))).collect();
                Value::Object(fields)
            }
        }
    }
}

fn limits() -> Limits {
    Limits { duplicates: Duplicates::LastWins, ..Limits::default() }
}

/// What Go's writer is known not to read back: a plain `<<` key merges, and `toYamlPretty` of lines that start with a tab.
fn is_known(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(is_known),
        Value::Object(fields) => fields.iter().any(|(key, value)| key == "<<" || is_known(value)),
        _ => false,
    }
}

#[test]
fn what_is_written_reads_back() {
    for case in 0..5_000 {
        let value = Seed(case).value(0);
        if is_known(&value) {
            continue;
        }
        let text = emit::to_string(&value);
        let back = parse::value(text.as_bytes(), &limits());
        assert_eq!(back.as_ref(), Ok(&value), "case {case}: {text:?}");
        assert_eq!(emit::to_string(&back.unwrap_or_default()), text, "case {case}");
    }
}

#[test]
fn no_text_makes_the_reader_fall_over() {
    for case in 0..20_000 {
        let text = Seed(case).text(40);
        for reading in
            [parse::value(text.as_bytes(), &limits()), parse::value_keeping_floats(text.as_bytes(), &limits())]
        {
            if let Err(errors) = reading {
                assert!(!go_words::text(text.as_bytes(), &errors, &limits()).is_empty(), "case {case}: {text:?}");
            }
        }
    }
}
