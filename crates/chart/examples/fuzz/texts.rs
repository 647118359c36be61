//! Texts: values and manifests in YAML, rendered files, `.helmignore`, Chart.yaml, arguments.

use std::fmt::Write;

use masthead_chart::flags::{self, Takes, flag, short};
use masthead_chart::glob;
use masthead_chart::ignore::Rules;
use masthead_chart::lock::Lock;
use masthead_chart::manifests;
use masthead_chart::metadata::Metadata;
use masthead_chart::tree::{Table, table_from_json};
use masthead_chart::{decode, head_fast};
use serde_json::Value as Json;

use crate::random::Random;

/// Text with all that values and manifests are written with.
pub const SAMPLE: &str = include_str!("sample.yaml");

pub const PIECES: [&str; 62] = [
    "",
    " ",
    "  ",
    "- ",
    "x",
    ": ",
    "\"",
    "'",
    "{",
    "}",
    "[",
    "]",
    "#",
    " #",
    "|",
    ">-",
    "|+",
    "|2",
    "&a ",
    "*a",
    "!t ",
    "!!str ",
    "? ",
    "~",
    "null",
    ".inf",
    "-.nan",
    "\t",
    "---",
    "...",
    "%",
    "@",
    "-",
    ":",
    "<<: ",
    "1",
    "0x1F",
    "1e3",
    "é",
    "\u{85}",
    "\u{2028}",
    "\u{FEFF}",
    "\u{1F600}",
    "\u{A0}",
    "\\",
    "\\n",
    "\\ ",
    ",",
    "::",
    "yes",
    "a: b",
    "- - x",
    "\r",
    "\u{7f}",
    "''",
    "\"\"",
    "{}",
    "[]",
    "[a, 'b', \"c\"]",
    "{a: b}",
    "0",
    "_",
];

/// What the full reader makes of values.
fn full(text: &str) -> Result<Table, String> {
    match decode::yaml(text.as_bytes())? {
        Json::Null => Ok(Table::new()),
        Json::Object(fields) => Ok(table_from_json(fields)),
        _ => Err("no mapping".to_owned()),
    }
}

/// Values are what the full reader makes of them, however they were read.
pub fn plain(random: &mut Random, tried: &mut String) -> Result<(), String> {
    *tried = random.mutate(SAMPLE, &PIECES);
    let got = decode::table(tried.as_bytes()).map(Option::unwrap_or_default);
    let full = full(tried);
    match (&got, &full) {
        (Ok(got), Ok(full)) if got == full => Ok(()),
        (Err(_), Err(_)) => Ok(()),
        _ => Err(format!("{got:?}\nand in full {full:?}")),
    }
}

/// A manifest's head is the same with a line in front that only the full reader takes.
pub fn heads(random: &mut Random, tried: &mut String) -> Result<(), String> {
    *tried = random.mutate(SAMPLE, &PIECES);
    let got = head_fast::read(tried);
    let full = head_fast::read(&format!("%YAML 1.1\n---\n{tried}"));
    match (&got, &full) {
        (Ok(got), Ok(full)) if got == full => Ok(()),
        (Err(_), Err(_)) => Ok(()),
        // A second document or directive is another matter.
        _ if tried.contains("---") || tried.contains('%') || tried.contains("...") || tried.contains('\u{FEFF}') => {
            Ok(())
        }
        _ => Err(format!("{got:?}\nand in full {full:?}")),
    }
}

/// Parts are where they say, in order, trimmed, and nothing but dashes and space is left out.
pub fn split(random: &mut Random, tried: &mut String) -> Result<(), String> {
    *tried = random
        .text(&["---", "-", "\n", "\n---", "\n---\n", "a", " ", "\t", "\r\n", "é", "a: b\n", "\u{85}", "\u{C}"], 24);
    let parts = manifests::split(tried);
    let mut end = 0;
    for (at, part) in &parts {
        if *at < end || tried.get(*at..at + part.len()) != Some(part) {
            return Err(format!("{part:?} is not at {at}"));
        }
        let between = &tried[end..*at];
        if !between.chars().all(|c| c == '-' || c.is_whitespace()) {
            return Err(format!("{between:?} is left out"));
        }
        end = at + part.len();
    }
    if !tried[end..].chars().all(|c| c == '-' || c.is_whitespace()) {
        return Err(format!("{:?} is left out", &tried[end..]));
    }
    Ok(())
}

