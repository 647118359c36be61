//! The corpus of charts: each case rendered in this process and compared with Helm's own answer, byte for byte.
//!
//! `MASTHEAD_CORPUS_FILTER` takes cases whose name contains it, `MASTHEAD_CORPUS_CLASS` one class,
//! `MASTHEAD_CORPUS_DIFF=1` shows differences, `MASTHEAD_SHARED` says where the corpus is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use masthead_chart::command::{Outcome, Surroundings, template};
use masthead_sprig::time::moment::Moment;
use serde_json::Value as Json;

use crate::here::Here;

/// Where shared data is.
fn shared() -> PathBuf {
    match std::env::var_os("MASTHEAD_SHARED") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    }
}

/// One case of the corpus.
struct Case {
    name: String,
    folder: PathBuf,
    class: String,
    is_error: bool,
    varying: Vec<usize>,
    args: Vec<String>,
}

fn case(root: &Path, folder: PathBuf) -> Case {
    let text = std::fs::read(folder.join("cmd.json")).expect("the case has a cmd.json");
    let command: Json = serde_json::from_slice(&text).expect("cmd.json is JSON");
    let text = |key: &str| command[key].as_str().map(str::to_owned);
    let list = |key: &str| command[key].as_array().cloned().unwrap_or_default();
    let mut args: Vec<String> = Vec::new();
    args.extend(text("release"));
    let chart = root.join(text("chart").expect("the case names its chart"));
    args.push(chart.to_string_lossy().into_owned());
    if let Some(namespace) = text("namespace") {
        args.extend(["--namespace".to_owned(), namespace]);
    }
    for file in list("values") {
        args.extend(["-f".to_owned(), file.as_str().unwrap_or_default().to_owned()]);
    }
    args.extend(list("flags").iter().filter_map(|flag| flag.as_str().map(str::to_owned)));
    Case {
        name: folder.strip_prefix(root.join("cases")).unwrap_or(&folder).to_string_lossy().into_owned(),
        class: text("class").unwrap_or_default(),
        is_error: text("expect").as_deref() == Some("error"),
        varying: list("varying_lines").iter().filter_map(|line| line.as_u64().map(|line| line as usize)).collect(),
        folder,
        args,
    }
}

fn cases(root: &Path) -> Vec<Case> {
    let filter = std::env::var("MASTHEAD_CORPUS_FILTER").unwrap_or_default();
    let class = std::env::var("MASTHEAD_CORPUS_CLASS").unwrap_or_default();
    let mut found = Vec::new();
    let mut folders = vec![root.join("cases")];
    while let Some(folder) = folders.pop() {
        if folder.join("cmd.json").is_file() {
            found.push(case(root, folder));
            continue;
        }
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        folders.extend(entries.map(|entry| entry.path()).filter(|path| path.is_dir()));
    }
    found.retain(|case| case.name.contains(&filter) && (class.is_empty() || case.class == class));
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn run(case: &Case) -> Outcome {
    let surroundings = Surroundings {
        name: "helm template".to_owned(),
        namespace: "default".to_owned(),
        entropy: [7; 32],
        now: Moment::from_unix(1_790_000_000, 0),
        limits: Default::default(),
        begin: || {},
    };
    template(&case.args, &mut Here::new(case.folder.clone()), &surroundings)
}

/// The text to be equal, and what came instead; `None` where they are equal.
fn difference(case: &Case) -> Option<(String, String)> {
    let outcome = run(case);
    let read = |name: &str| {
        let bytes = std::fs::read(case.folder.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    if case.is_error {
        let want = read("expected-error.txt");
        let got = if outcome.failed { outcome.stderr } else { "(succeeded)\n".to_owned() };
        let words = |text: &str| {
            let mut words: Vec<String> = text.replace(',', " ").split_whitespace().map(str::to_owned).collect();
            words.sort();
            words
        };
        // Helm lists violations of schemas in no fixed order.
        let same = if want.contains("of the schema(s)") { words(&want) == words(&got) } else { want == got };
        return (!same).then_some((want, got));
    }
    let want = read("expected.yaml");
    if outcome.failed {
        return Some((want, outcome.stderr));
    }
    let got = String::from_utf8_lossy(&outcome.stdout).into_owned();
    let lines = |text: &str| text.split('\n').count();
    let got = if lines(&want) == lines(&got) {
        let mut got: Vec<&str> = got.split('\n').collect();
        let want: Vec<&str> = want.split('\n').collect();
        case.varying.iter().for_each(|line| got[line - 1] = want[line - 1]);
        got.join("\n")
    } else {
        got
    };
    (want != got).then_some((want, got))
}

/// The first lines that differ, with a little of what is around them.
fn show(want: &str, got: &str) -> String {
    let (want, got): (Vec<&str>, Vec<&str>) = (want.lines().collect(), got.lines().collect());
    let same = want.iter().zip(&got).take_while(|(a, b)| a == b).count();
    let from = same.saturating_sub(2);
    let part = |lines: &[&str], sign: char| {
        lines.iter().skip(from).take(8).map(|line| format!("  {sign} {line}\n")).collect::<String>()
    };
    format!("  line {}:\n{}{}", same + 1, part(&want, '-'), part(&got, '+'))
}

#[test]
fn corpus() {
    let root = shared().join("corpus/helm");
    if !root.join("cases").is_dir() {
        println!("skipped: no corpus at {}", root.display());
        return;
    }
    let cases = cases(&root);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((case, difference(case)));
        }
        done
    };
    // Includes may nest a thousand deep, which takes more stack than a test's thread has.
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(4);
    let mut results: Vec<_> = std::thread::scope(|scope| {
        let spawn = |_| std::thread::Builder::new().stack_size(1 << 28).spawn_scoped(scope, work).expect("a thread");
        let handles: Vec<_> = (0..threads).map(spawn).collect();
        handles.into_iter().flat_map(|handle| handle.join().expect("no case panics")).collect()
    });
    results.sort_by(|a, b| a.0.name.cmp(&b.0.name));
    let diff = std::env::var_os("MASTHEAD_CORPUS_DIFF").is_some();
    let mut classes: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (case, difference) in &results {
        let counts = classes.entry(case.class.as_str()).or_default();
        counts.0 += 1;
        match difference {
            None => counts.1 += 1,
            Some((want, got)) => {
                println!("FAIL {}", case.name);
                if diff {
                    println!("{}", show(want, got));
                }
            }
        }
    }
    for (class, (all, strict)) in &classes {
        println!("{class:10} {strict:4} of {all:4} strict");
    }
    let failed = results.iter().filter(|(_, difference)| difference.is_some()).count();
    assert_eq!(failed, 0, "cases differ from Helm's answer");
}
