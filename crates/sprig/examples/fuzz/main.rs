//! Random versions, patterns, layouts and texts to what reads them, and values to texts and back.
//!
//! `cargo run --release -p masthead-sprig --example fuzz -- [TARGET] [--seconds N] [--seed S]`
use std::cmp::Ordering;
use std::process::ExitCode;

use masthead_gotmpl::exec::execution::{Execution, Options};
use masthead_gotmpl::map::Map;
use masthead_gotmpl::set::Set;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;
use masthead_sprig::host::Host;
use masthead_sprig::regex::program::Regex;
use masthead_sprig::semver::{constraint, version};
use masthead_sprig::table;
use masthead_sprig::time::moment::Moment;
use masthead_sprig::time::{duration, format, parse};

#[path = "../../../gotmpl/examples/fuzz/harness.rs"]
mod harness;

use harness::{Input, Random, Target};

fn main() -> ExitCode {
    harness::run(&[
        Target { name: "semver", input: versions, check: semver },
        Target { name: "regex", input: pattern, check: regex },
        Target { name: "dates", input: layout, check: dates },
        Target { name: "codecs", input: document, check: codecs },
    ])
}

fn pieces(random: &mut Random, from: &[&str], most: usize) -> Vec<u8> {
    (0..random.below(most)).flat_map(|_| random.pick(from).bytes().collect::<Vec<u8>>()).collect()
}

fn version_text(random: &mut Random) -> Vec<u8> {
    const NUMBERS: &[&str] = &["0", "1", "2", "10", "00", "99999999999999999999", "x", "*", ""];
    const TAILS: &[&str] =
        &["", "", "", "-alpha", "-alpha.1", "-rc.10", "-0", "-01", "+build", "-a-b+c.d", "-", "+", "-ä", ".4"];
    let mut out = Vec::new();
    out.extend_from_slice(random.pick(&["", "", "v", " "]).as_bytes());
    for at in 0..1 + random.below(4) {
        if at > 0 {
            out.push(b'.');
        }
        let count = if random.one_in(6) { NUMBERS.len() } else { 4 };
        out.extend_from_slice(random.pick(&NUMBERS[..count]).as_bytes());
    }
    out.extend_from_slice(random.pick(TAILS).as_bytes());
    out
}

fn versions(random: &mut Random) -> Input {
    const OPERATORS: &[&str] = &["", "=", "!=", ">", "<", ">=", "=>", "<=", "=<", "~", "~>", "^", "> ", "^ "];
    let texts: Vec<Vec<u8>> = (0..3).map(|_| version_text(random)).collect();
    let mut range = Vec::new();
    for at in 0..1 + random.below(4) {
        if at > 0 {
            range.extend_from_slice(random.pick(&[" ", ", ", ",", " || ", "||", " - ", "  "]).as_bytes());
        }
        range.extend_from_slice(random.pick(OPERATORS).as_bytes());
        range.extend(version_text(random));
    }
    if random.one_in(5) {
        random.mutate(&mut range);
    }
    Input::Bytes(texts.into_iter().chain([range]).collect())
}

/// Versions have an order, read back as they are shown, and simple ranges agree with the order.
fn semver(input: &Input) -> Result<(), String> {
    let read: Vec<_> = (0..3).filter_map(|at| version::parse(input.bytes(at)).ok()).collect();
    for one in &read {
        let again = version::parse(one.to_string().as_bytes()).map_err(|error| error.to_string())?;
        if again.compare(one) != Ordering::Equal {
            return Err(format!("{one} reads back as {again}"));
        }
    }
    for a in &read {
        for b in &read {
            if a.compare(b) != b.compare(a).reverse() {
                return Err(format!("{a} and {b} have no order"));
            }
            for c in &read {
                if a.compare(b).is_le() && b.compare(c).is_le() && a.compare(c).is_gt() {
                    return Err(format!("{a}, {b} and {c} have no order"));
                }
            }
            if a.prerelease.is_empty() && b.prerelease.is_empty() {
                let range = |operator: &str| constraint::parse(format!("{operator}{a}").as_bytes());
                for (operator, expect) in [(">", b.compare(a).is_gt()), ("<=", b.compare(a).is_le())] {
                    let range = range(operator).map_err(|error| error.to_string())?;
                    if range.check(b) != expect {
                        return Err(format!("is {b} {operator} {a}? The range and the order differ"));
                    }
                }
            }
        }
    }
    if let Ok(range) = constraint::parse(input.bytes(3)) {
        for version in &read {
            range.check(version);
        }
    }
    Ok(())
}