/// Patterns: a name matches itself, and a rule for a name leaves that name out.
pub fn ignore(random: &mut Random, tried: &mut String) -> Result<(), String> {
    const PARTS: [&str; 24] = [
        "a", "b", "*", "?", "[", "]", "[a-c]", "[^a]", "-", "^", "\\", "/", "**", "!", "#", " ", ".", "é", "\n", "a/b",
        "*.txt", "/x", "x/", "\u{0}",
    ];
    let rules = random.text(&PARTS, 14);
    let name = random.text(&["a", "b", ".", "/", "x", "é", "*", "[", "txt"], 8);
    let _ = write!(tried, "{rules:?} {name:?}");
    if let Ok(parsed) = Rules::parse(rules.as_bytes()) {
        let _ = (parsed.ignores(&name, true), parsed.ignores(&name, false));
    }
    let _ = glob::matches(&rules, &name);
    let plain: String = name.chars().filter(|c| c.is_alphanumeric() || matches!(c, '.' | '/')).collect();
    if glob::matches(&plain, &plain) != Ok(true) {
        return Err("a name does not match itself".to_owned());
    }
    let last = plain.rsplit('/').next().unwrap_or_default();
    let parsed = Rules::parse(last.as_bytes()).map_err(|error| format!("{last}: {error}"))?;
    if !last.is_empty() && !matches!(plain.as_str(), "." | "./") && !parsed.ignores(&plain, false) {
        return Err("a name is not left out by its own rule".to_owned());
    }
    Ok(())
}

/// Chart.yaml and Chart.lock: what is valid stays so when it is written and read again.
pub fn metadata(random: &mut Random, tried: &mut String) -> Result<(), String> {
    const CHART: &str = "apiVersion: v2\nname: t\nversion: 1.2.3-x+y\nappVersion: \"1\"\ndescription: d\ntype: application\nkubeVersion: \">=1.2 || 3\"\nkeywords: [a]\nsources:\n- s\nmaintainers:\n- {name: n, email: e}\nannotations: {a: b}\ndependencies:\n- name: c\n  version: ~1.2\n  repository: https://x.y\n  condition: c.enabled,x\n  tags: [a]\n  alias: d\n  import-values:\n  - a\n  - {child: b, parent: c}\ndeprecated: true\n";
    *tried = random.mutate(CHART, &PIECES);
    let _ = Lock::read(tried.as_bytes());
    let mut read = Metadata::default();
    if read.read(tried.as_bytes()).is_err() || read.validate().is_err() {
        return Ok(());
    }
    let written = read.to_json().to_string();
    let mut again = Metadata::default();
    again.read(written.as_bytes()).map_err(|error| format!("{written}: {error}"))?;
    again.validate().map_err(|error| format!("{written}: {error}"))?;
    match again.to_json() == read.to_json() {
        true => Ok(()),
        false => Err(format!("{written} is read as {}", again.to_json())),
    }
}

/// Arguments.
pub fn flags(random: &mut Random, tried: &mut String) -> Result<(), String> {
    let known = [
        short("namespace", 'n', Takes::Text),
        flag("debug", Takes::Bool),
        flag("set", Takes::Each),
        short("values", 'f', Takes::List),
        flag("limit", Takes::Int),
        flag("timeout", Takes::Duration),
        flag("dry-run", Takes::Optional("client")),
    ];
    const WORDS: [&str; 20] = [
        "--namespace",
        "-n",
        "-nx",
        "--debug",
        "--debug=x",
        "--set",
        "a=b",
        "-f",
        "\"a,b\",c",
        "\"",
        "--",
        "-",
        "--limit",
        "1",
        "--timeout=5m3s",
        "1h-1",
        "--dry-run",
        "-fé",
        "é",
        "--=",
    ];
    let args: Vec<String> = (0..random.below(7)).map(|_| random.pick(&WORDS).to_owned()).collect();
    let _ = write!(tried, "{args:?}");
    if let Ok(given) = flags::parse(&[&known], &args) {
        let _ = (given.all("values"), given.text("namespace"), given.is_on("debug"));
    }
    Ok(())
}
