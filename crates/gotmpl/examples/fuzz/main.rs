//! Random sources, data and formats to the parser, the execution, the record of origins and `printf`.
//!
//! `cargo run --release -p masthead-gotmpl --example fuzz -- [TARGET] [--seconds N] [--seed S]`
use masthead_gotmpl::exec::execution::{Execution, Options};
use masthead_gotmpl::exec::limits::{Limits, MissingKey};
use masthead_gotmpl::fmt::print::{display, sprintf};
use masthead_gotmpl::parse::parser::parse;
use masthead_gotmpl::quote::unquote;
use masthead_gotmpl::set::Set;
use masthead_gotmpl::string::lossy;
use masthead_gotmpl::value::Value;
use serde_json::json;
use std::process::ExitCode;

mod harness;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/engine/support.rs"]
mod support;
mod template;

use harness::{Input, Random, Target};

fn main() -> ExitCode {
    harness::run(&[
        Target { name: "parser", input: mutated, check: parser },
        Target { name: "execution", input: whole, check: execution },
        Target { name: "printf", input: format, check: printf },
    ])
}

fn mutated(random: &mut Random) -> Input {
    let mut source = template::source(random);
    random.mutate(&mut source);
    Input::Bytes(vec![source])
}

fn whole(random: &mut Random) -> Input {
    Input::Bytes(vec![template::source(random)])
}

/// A source parses, or is refused with a line that it has; the same each time.
fn parser(input: &Input) -> Result<(), String> {
    let source = input.bytes(0);
    let lines = source.iter().filter(|byte| **byte == b'\n').count() + 1;
    let first = parse("t", source, &support::Functions);
    if let Err(error) = &first {
        let line = error.text.strip_prefix("template: t:").and_then(|rest| rest.split(':').next()?.parse().ok());
        if !line.is_some_and(|line: usize| (1..=lines).contains(&line)) {
            return Err(format!("a message without a line of the source: {}", error.text));
        }
    }
    let again = parse("t", source, &support::Functions);
    let names = |trees: &[_]| trees.iter().map(name_of).collect::<Vec<_>>();
    match (first, again) {
        (Ok(a), Ok(b)) if names(&a) == names(&b) => Ok(()),
        (Err(a), Err(b)) if a == b => Ok(()),
        _ => Err("the second reading differs from the first".to_owned()),
    }
}

fn name_of(tree: &std::sync::Arc<masthead_gotmpl::parse::tree::Tree>) -> String {
    tree.name.to_string()
}

fn data() -> Value {
    support::typed(&json!({
        "a": "text", "f": {"g": {"h": {"$int": 3}}}, "l": [1, "x\ny", null, {"a": 2}], "b": {"$bytes": "hi"},
        "s": {"$strs": ["p", "q"]}, "m": {"k": [], "z": {}, "t": "{{ .a }}"},
    }))
}

/// What a source renders to, where each of its lines comes from, and how many steps it took.
fn render(set: &Set, trace: bool) -> (Result<Vec<u8>, String>, Option<usize>, u64) {
    let limits = Limits {
        depth: 200,
        call_depth: 50,
        output_bytes: 1 << 20,
        made_bytes: 4 << 20,
        steps: 20_000,
        ..Limits::default()
    };
    let options = Options { missing_key: MissingKey::Zero, limits, trace, set_name: "gotpl" };
    let mut host = ();
    let mut execution = Execution::new(set, options, &mut host);
    let dot = data();
    if let Some(map) = dot.as_map() {
        map.set_path_id(1);
    }
    let done = execution.execute(b"t", dot.clone()).map_err(|failure| failure.text);
    let lines = done.as_ref().ok().and_then(|out| execution.trace().map(|trace| trace.lines(out).len()));
    let steps = execution.steps();
    drop(execution);
    masthead_gotmpl::map::dissolve(dot);
    (done, lines, steps)
}

/// Bounds hold, and tracing changes nothing but tells of each line.
fn execution(input: &Input) -> Result<(), String> {
    let mut set = Set::new(&support::Functions);
    if set.parse("t", input.bytes(0)).is_err() {
        return Ok(());
    }
    let (plain, _, steps) = render(&set, false);
    let (traced, lines, steps_traced) = render(&set, true);
    if plain != traced || steps != steps_traced {
        return Err(format!("traced it gives {traced:?} in {steps_traced} steps, else {plain:?} in {steps}"));
    }
    if let (Ok(out), Some(lines)) = (&plain, lines) {
        let count = out.split_inclusive(|byte| *byte == b'\n').count().max(1);
        if lines != count {
            return Err(format!("{lines} origins of {count} lines"));
        }
    }
    match plain {
        Err(text) if text.len() > 1 << 20 => Err(format!("a message of {} bytes", text.len())),
        _ => Ok(()),
    }
}