fn pattern(random: &mut Random) -> Input {
    const ATOMS: &[&str] = &[
        "a",
        "b",
        "1",
        ".",
        "é",
        "\\d",
        "\\W",
        "\\s",
        "\\b",
        "\\pL",
        "\\p{Greek}",
        "\\x{e9}",
        "\\Qa.b\\E",
        "[ab]",
        "[^a]",
        "[a-z]",
        "[[:alpha:]]",
        "[\\d-]",
        "^",
        "$",
        "\\A",
        "\\z",
        "(a)",
        "(?:b)",
        "(?P<n>a)",
        "(?i)",
        "(?s-m:a)",
        "a|b",
        "|",
        "\\1",
        "(",
        ")",
        "[",
        "\\",
    ];
    const REPEATS: &[&str] = &["", "", "", "*", "+", "?", "*?", "{2}", "{1,3}", "{,2}", "{1000}", "{1001}", "**"];
    let mut source = Vec::new();
    for _ in 0..random.below(6) {
        source.extend_from_slice(random.pick(ATOMS).as_bytes());
        source.extend_from_slice(random.pick(REPEATS).as_bytes());
    }
    let mut text = pieces(random, &["a", "b", "ab", "1", " ", "é", "-", "\n", "A"], 12);
    if random.one_in(5) {
        random.mutate(&mut source);
        random.mutate(&mut text);
    }
    let template = pieces(random, &["$1", "${n}", "$", "{", "}", "x", "$0"], 5);
    Input::Bytes(vec![source, text, template])
}

/// What is found, what is between and what is replaced fit together.
fn regex(input: &Input) -> Result<(), String> {
    let Ok(regex) = Regex::new(input.bytes(0)) else { return Ok(()) };
    let text = input.bytes(1);
    let found = regex.find_all(text, -1);
    if regex.is_match(text) == found.is_empty() {
        return Err(format!("it matches or not, and found is {found:?}"));
    }
    if !found.windows(2).all(|pair| pair[0].1 <= pair[1].0)
        || found.iter().any(|(start, end)| start > end || *end > text.len())
    {
        return Err(format!("matches out of order: {found:?}"));
    }
    let kept = regex.replace_all_literal(text, b"").len();
    let expect = text.len() - found.iter().map(|(start, end)| end - start).sum::<usize>();
    if kept != expect {
        return Err(format!("{kept} bytes are left of {expect}"));
    }
    if regex.replace_all(text, b"$0") != text {
        return Err("replaced by itself it differs".to_owned());
    }
    regex.replace_all(text, input.bytes(2));
    for limit in -1..4 {
        regex.split(text, limit);
    }
    Ok(())
}

fn layout(random: &mut Random) -> Input {
    const ELEMENTS: &[&str] = &[
        "2006", "06", "01", "1", "Jan", "January", "02", "2", "_2", "__2", "002", "15", "3", "03", "04", "4", "05",
        "5", "PM", "pm", "MST", "-0700", "-07:00", "Z07:00", "Z070000", ".000", ",999", ".9", "Mon", "Monday", "-",
        "T", " ", ":", "x",
    ];
    const DIGITS: &[&str] =
        &["0", "1", "2", "9", "31", "2024", "-", "T", " ", ":", "Z", "+", ".", "PM", "Jan", "UTC", "CET", "GMT+3"];
    let (mut layout, text) = (pieces(random, ELEMENTS, 8), pieces(random, DIGITS, 10));
    if random.one_in(6) {
        random.mutate(&mut layout);
    }
    let length = pieces(random, &["1", "9223372036854775807", ".", "h", "m", "s", "ms", "-", "µs"], 8);
    Input::Bytes(vec![layout, text, length, random.next().to_be_bytes().to_vec()])
}

fn dates(input: &Input) -> Result<(), String> {
    let number = input.bytes(3).iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    drop(parse::parse(input.bytes(0), input.bytes(1)));
    let moment = Moment::from_unix(number.cast_signed() >> (number % 60), (number % 1_000_000_000) as u32);
    format::format(&moment, input.bytes(0));
    let length = number.cast_signed() >> (number % 63);
    if duration::parse(duration::format(length).as_bytes()) != Ok(length) {
        return Err(format!("a duration of {length} does not read back"));
    }
    drop(duration::parse(input.bytes(2)));
    let near = Moment::from_unix((number % 250_000_000_000).cast_signed(), (number % 1_000_000_000) as u32);
    let layout = b"2006-01-02T15:04:05.999999999Z07:00";
    let text = format::format(&near, layout);
    match parse::parse(layout, &text) {
        Ok(again) if (again.seconds, again.nanoseconds) == (near.seconds, near.nanoseconds) => Ok(()),
        other => {
            Err(format!("{} reads back as {:?}", String::from_utf8_lossy(&text), other.map(|again| again.seconds).ok()))
        }
    }
}

