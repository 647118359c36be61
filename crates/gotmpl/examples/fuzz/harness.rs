//! Targets of fuzzing to cases by seed: runs them side by side, and tells the seed of a case that fails.
//!
//! A case follows from its seed alone. Cases are counted up from a first seed, so that two runs begin with the same ones.
use std::any::Any;
use std::cell::RefCell;
use std::io::{Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What this process may take at most, in MiB: a case that makes it grow beyond has failed.
const MEMORY_MAX_MIB: u64 = 768;
/// Time that a target gets before the next one of its thread has its turn.
const TURN: Duration = Duration::from_millis(100);
/// Targets that run at the same time.
const THREADS: usize = 2;
/// Stack of a thread: that of a process's first one.
const STACK_BYTES: usize = 8 << 20;

/// Numbers that follow from a seed.
pub struct Random(u64);

impl Random {
    /// The numbers of a case.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// splitmix64: the same numbers on every machine.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of a list's entries, which is not empty.
    pub fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }

    /// Changes a few bytes: other ones, one more, one less, a cut, a piece twice.
    pub fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.below(5) {
            let at = self.below(bytes.len() + 1);
            match self.below(5) {
                0 if at < bytes.len() => bytes[at] = self.next() as u8,
                1 => bytes.insert(at, self.next() as u8),
                2 if at < bytes.len() => drop(bytes.remove(at)),
                3 => bytes.truncate(at),
                _ => {
                    let end = (at + self.below(16)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    let to = self.below(bytes.len() + 1);
                    bytes.splice(to..to, piece);
                }
            }
        }
    }
}

/// Something that takes input of any kind.
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Makes a case's input of random numbers.
    pub input: fn(&mut Random) -> Input,
    /// Takes the input; an error, like a panic, is a fault.
    pub check: fn(&Input) -> Result<(), String>,
}

/// What a case is made of.
pub enum Input {
    /// Texts, each by itself.
    Bytes(Vec<Vec<u8>>),
    /// A text, and a value as JSON.
    Json(Vec<u8>, serde_json::Value),
}

impl Input {
    /// The text at an index.
    pub fn bytes(&self, at: usize) -> &[u8] {
        match self {
            Input::Bytes(all) => all.get(at).map_or(&[], |bytes| bytes),
            Input::Json(bytes, _) => bytes,
        }
    }

    /// The value.
    pub fn json(&self) -> &serde_json::Value {
        match self {
            Input::Bytes(_) => &serde_json::Value::Null,
            Input::Json(_, value) => value,
        }
    }

    fn show(&self) -> String {
        let text = |bytes: &[u8]| format!("b\"{}\"", bytes.escape_ascii());
        match self {
            Input::Bytes(all) => all.iter().map(|bytes| text(bytes)).collect::<Vec<_>>().join("\n"),
            Input::Json(bytes, value) => format!("{}\n{value}", text(bytes)),
        }
    }
}

/// What the command line asks for.
struct Asked {
    target: Option<String>,
    seconds: Option<u64>,
    seed: Option<u64>,
}

fn asked() -> Result<Asked, String> {
    let mut asked = Asked { target: None, seconds: None, seed: None };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|text| text.parse().ok()).ok_or(format!("{arg} wants a number"));
        match arg.as_str() {
            "--seconds" => asked.seconds = Some(number()?),
            "--seed" => asked.seed = Some(number()?),
            _ if arg.starts_with('-') || asked.target.is_some() => return Err(format!("what is {arg}?")),
            _ => asked.target = Some(arg),
        }
    }
    Ok(asked)
}

