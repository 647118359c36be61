//! Rust files → which file imports which → the groups of files that import each other in a circle; there may be none.
//!
//! Read as text: `use` trees, and paths that begin with `crate`, `super`, `self` or a crate of ours, outside of comments,
//! strings and a file's tests.

use std::collections::{BTreeMap, BTreeSet};

use super::{is_test, nothing, rust};

/// A module's path from its crate's name on, and the file that holds it.
type Modules = BTreeMap<Vec<String>, String>;

/// Who imports whom, as file names.
type Arrows = BTreeMap<String, BTreeSet<String>>;

/// The types of the templates' one recursive value: lists, maps and objects hold values, a value is one of these, and kinds
/// have methods that take values. A circle among them is one of data; a circle with any other file is a fault.
const HOLD_EACH_OTHER: [&str; 7] = [
    "crates/gotmpl/src/complex.rs",
    "crates/gotmpl/src/function.rs",
    "crates/gotmpl/src/kind.rs",
    "crates/gotmpl/src/list.rs",
    "crates/gotmpl/src/map.rs",
    "crates/gotmpl/src/object.rs",
    "crates/gotmpl/src/value.rs",
];

#[test]
fn no_file_imports_who_imports_it() {
    let files: Vec<(String, String)> = rust().into_iter().filter(|(path, _)| !is_test(path)).collect();
    let modules: Modules = files.iter().filter_map(|(path, _)| Some((module_of(path)?, path.clone()))).collect();
    let mut arrows = Arrows::new();
    for (path, text) in &files {
        let Some(home) = module_of(path) else { continue };
        let seen = paths(&code_of(text)).into_iter().filter_map(|path| target(&modules, &home, path));
        arrows.entry(path.clone()).or_default().extend(seen.filter(|to| to != path && !to.ends_with("/lib.rs")));
    }
    let is_held = |files: &[String]| files.iter().all(|file| HOLD_EACH_OTHER.contains(&file.as_str()));
    let faults: Vec<String> = circles(&arrows)
        .iter()
        .filter(|files| !is_held(files))
        .map(|files| format!("a circle of {}", files.join(", ")))
        .collect();
    nothing(&faults);
}

#[test]
fn a_circle_is_seen() {
    let modules = Modules::from([
        (words("masthead a"), "src/a.rs".to_owned()),
        (words("masthead b"), "src/b.rs".to_owned()),
        (words("masthead b c"), "src/b/c.rs".to_owned()),
    ]);
    let check = |home: &str, text: &str, expect: &[&str]| {
        let found: Vec<String> =
            paths(&code_of(text)).into_iter().filter_map(|path| target(&modules, &words(home), path)).collect();
        assert_eq!(found, expect, "{text}");
    };
    check("masthead a", "use crate::{b::c::Thing, a::self};", &["src/b/c.rs", "src/a.rs"]);
    check("masthead b c", "use super::run; fn f() { crate::a::g() }", &["src/b.rs", "src/a.rs"]);
    check("masthead a", "// crate::b\nlet s = \"crate::b\";\n#[cfg(test)]\nmod tests { use crate::b; }", &[]);
    let arrow = |from: &str, to: &[&str]| (from.to_owned(), to.iter().map(ToString::to_string).collect());
    let arrows = Arrows::from([arrow("a", &["b"]), arrow("b", &["c"]), arrow("c", &["a", "d"]), arrow("d", &[])]);
    assert_eq!(circles(&arrows), [["a", "b", "c"]]);
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// `agent/src/link/mod.rs` → `masthead_agent::link`; none for what is no part of a library.
fn module_of(path: &str) -> Option<Vec<String>> {
    let (folder, inside) = path.strip_prefix("src/").map(|inside| ("", inside)).or_else(|| path.split_once("/src/"))?;
    let name = match folder.rsplit('/').next().unwrap_or_default() {
        "" => "masthead".to_owned(),
        folder => format!("masthead_{folder}"),
    };
    let inside = inside.strip_suffix(".rs")?;
    let inside = inside.strip_suffix("/mod").unwrap_or(inside);
    let parts = inside.split('/').filter(|part| !["lib", "main", "mod"].contains(part));
    Some(std::iter::once(name).chain(parts.map(str::to_owned)).collect())
}

/// The text without comments, strings and the file's own tests.
fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let (mut in_string, mut before) = (false, ' ');
        let mut rest = line.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '\\' if in_string => drop(rest.next()),
                '"' if before != '\'' => in_string = !in_string,
                '/' if !in_string && rest.peek() == Some(&'/') => break,
                c if !in_string => out.push(c),
                _ => {}
            }
            before = c;
        }
        out.push('\n');
    }
    out
}

