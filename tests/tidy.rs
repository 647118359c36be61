//! The rules of the house that a machine can check: shape of files, arrows between crates, purity, leftovers.

mod circles;

use std::path::{Path, PathBuf};

/// Lines of a file, at most.
const FILE_LINES_MAX: usize = 700;
/// Lines of a function, at most.
const FUNCTION_LINES_MAX: usize = 100;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below the source folders with one of these endings, as (path from the root, content).
fn files(endings: &[&str]) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for folder in ["src", "agent", "crates", "tests", "examples", "repo-layout", "charts", "docs", "tools", ".ci"] {
        walk(&root().join(folder), endings, &mut out);
    }
    for name in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "Cargo.toml"] {
        if let Ok(text) = std::fs::read_to_string(root().join(name)) {
            out.push((name.to_owned(), text));
        }
    }
    out
}

fn walk(folder: &Path, endings: &[&str], out: &mut Vec<(String, String)>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            if !path.ends_with("target") {
                walk(&path, endings, out);
            }
        } else if endings.iter().any(|end| path.to_string_lossy().ends_with(end))
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            let name = path.strip_prefix(root()).unwrap_or(&path).to_string_lossy().into_owned();
            out.push((name, text));
        }
    }
}

fn rust() -> Vec<(String, String)> {
    files(&[".rs"]).into_iter().filter(|(path, _)| path.ends_with(".rs")).collect()
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/")
        || path.contains("/tests/")
        || path.ends_with("tests.rs")
        || path.contains("/examples/")
        || path.contains("/benches/")
        || path.contains("/sim/")
        || path.contains("conformance")
        || TEST_ONLY.contains(&path)
}

/// Files that are compiled for tests alone, by their module's `#[cfg(test)]`.
const TEST_ONLY: [&str; 2] = ["src/nodes/simulation.rs", "crates/store/src/etcd/server.rs"];

fn nothing(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn a_file_opens_with_one_sentence_and_is_no_longer_than_it_should_be() {
    let mut faults = Vec::new();
    for (path, text) in rust() {
        if !text.starts_with("//! ") {
            faults.push(format!("{path}: does not open with a `//!` sentence"));
        }
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            faults.push(format!("{path}: {lines} lines, at most {FILE_LINES_MAX}"));
        }
    }
    nothing(&faults);
}

#[test]
fn functions_are_short() {
    let mut faults = Vec::new();
    for (path, text) in rust() {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let words = line
                .trim_start()
                .trim_start_matches("pub ")
                .trim_start_matches("pub(crate) ")
                .trim_start_matches("pub(super) ");
            let words = words.trim_start_matches("const ").trim_start_matches("async ");
            if !words.starts_with("fn ") {
                continue;
            }
            let closing = format!("{}}}", " ".repeat(indent));
            let Some(len) = lines[at..].iter().position(|l| **l == closing) else { continue };
            // A signature without a body ends at its semicolon.
            let has_body = lines[at..=at + len].iter().take_while(|l| !l.ends_with(';')).any(|l| l.ends_with('{'));
            if has_body && len + 1 > FUNCTION_LINES_MAX {
                faults.push(format!("{path}:{}: a function of {} lines", at + 1, len + 1));
            }
        }
    }
    nothing(&faults);
}

#[test]
fn nothing_is_left_undone_and_no_panic_waits() {
    let words = ["TODO", "FIXME", "XXX", "todo!(", "unimplemented!(", "dbg!("];
    let mut faults = Vec::new();
    for (path, text) in rust().into_iter().filter(|(path, _)| path != "tests/tidy.rs") {
        for (at, line) in text.lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                faults.push(format!("{path}:{}: {word}", at + 1));
            }
        }
        if is_test(&path) {
            continue;
        }
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (at, line) in product.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if code.contains(".unwrap()") {
                faults.push(format!("{path}:{}: unwrap outside of tests", at + 1));
            }
        }
    }
    nothing(&faults);
}

#[test]
fn arrows_between_crates_go_one_way() {
    // Each crate, and what of ours it may know.
    let allowed: [(&str, &[&str]); 10] = [
        ("crates/api", &[]),
        ("crates/yaml", &[]),
        ("crates/gotmpl", &[]),
        ("crates/heap", &[]),
        ("crates/sprig", &["gotmpl", "yaml"]),
        ("crates/chart", &["gotmpl", "sprig", "yaml"]),
        ("crates/plan", &["api", "yaml"]),
        ("crates/store", &["api"]),
        ("crates/wire", &["api"]),
        ("agent", &["api", "wire"]),
    ];
    let mut faults = Vec::new();
    for (folder, may) in allowed {
        let Ok(manifest) = std::fs::read_to_string(root().join(folder).join("Cargo.toml")) else { continue };
        for line in manifest.lines().filter(|line| line.starts_with("masthead")) {
            let name = line.trim_start_matches("masthead-").split(['.', ' ', '=']).next().unwrap_or_default();
            if !may.contains(&name) {
                faults.push(format!("{folder} may not depend on {name:?}"));
            }
        }
    }
    nothing(&faults);
}

#[test]
fn what_decides_does_no_io() {
    for pure in ["crates/api", "crates/chart", "crates/gotmpl", "crates/plan", "crates/sprig", "crates/yaml"] {
        let text = std::fs::read_to_string(root().join(pure).join("src/lib.rs")).expect("a library");
        assert!(text.contains("#![deny(clippy::disallowed_methods"), "{pure} does not deny what does I/O");
    }
    let pure_names = ["plan.rs", "step.rs", "target.rs", "rules.rs", "convert.rs"];
    let effects = [
        "std::fs::",
        "fs::read",
        "fs::write",
        "std::net::Tcp",
        "process::Command",
        "Instant::now",
        "SystemTime::now",
        "tokio::spawn",
        "tokio::fs",
        ".await",
    ];
    let mut faults = Vec::new();
    for (path, text) in rust() {
        let name = path.rsplit('/').next().unwrap_or_default();
        // The command `plan` is an effect that bears the name of what it shows.
        let pure = (pure_names.contains(&name) && !path.starts_with("src/cli/")) || path.starts_with("src/source/");
        if !pure || is_test(&path) {
            continue;
        }
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (at, line) in product.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if let Some(effect) = effects.iter().find(|effect| code.contains(**effect)) {
                faults.push(format!("{path}:{}: {effect} in a file that decides", at + 1));
            }
        }
    }
    nothing(&faults);
}

#[test]
fn nothing_names_a_machine_or_a_registry() {
    let words = [concat!("/wo", "rk/"), concat!("crates", ".io"), concat!("/ro", "ot/.cargo"), concat!("docs", ".rs")];
    let mut faults = Vec::new();
    for (path, text) in files(&[".rs", ".md", ".toml", ".yaml", ".sh", "run", "protoc"]) {
        for (at, line) in text.lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                faults.push(format!("{path}:{}: names {word}", at + 1));
            }
        }
    }
    nothing(&faults);
}