/// Runs what the command line asks for: `[TARGET] [--seconds N] [--seed S]`. With a seed and no time, that one case.
pub fn run(targets: &[Target]) -> ExitCode {
    let names = || targets.iter().map(|target| target.name).collect::<Vec<_>>().join(", ");
    let asked = match asked() {
        Ok(asked) => asked,
        Err(text) => {
            eprintln!("{text}\nusage: fuzz [TARGET] [--seconds N] [--seed S]; targets: {}", names());
            return ExitCode::from(2);
        }
    };
    let chosen: Vec<&Target> =
        targets.iter().filter(|target| asked.target.as_deref().is_none_or(|name| name == target.name)).collect();
    if chosen.is_empty() {
        eprintln!("there is no such target; there are {}", names());
        return ExitCode::from(2);
    }
    std::panic::set_hook(Box::new(|info| LAST_PANIC.with(|last| *last.borrow_mut() = info.to_string())));
    let first = asked.seed.unwrap_or(0);
    let time = match (asked.seconds, asked.seed) {
        (None, Some(_)) => None,
        (seconds, _) => Some(Duration::from_secs(seconds.unwrap_or(60))),
    };
    let threads = THREADS.min(chosen.len());
    let good = std::thread::scope(|scope| {
        let chosen = &chosen;
        let run = |thread: usize| move || turns(chosen.iter().skip(thread).step_by(threads), first, time);
        let started: Vec<_> = (0..threads)
            .map(|thread| std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, run(thread)))
            .collect();
        // All threads are waited for, whatever the first ones say.
        let ends: Vec<bool> =
            started.into_iter().map(|thread| thread.is_ok_and(|thread| thread.join().unwrap_or(false))).collect();
        ends.into_iter().all(|good| good)
    });
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

thread_local! {
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A target while it is run.
struct Running<'t> {
    target: &'t Target,
    seed: u64,
    cases: u64,
    /// Holds the seed of the case at hand, for faults that end the process.
    note: Option<(std::fs::File, PathBuf)>,
}

/// Gives each target its turn until the time is over or one fails; without a time each gets one case.
fn turns<'t>(targets: impl Iterator<Item = &'t &'t Target>, first: u64, time: Option<Duration>) -> bool {
    let mut all: Vec<Running<'_>> = targets.map(|target| Running::new(target, first)).collect();
    let start = Instant::now();
    loop {
        for running in &mut all {
            if !running.turn(time.is_none()) {
                return false;
            }
        }
        if time.is_none_or(|time| start.elapsed() >= time) {
            break;
        }
    }
    for running in all {
        println!("{}: {} cases, none failed", running.target.name, running.cases);
        running.forget();
    }
    true
}

impl Running<'_> {
    fn new(target: &Target, seed: u64) -> Running<'_> {
        let path = std::env::temp_dir().join(format!("fuzz-{}-{}", target.name, std::process::id()));
        let note = std::fs::File::create(&path).ok().map(|file| (file, path));
        if let Some((_, path)) = &note {
            println!("{}: the seed of the case at hand is in {}", target.name, path.display());
        }
        Running { target, seed, cases: 0, note }
    }

    /// Cases for the time of a turn, or a single one; false where one failed.
    fn turn(&mut self, single: bool) -> bool {
        let start = Instant::now();
        while !(single && self.cases > 0) && start.elapsed() < TURN {
            if let Some((file, _)) = &mut self.note {
                // A note that can't be written is no reason to stop.
                let _ = file.rewind().and_then(|()| writeln!(file, "{:020}", self.seed));
            }
            let input = (self.target.input)(&mut Random::new(self.seed));
            let fault = match catch_unwind(AssertUnwindSafe(|| (self.target.check)(&input))) {
                Ok(Ok(())) => memory_fault(),
                Ok(Err(fault)) => Some(fault),
                Err(panic) => Some(panic_text(&*panic)),
            };
            if let Some(fault) = fault {
                let (name, seed) = (self.target.name, self.seed);
                println!("{name}: {fault}\nthe input:\n{}\nagain with: fuzz {name} --seed {seed}", input.show());
                return false;
            }
            self.seed = self.seed.wrapping_add(1);
            self.cases += 1;
        }
        true
    }

    fn forget(self) {
        if let Some((_, path)) = self.note {
            // What is left behind is a file of twenty bytes.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let told = LAST_PANIC.with(|last| std::mem::take(&mut *last.borrow_mut()));
    let payload = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    if told.is_empty() { payload } else { told }
}

/// Says so if the process has become too large. Where its size can't be read, nothing is said.
fn memory_fault() -> Option<String> {
    const PAGE_BYTES: u64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    let mib = (pages * PAGE_BYTES) >> 20;
    (mib > MEMORY_MAX_MIB).then(|| format!("the process takes {mib} MiB, more than {MEMORY_MAX_MIB}"))
}