/// All paths that a text names: each leaf of its `use` trees, and those in between.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut out = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find(|c: char| c.is_alphabetic() || c == '_') {
        rest = &rest[at..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word == "use" {
            let end = after.find(';').unwrap_or(after.len());
            leaves(&[], after[..end].trim(), &mut out);
            rest = &after[end..];
        } else {
            if word.contains("::") {
                out.push(word.split("::").map(str::to_owned).collect());
            }
            rest = after;
        }
    }
    out
}

fn leaves(prefix: &[String], tree: &str, out: &mut Vec<Vec<String>>) {
    let (own, inner) = match tree.split_once('{') {
        Some((own, inner)) => (own, Some(inner.trim_end().strip_suffix('}').unwrap_or(inner))),
        None => (tree.split(" as ").next().unwrap_or_default(), None),
    };
    let own = own.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned);
    let path: Vec<String> = prefix.iter().cloned().chain(own).collect();
    let Some(inner) = inner else { return out.push(path) };
    let (mut depth, mut from) = (0_usize, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                leaves(&path, inner[from..at].trim(), out);
                from = at + 1;
            }
            _ => {}
        }
    }
    if !inner[from..].trim().is_empty() {
        leaves(&path, inner[from..].trim(), out);
    }
}

/// The file that holds what a path names, seen from a module.
fn target(modules: &Modules, home: &[String], path: Vec<String>) -> Option<String> {
    let up = path.iter().take_while(|part| *part == "super").count();
    let (base, rest) = match path.first()?.as_str() {
        "crate" => (&home[..1], &path[1..]),
        "super" => (home.get(..home.len().checked_sub(up)?)?, &path[up..]),
        "self" => (home, &path[1..]),
        _ => (&home[..0], &path[..]),
    };
    let whole: Vec<String> = base.iter().chain(rest).cloned().collect();
    (1..=whole.len()).rev().find_map(|length| modules.get(&whole[..length]).cloned())
}

/// The groups of more than one file in which each reaches each (Tarjan's strongly connected components), sorted.
fn circles(arrows: &Arrows) -> Vec<Vec<String>> {
    let mut walk = Walk { arrows, index: BTreeMap::new(), low: BTreeMap::new(), open: Vec::new(), found: Vec::new() };
    for file in arrows.keys() {
        if !walk.index.contains_key(file.as_str()) {
            walk.visit(file);
        }
    }
    walk.found.sort();
    walk.found
}

struct Walk<'a> {
    arrows: &'a Arrows,
    index: BTreeMap<&'a str, usize>,
    low: BTreeMap<&'a str, usize>,
    open: Vec<&'a str>,
    found: Vec<Vec<String>>,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, file: &'a str) {
        let number = self.index.len();
        self.index.insert(file, number);
        self.low.insert(file, number);
        self.open.push(file);
        for to in self.arrows.get(file).into_iter().flatten() {
            match self.index.get(to.as_str()) {
                None => {
                    self.visit(to);
                    self.low.insert(file, self.low[file].min(self.low[to.as_str()]));
                }
                Some(known) if self.open.contains(&to.as_str()) => {
                    self.low.insert(file, self.low[file].min(*known));
                }
                Some(_) => {}
            }
        }
        if self.low[file] == number {
            let from = self.open.iter().position(|open| *open == file).unwrap_or(0);
            let mut circle: Vec<String> = self.open.split_off(from).into_iter().map(str::to_owned).collect();
            if circle.len() > 1 {
                circle.sort();
                self.found.push(circle);
            }
        }
    }
}