/// Formats of directives that are mostly right, and values of all types.
fn format(random: &mut Random) -> Input {
    const VERBS: &[&str] = &[
        "v", "d", "s", "q", "x", "X", "e", "E", "f", "F", "g", "G", "b", "o", "O", "U", "c", "t", "T", "w", "p", "z",
        "é", "%",
    ];
    const FLAGS: &[&str] = &["", "", "+", "-", "#", "0", " ", "-0", "+#"];
    const WIDTHS: &[&str] = &["", "", "7", "12", "*", "[1]*", "[3]*", "1000001"];
    const PRECISIONS: &[&str] = &["", "", ".", ".3", ".0", ".*", ".[2]*", ".400"];
    const INDEXES: &[&str] = &["", "", "", "[1]", "[2]", "[9]", "[x]", "["];
    let mut format = Vec::new();
    for _ in 0..1 + random.below(4) {
        format.extend_from_slice(random.pick(&["", "a", "é\n", "%%"]).as_bytes());
        format.push(b'%');
        for part in [FLAGS, WIDTHS, PRECISIONS, INDEXES, VERBS] {
            format.extend_from_slice(random.pick(part).as_bytes());
        }
    }
    if random.one_in(4) {
        random.mutate(&mut format);
    }
    let args: Vec<serde_json::Value> = (0..random.below(4)).map(|_| value(random, 0)).collect();
    Input::Json(format, args.into())
}

fn value(random: &mut Random, depth: usize) -> serde_json::Value {
    match random.below(if depth < 3 { 14 } else { 10 }) {
        0 => json!(null),
        1 => json!(random.one_in(2)),
        2 => json!({"$int": random.next() as i64 >> random.below(64)}),
        3 => json!({"$int8": random.next() as i8}),
        4 => json!({"$uint8": random.next() as u8}),
        5 => json!(f64::from_bits(random.next())),
        6 => json!((random.next() as i64 >> random.below(63)) as f64 / 8.0),
        7 => json!(random.pick(&["", "text", "t\u{e9}xt", "\u{0}\n\"`", "12", "a long text that is kept on the heap"])),
        8 => json!({"$bytes": random.pick(&["", "hi", "\u{e9}"])}),
        9 => random
            .pick(&[json!({"$nan": 0}), json!({"$inf": 0}), json!({"$num": "1e5"}), json!({"$nilmap": 0})])
            .clone(),
        10 => json!({"$strs": ["p", "q\n"]}),
        11 | 12 => (0..random.below(4)).map(|_| value(random, depth + 1)).collect(),
        _ => json!({"k": value(random, depth + 1), "a b": value(random, depth + 1)}),
    }
}

/// Texts are bounded, and what single directives write reads back.
fn printf(input: &Input) -> Result<(), String> {
    let args: Vec<Value> = input.json().as_array().into_iter().flatten().map(support::typed).collect();
    let print = |format: &[u8], args: &[Value]| {
        let mut out = Vec::new();
        sprintf(&mut out, format, args).map(|()| out)
    };
    if let Ok(out) = print(input.bytes(0), &args)
        && out.len() > 64 << 20
    {
        return Err(format!("a text of {} bytes", out.len()));
    }
    for arg in &args {
        let one = std::slice::from_ref(arg);
        let shown = print(b"%v", one)?;
        if display(arg)?.as_bytes() != shown.as_slice() {
            return Err("%v and print differ".to_owned());
        }
        match arg {
            Value::Float(float) if float.is_finite() => {
                let back = lossy(&shown).parse::<f64>().map(f64::to_bits);
                if back != Ok(float.to_bits()) {
                    return Err(format!("{} reads back as {back:?}", lossy(&shown)));
                }
            }
            Value::Str(text) if unquote(&print(b"%q", one)?).as_deref() != Some(text.as_bytes()) => {
                return Err("%q does not read back".to_owned());
            }
            Value::Int(_, int) if lossy(&print(b"%d", one)?).parse() != Ok(*int) => {
                return Err("%d does not read back".to_owned());
            }
            _ => {}
        }
    }
    Ok(())
}