fn tree(random: &mut Random, depth: usize) -> serde_json::Value {
    const TEXTS: &[&str] = &[
        "",
        "a",
        "yes",
        "1",
        "1.5",
        "a b",
        " a",
        "a\nb\n",
        "\ta",
        "#",
        "é😀",
        "\"",
        "'",
        "\\",
        "<&>",
        "\u{2028}",
        "2001-01-01",
        "x: y",
        "- a",
        "~",
        "{",
        "a key that is longer than what fits into a string on its own",
    ];
    match random.below(if depth > 3 { 6 } else { 9 }) {
        0 => serde_json::Value::Null,
        1 => random.one_in(2).into(),
        2 | 3 => ((random.next() as i64 >> random.below(64)) as f64 / 8.0).into(),
        4 | 5 => (*random.pick(TEXTS)).into(),
        6 => (0..random.below(4)).map(|_| tree(random, depth + 1)).collect(),
        _ => {
            let key = |random: &mut Random| (*random.pick(TEXTS)).to_owned();
            let fields: serde_json::Map<String, serde_json::Value> =
                (0..random.below(4)).map(|_| (key(random), tree(random, depth + 1))).collect();
            fields.into()
        }
    }
}

fn document(random: &mut Random) -> Input {
    const PARTS: &[&str] = &[
        "a",
        "B",
        "1",
        "_",
        "-",
        " ",
        ".",
        "=",
        "\"",
        "'",
        "[",
        "]",
        "{",
        "}",
        ",",
        "\n",
        "\r\n",
        "#",
        "\\",
        "true",
        "inf",
        "1e5",
        "0x1F",
        "2024-01-02",
        "12:30:00",
        "null",
        ":",
        "\"\"\"",
        "[[",
        "]]",
        "é",
        "://",
        "%41",
        "@",
        "?",
        "\\u00e9",
        "Zm9v",
        "[::1]",
    ];
    let mut text = pieces(random, PARTS, 16);
    random.mutate(&mut text);
    Input::Json(text, serde_json::json!({ "v": tree(random, 0) }))
}

fn render(source: &str, text: &[u8], value: &serde_json::Value) -> Result<Vec<u8>, String> {
    let mut set = Set::new(table::functions());
    set.parse("x", source.as_bytes()).map_err(|error| error.text)?;
    let mut host = Host::new([1; 32], "r", Moment::from_unix(0, 0));
    let value = masthead_gotmpl::json::from_json(value, masthead_gotmpl::json::Numbers::Float);
    let dot: Map = [(Str::from("t"), Value::str(text.to_vec())), (Str::from("v"), value)].into_iter().collect();
    let mut execution = Execution::new(&set, Options::default(), &mut host);
    execution.execute(b"x", Value::Map(dot)).map_err(|failure| failure.text)
}

/// No text makes a reader fail but in words, and JSON and YAML read back what they wrote.
fn codecs(input: &Input) -> Result<(), String> {
    const READERS: &str = "{{ fromToml .t }}{{ fromJson .t }}{{ fromJsonArray .t }}{{ fromYaml .t }}{{ fromYamlArray .t }}\
        {{ b64dec .t }}{{ b32dec .t }}{{ snakecase .t }}{{ camelcase .t }}{{ title .t }}{{ abbrevboth 5 9 .t }}{{ wrap 4 .t }}\
        {{ toDecimal .t }}{{ int .t }}{{ float64 .t }}{{ quote .t }}{{ clean .t }}{{ .t | indent 3 | trim | trunc 9 }}";
    render(READERS, input.bytes(0), input.json())?;
    drop(render("{{ urlJoin (urlParse .t) }}", input.bytes(0), input.json()));
    let value = &input.json();
    let shown = |source: &str| render(source, b"", value);
    let json = shown("{{ toJson .v }}")?;
    // `toYaml` takes the last line break away, which may belong to a text.
    for back in ["{{ toJson .v | fromJson | toJson }}", "{{ printf \"%s\\n\" (toYaml .v) | fromYaml | toJson }}"] {
        let object = value["v"].is_object();
        let again = shown(back)?;
        if object && again != json && !has_merge(&value["v"]) {
            return Err(format!("{back} gives {}", String::from_utf8_lossy(&again)));
        }
    }
    Ok(())
}

/// Does a key read as something other than itself in YAML that is not quoted?
fn has_merge(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Array(items) => items.iter().any(has_merge),
        serde_json::Value::Object(fields) => fields.iter().any(|(key, value)| key == "<<" || has_merge(value)),
        _ => false,
    }
}
