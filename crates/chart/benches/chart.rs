//! Charts of the corpus to figures: each phase of a render beside that of Helm's own packages; `chart template` as a process
//! beside `helm template`; the cost of tracing; a thousand releases; one changed value.
//!
//! `cargo bench -p masthead-chart --bench chart [-- FILTER [ROUNDS]]`, after `cargo build --release` for the
//! processes. Helm's figures need `go` and its module proxy; `HELM` may name a helm that is built. With a number of rounds
//! a chart is only rendered so often, and nothing is measured: for a profiler.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark reads files, clocks and starts go"
)]

use std::io::{BufRead, BufReader, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use masthead_chart::ahead::Pool;
use masthead_chart::chart::Chart;
use masthead_chart::disk::{self, Disk};
use masthead_chart::render::{Asks, Options, render, watched};
use masthead_chart::strvals::{Kind, parse_into};
use masthead_chart::tree::Table;
use masthead_chart::{decode, load};
use masthead_sprig::time::moment::Moment;

#[path = "../tests/support/here.rs"]
mod here;

use here::Here;

const CHARTS: usize = 10;
const ROUNDS: usize = 15;
const PAIRS: usize = 15;
const STARTS: usize = 21;
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

fn user(subject: &Subject, here: &mut Here) -> Table {
    let mut values = Table::new();
    for file in &subject.values {
        let text = here.read(&file.to_string_lossy()).expect("the file of values is there");
        values.merge(decode::table(&text).expect("the values are well-formed").unwrap_or_default());
    }
    values
}

fn loaded(subject: &Subject) -> (Arc<Chart>, Table) {
    let mut here = Here::new(&subject.folder);
    let values = user(subject, &mut here);
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

fn middle(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn timed(run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64() * 1e6
}

fn median(mut run: impl FnMut()) -> f64 {
    middle((0..ROUNDS).map(|_| timed(&mut run)).collect())
}

/// What is measured apart: reading a folder with the files of values, making a chart of its files, then each `Step`.
const PHASES: [&str; 7] = ["read", "load", "values", "schema", "parse", "execute", "sort"];

/// Microseconds of each phase, and of all.
type Times = [f64; PHASES.len() + 1];

fn once(subject: &Subject, threads: usize) -> Times {
    let start = Instant::now();
    Pool::with(threads, || {}, |pool| within(subject, pool, start))
}

fn within(subject: &Subject, pool: &Pool, start: Instant) -> Times {
    let mut at = vec![start];
    let mut here = Here::new(&subject.folder);
    let values = user(subject, &mut here);
    let files = disk::folder_with(&mut here, "", pool, &mut Vec::new()).expect("the folder is readable");
    at.push(Instant::now());
    let chart = Arc::new(load::files_with(files, pool, &mut Vec::new()).expect("the chart loads"));
    at.push(Instant::now());
    let mut done = |_| at.push(Instant::now());
    let rendered = watched(&chart, &values, &options(), Asks::default(), pool, &mut Vec::new(), &mut done);
    let end = Instant::now();
    drop(rendered.expect("the chart renders"));
    let mut times: Times = [0.0; PHASES.len() + 1];
    for (time, two) in times.iter_mut().zip(at.windows(2)) {
        *time = (two[1] - two[0]).as_secs_f64() * 1e6;
    }
    times[PHASES.len()] = (end - at[0]).as_secs_f64() * 1e6;
    times
}

/// The median of each, and the least for all.
fn ours(subject: &Subject, threads: usize) -> (Times, f64) {
    let all: Vec<Times> = (0..ROUNDS).map(|_| once(subject, threads)).collect();
    let least = all.iter().map(|times| times[PHASES.len()]).fold(f64::INFINITY, f64::min);
    (std::array::from_fn(|phase| middle(all.iter().map(|times| times[phase]).collect())), least)
}

/// Where Helm is built.
struct Module(tempfile::TempDir);

impl Module {
    fn new() -> Option<Module> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/helm");
        let folder = tempfile::tempdir().ok()?;
        for file in ["go.mod", "main.go"] {
            std::fs::copy(sources.join(file), folder.path().join(file)).ok()?;
        }
        Some(Module(folder))
    }

    /// The program of a package; none without go.
    fn build(&self, package: &str) -> Option<PathBuf> {
        let program = self.0.path().join(if package == "." { "helm_bench" } else { "helm" });
        let mut go = Command::new("go");
        go.args(["build", "-o"]).arg(&program).arg(package).current_dir(self.0.path()).env("GOFLAGS", "-mod=mod");
        go.status().ok()?.success().then_some(program)
    }
}

/// Helm's own packages in a process that answers one chart at a time.
struct Helm {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Helm {
    fn start(module: &Module) -> Option<Helm> {
        let mut program = Command::new(module.build(".")?);
        let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let answers = BufReader::new(child.stdout.take()?);
        Some(Helm { child, answers })
    }

    /// Load, values, schema, render, sort, all, and the least for all.
    fn times(&mut self, subject: &Subject) -> Option<[f64; 7]> {
        let files = subject.values.iter().map(|file| format!("\t{}", file.display()));
        let line = format!("{}{}\n", subject.folder.display(), files.collect::<String>());
        self.child.stdin.as_mut()?.write_all(line.as_bytes()).ok()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).ok()?;
        let times: Vec<f64> = answer.split_whitespace().filter_map(|time| time.parse().ok()).collect();
        times.try_into().ok()
    }
}

impl Drop for Helm {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn row(name: &str, cells: impl IntoIterator<Item = String>) {
    let cells: String = cells.into_iter().map(|cell| format!("{cell:>18}")).collect();
    println!("{name:24}{cells}");
}

/// Each cell is ours/helm's in microseconds, and how many times as long helm takes.
fn largest(subjects: &[Subject], module: Option<&Module>) {
    let mut helm = module.and_then(Helm::start);
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(2);
    println!("ours on {threads} threads (one works ahead), helm's with as many as Go's runtime takes");
    println!("microseconds: ours (read+load, parse+execute), helm's, and helm's by ours");
    row("chart", ["load", "values", "schema", "render", "sort", "sum", "best"].map(str::to_owned));
    let (mut ratios, mut best) = (Vec::new(), Vec::new());
    for subject in subjects {
        let (own, least) = ours(subject, threads);
        let theirs = helm.as_mut().and_then(|helm| helm.times(subject)).unwrap_or([f64::NAN; 7]);
        let [read, load, values, schema, parse, execute, sort, sum] = own;
        let both = [read + load, values, schema, parse + execute, sort, sum];
        let cell = |at: usize| format!("{:.0}/{:.0} {:.1}", both[at], theirs[at], theirs[at] / both[at]);
        row(&subject.name, (0..6).map(cell).chain([format!("{least:.0}/{:.0} {:.1}", theirs[6], theirs[6] / least)]));
        row("", [format!("{read:.0}+{load:.0}"), String::new(), String::new(), format!("{parse:.0}+{execute:.0}")]);
        ratios.push(theirs[5] / sum);
        best.push(theirs[6] / least);
    }
    println!("median: helm takes {:.1} times as long, {:.1} by the best round of each", middle(ratios), middle(best));
}

/// Milliseconds from the start of `template` to its end.
fn process(program: &Path, words: &[&str], subject: &Subject) -> f64 {
    let mut command = Command::new(program);
    command.args(words).args(["template", "bench"]).arg(&subject.folder).stdout(Stdio::null()).stderr(Stdio::null());
    for file in &subject.values {
        command.arg("-f").arg(file);
    }
    let mut is_good = false;
    let time = timed(|| is_good = command.status().is_ok_and(|status| status.success()));
    assert!(is_good, "{command:?} failed");
    time / 1e3
}

/// The command as a process, ours and Helm's in turn.
fn processes(subjects: &[Subject], module: Option<&Module>) {
    let own = std::env::current_exe().ok().and_then(|example| Some(example.parent()?.parent()?.join("masthead")));
    let Some(own) = own.filter(|program| program.exists()) else {
        println!("processes: skipped, masthead is not built beside this");
        return;
    };
    let helm = std::env::var_os("HELM").map(PathBuf::from);
    let helm = helm.or_else(|| module?.build("helm.sh/helm/v3/cmd/helm"));
    println!("chart template as a process: milliseconds, the median of {STARTS}: ours, helm's, and helm's by ours");
    let mut ratios = Vec::new();
    for subject in subjects {
        let ours = || process(&own, &["chart"], subject);
        let theirs = || helm.as_ref().map_or(f64::NAN, |helm| process(helm, &[], subject));
        // Once for the disk.
        ours();
        theirs();
        let (ours, theirs): (Vec<f64>, Vec<f64>) = (0..STARTS).map(|_| (ours(), theirs())).unzip();
        let (ours, theirs) = (middle(ours), middle(theirs));
        println!("{:24}{ours:9.2}{theirs:9.1}{:8.1}", subject.name, theirs / ours);
        ratios.push(theirs / ours);
    }
    println!("median: helm takes {:.1} times as long", middle(ratios));
}

/// What tracing costs: plain and traced renders in turn, so that what else the machine does falls on both.
fn tracing(subjects: &[Subject]) {
    println!("tracing: microseconds plain, traced, and traced with each manifest's origins asked for");
    let mut costs = Vec::new();
    for subject in subjects {
        let (chart, values) = loaded(subject);
        let traced = Options { trace: true, ..options() };
        let (mut plain, mut with, mut asked) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            plain.push(timed(|| {
                std::hint::black_box(draw(&chart, &values, &options()));
            }));
            with.push(timed(|| {
                std::hint::black_box(draw(&chart, &values, &traced));
            }));
            asked.push(timed(|| {
                let rendered = render(&chart, &values, &traced, Asks::default(), &mut Vec::new());
                let rendered = rendered.expect("the chart renders");
                let lines: usize = rendered.manifests.iter().map(|one| rendered.origins_of(one).len()).sum();
                std::hint::black_box(lines);
            }));
        }
        let cost = |other: &[f64]| middle(plain.iter().zip(other).map(|(a, b)| b / a).collect());
        let (traced, resolved) = (cost(&with), cost(&asked));
        costs.push(traced);
        println!(
            "{:24}{:9.0}{:9.0}{:9.0}   {:+.1} % {:+.1} %",
            subject.name,
            middle(plain.clone()),
            middle(with),
            middle(asked),
            (traced - 1.0) * 100.0,
            (resolved - 1.0) * 100.0
        );
    }
    println!("median: tracing costs {:+.1} %", (middle(costs) - 1.0) * 100.0);
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
    let (chart, values) = loaded(subject);
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
    println!("one changed value: {one:.0} us");
}

fn main() {
    let root = shared().join("corpus/helm");
    let filter = std::env::args().filter(|arg| arg != "--bench").nth(1).unwrap_or_default();
    let Ok(entries) = std::fs::read_dir(root.join("charts")) else {
        println!("skipped: no corpus at {}", root.display());
        return;
    };
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.retain(|folder| !folder.to_string_lossy().contains("/fn-"));
    folders.sort_by_key(|folder| std::cmp::Reverse(bytes(folder)));
    let subjects: Vec<Subject> = folders.into_iter().filter_map(|folder| subject(&root, folder)).collect();
    let (named, all): (Vec<_>, Vec<_>) = subjects.into_iter().partition(|one| one.name == "nginx");
    let rounds = std::env::args().filter(|arg| arg != "--bench").nth(2).and_then(|text| text.parse::<usize>().ok());
    if rounds.is_none() && (filter.is_empty() || filter == "fleet") {
        named.iter().for_each(fleet);
    }
    let mut chosen: Vec<Subject> =
        all.into_iter().chain(named).filter(|one| filter.is_empty() || one.name.contains(&filter)).collect();
    chosen.sort_by_key(|one| std::cmp::Reverse(bytes(&one.folder)));
    chosen.truncate(CHARTS);
    if let Some(rounds) = rounds {
        for subject in chosen.iter().cycle().take(rounds * chosen.len()) {
            once(subject, 1);
        }
        return;
    }
    if !chosen.is_empty() {
        let module = Module::new();
        largest(&chosen, module.as_ref());
        processes(&chosen, module.as_ref());
        tracing(&chosen);
    }
}
