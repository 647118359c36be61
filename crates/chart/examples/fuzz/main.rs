//! Random input to all that reads what others wrote: no panic, bounded memory and time, and laws that hold.
//!
//! `cargo run --release -p masthead-chart --example fuzz -- [TARGET] [--seconds N] [--seed S] [--cases N]`. Without a
//! target each runs for the seconds given, 10 at first. A case follows from the target's name and its seed alone: a fault
//! prints the input and the line that makes it again, and the exit code is 1.
#![expect(clippy::disallowed_methods, reason = "how long it runs is bounded by the clock, and it reads its arguments")]

mod archives;
mod charts;
mod random;
mod schemas;
mod texts;
mod values;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use random::Random;

/// A target and what makes one case of it. What is tried is written down first, so that a panic leaves it behind.
type Target = (&'static str, fn(&mut Random, &mut String) -> Result<(), String>);

const TARGETS: [Target; 13] = [
    ("coalesce", values::coalesce),
    ("merge", values::merge),
    ("strvals", values::strvals),
    ("plain", texts::plain),
    ("heads", texts::heads),
    ("split", texts::split),
    ("ignore", texts::ignore),
    ("metadata", texts::metadata),
    ("flags", texts::flags),
    ("schema", schemas::schema),
    ("archive", archives::archive),
    ("chart", charts::chart),
    ("hooks", charts::hooks),
];

/// Memory that no case may need, in MiB.
const MEMORY_MAX_MIB: u64 = 1024;
/// No case may take longer: a hang is a fault.
const CASE_MAX: Duration = Duration::from_secs(20);

struct Options {
    target: Option<String>,
    seconds: u64,
    seed: Option<u64>,
    cases: u64,
}

fn options() -> Result<Options, String> {
    let mut options = Options { target: None, seconds: 10, seed: None, cases: u64::MAX };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|text| text.parse().ok()).ok_or(format!("{arg} takes a number"));
        match arg.as_str() {
            "--seconds" => options.seconds = number()?,
            "--seed" => options.seed = Some(number()?),
            "--cases" => options.cases = number()?,
            name if TARGETS.iter().any(|target| target.0 == name) => options.target = Some(arg),
            _ => {
                let names: Vec<&str> = TARGETS.iter().map(|target| target.0).collect();
                return Err(format!("unknown argument {arg}; targets are {}", names.join(", ")));
            }
        }
    }
    Ok(options)
}

/// What this process had of memory at most, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).map_or(0, |kib| kib / 1024)
}

/// Runs one case; the fault in words.
fn case(target: &Target, seed: u64) -> Result<(), String> {
    let mut tried = String::new();
    let started = Instant::now();
    let done = catch_unwind(AssertUnwindSafe(|| (target.1)(&mut Random::new(seed), &mut tried)));
    let fault = match done {
        Err(panic) => {
            let words = panic.downcast_ref::<String>().map(String::as_str);
            format!("panic: {}", words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words"))
        }
        Ok(Err(law)) => law,
        Ok(Ok(())) if started.elapsed() > CASE_MAX => format!("took {} s", started.elapsed().as_secs()),
        Ok(Ok(())) if peak_mib() > MEMORY_MAX_MIB => format!("memory rose to {} MiB", peak_mib()),
        Ok(Ok(())) => return Ok(()),
    };
    Err(format!("{fault}\ninput:\n{tried}\nagain: fuzz {} --seed {seed} --cases 1", target.0))
}

fn run(options: &Options) -> bool {
    let mut sound = true;
    for target in TARGETS.iter().filter(|target| options.target.as_deref().is_none_or(|name| name == target.0)) {
        let started = Instant::now();
        let mut count = 0;
        let first = options.seed.unwrap_or(1);
        while count < options.cases && started.elapsed() < Duration::from_secs(options.seconds) {
            if let Err(fault) = case(target, first.wrapping_add(count)) {
                println!("{}: {fault}", target.0);
                sound = false;
                break;
            }
            count += 1;
        }
        println!("{}: {count} cases in {} s, {} MiB", target.0, started.elapsed().as_secs(), peak_mib());
    }
    sound
}

fn main() -> ExitCode {
    match options() {
        Ok(options) if run(&options) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(words) => {
            println!("{words}");
            ExitCode::from(2)
        }
    }
}
