//! Charts of the corpus to figures: load, values, render and sort beside Helm's own packages; a thousand releases; one
//! changed value; the cost of tracing.
//!
//! `cargo run --release -p masthead-chart --example chart_bench [-- FILTER]`. Helm's figures need `go` and its module proxy.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark reads files, clocks and starts go"
)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use masthead_chart::chart::Chart;
use masthead_chart::decode;
use masthead_chart::disk::{self, Disk};
use masthead_chart::render::{Asks, Options, render};
use masthead_chart::strvals::{Kind, parse_into};
use masthead_chart::tree::Table;
use masthead_sprig::time::moment::Moment;

#[path = "../tests/support/here.rs"]
mod here;

use here::Here;

const CHARTS: usize = 10;
const ROUNDS: usize = 15;
const RELEASES: usize = 1000;

fn shared() -> PathBuf {
    match std::env::var_os("MASTHEAD_SHARED") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    }
}

/// A chart and files of values with which it renders.
struct Subject {
    name: String,
    folder: PathBuf,
    values: Vec<PathBuf>,
}

fn bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => bytes(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

/// A case of the corpus without flags that renders.
fn subject(root: &Path, folder: PathBuf) -> Option<Subject> {
    let name = folder.file_name()?.to_string_lossy().into_owned();
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(root.join("cases").join(&name)).ok()?.flatten().map(|e| e.path()).collect();
    cases.sort();
    cases.into_iter().find_map(|case| {
        let command: serde_json::Value = serde_json::from_slice(&std::fs::read(case.join("cmd.json")).ok()?).ok()?;
        let plain = command["expect"] == "ok" && command["flags"].as_array().is_some_and(Vec::is_empty);
        let files = command["values"].as_array()?.iter().filter_map(|file| file.as_str().map(|file| case.join(file)));
        plain.then(|| Subject { name: name.clone(), folder: folder.clone(), values: files.collect() })
    })
}

fn load(subject: &Subject) -> (Arc<Chart>, Table) {
    let mut here = Here { folder: subject.folder.clone() };
    let mut values = Table::new();
    for file in &subject.values {
        let text = here.read(&file.to_string_lossy()).expect("the file of values is there");
        values.merge(decode::table(&text).expect("the values are well-formed").unwrap_or_default());
    }
    let chart = disk::chart(&mut here, "", &mut Vec::new()).expect("the chart loads");
    (Arc::new(chart), values)
}

fn options() -> Options {
    Options::new("bench", "default", [7; 32], Moment::from_unix(1_790_000_000, 0))
}

fn draw(chart: &Arc<Chart>, values: &Table, options: &Options) -> usize {
    let rendered = render(chart, values, options, Asks::default(), &mut Vec::new()).expect("the chart renders");
    rendered.manifests.iter().map(|manifest| manifest.text.len()).sum()
}

fn median(mut run: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

/// Helm's times, by chart; none without go.
fn helm(subjects: &[Subject]) -> Option<Vec<f64>> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/helm_bench");
    let folder = tempfile::tempdir().ok()?;
    for file in ["go.mod", "main.go"] {
        std::fs::copy(sources.join(file), folder.path().join(file)).ok()?;
    }
    let go = |args: &[&str]| {
        let mut command = Command::new("go");
        command.args(args).current_dir(folder.path()).env("GOFLAGS", "-mod=mod");
        command
    };
    if !go(&["build", "-o", "helm_bench", "."]).status().ok()?.success() {
        return None;
    }
    let mut child =
        Command::new(folder.path().join("helm_bench")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let mut stdin = child.stdin.take()?;
    for subject in subjects {
        let files = subject.values.iter().map(|file| format!("\t{}", file.display()));
        writeln!(stdin, "{}{}", subject.folder.display(), files.collect::<String>()).ok()?;
    }
    drop(stdin);
    let output = child.wait_with_output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().map(|line| line.rsplit('\t').next().and_then(|time| time.parse().ok())).collect()
}

fn largest(subjects: &[Subject]) {
    let theirs = helm(subjects);
    println!("{:24} {:>9} {:>9} {:>9} {:>9} {:>7}", "chart", "load us", "rest us", "sum us", "helm us", "ratio");
    let mut ratios = Vec::new();
    for (at, subject) in subjects.iter().enumerate() {
        let loading = median(|| drop(load(subject)));
        let whole = median(|| {
            let (chart, values) = load(subject);
            draw(&chart, &values, &options());
        });
        let theirs = theirs.as_ref().and_then(|times| times.get(at)).copied().unwrap_or(f64::NAN);
        ratios.push(theirs / whole);
        println!(
            "{:24} {loading:9.0} {:9.0} {whole:9.0} {theirs:9.0} {:7.1}",
            subject.name,
            whole - loading,
            theirs / whole
        );
    }
    ratios.sort_by(f64::total_cmp);
    println!("median: helm takes {:.1} times as long", ratios[ratios.len() / 2]);
}

/// The most memory this process had, in MiB.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(f64::NAN);
    kib / 1024.0
}

fn fleet(subject: &Subject) {
    let start = Instant::now();
    let (chart, values) = load(subject);
    let next = AtomicUsize::new(0);
    let bytes = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= RELEASES {
                        return;
                    }
                    let mut values = values.clone();
                    parse_into(&format!("nameOverride=app-{at}"), &mut values, Kind::Typed).expect("it is well-formed");
                    let options = Options { release: format!("r{at}"), ..options() };
                    bytes.fetch_add(draw(&chart, &values, &options), Ordering::Relaxed);
                }
            });
        }
    });
    let time = start.elapsed().as_secs_f64();
    let size = bytes.load(Ordering::Relaxed) >> 20;
    println!(
        "{RELEASES} releases of {}: {time:.2} s on two threads, {size} MiB of manifests, {:.0} MiB at most",
        subject.name,
        peak()
    );
    let one = median(|| {
        let mut values = values.clone();
        parse_into("nameOverride=changed", &mut values, Kind::Typed).expect("it is well-formed");
        draw(&chart, &values, &options());
    });
    let traced = median(|| {
        draw(&chart, &values, &Options { trace: true, ..options() });
    });
    let plain = median(|| {
        draw(&chart, &values, &options());
    });
    println!("one changed value: {one:.0} us; tracing costs {:+.1} %", (traced / plain - 1.0) * 100.0);
}

fn main() {
    let root = shared().join("corpus/helm");
    let filter = std::env::args().nth(1).unwrap_or_default();
    let Ok(entries) = std::fs::read_dir(root.join("charts")) else {
        println!("skipped: no corpus at {}", root.display());
        return;
    };
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.retain(|folder| !folder.to_string_lossy().contains("/fn-"));
    folders.sort_by_key(|folder| std::cmp::Reverse(bytes(folder)));
    let subjects: Vec<Subject> = folders.into_iter().filter_map(|folder| subject(&root, folder)).collect();
    let (named, all): (Vec<_>, Vec<_>) = subjects.into_iter().partition(|one| one.name == "nginx");
    if filter.is_empty() || filter == "fleet" {
        named.iter().for_each(fleet);
    }
    let mut chosen: Vec<Subject> =
        all.into_iter().chain(named).filter(|one| filter.is_empty() || one.name.contains(&filter)).collect();
    chosen.sort_by_key(|one| std::cmp::Reverse(bytes(&one.folder)));
    chosen.truncate(CHARTS);
    if !chosen.is_empty() {
        largest(&chosen);
    }
}
