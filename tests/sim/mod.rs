//! The whole of Masthead in one thread on a simulated clock: 300 lives of a cluster, each determined by its seed.
//!
//! `MASTHEAD_SIM_SEEDS=n` runs more or fewer; `MASTHEAD_SIM_SEED=n` replays one and prints what happened.

mod agent;
mod check;
mod clock;
mod control;
mod git;
mod jobs;
mod runtime;
mod store;
mod trace;
mod worker;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use self::world::{Done, World};

const SEEDS: u64 = 300;
/// Lines of the trace that a failure prints.
const SHOWN: usize = 150;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn live(seed: u64) -> std::thread::Result<Done> {
    catch_unwind(AssertUnwindSafe(|| trace::listening(|| World::new(seed).live())))
}

/// Runs a seed once more and prints its last lines.
fn replay(seed: u64, shown: usize) -> std::thread::Result<Done> {
    trace::keep(true);
    let result = live(seed);
    let lines = trace::taken();
    trace::keep(false);
    for line in &lines[lines.len().saturating_sub(shown)..] {
        println!("{line}");
    }
    result
}

#[test]
fn promises_hold_whatever_happens() {
    if let Some(seed) = number("MASTHEAD_SIM_SEED") {
        let done = replay(seed, usize::MAX);
        assert!(done.is_ok(), "seed {seed} fails");
        println!("seed {seed}: {done:?}");
        return;
    }
    let seeds = number("MASTHEAD_SIM_SEEDS").unwrap_or(SEEDS);
    let mut all = Done::default();
    for seed in 0..seeds {
        match live(seed) {
            Ok(done) => {
                all.steps += done.steps;
                all.writes += done.writes;
                all.commits += done.commits;
            }
            Err(_) => {
                let _ = replay(seed, SHOWN);
                panic!("seed {seed} fails; MASTHEAD_SIM_SEED={seed} replays it");
            }
        }
    }
    println!("{seeds} seeds: {} steps, {} transactions, {} commits", all.steps, all.writes, all.commits);
    assert!(all.writes as u64 > seeds * 50, "too little happens for the test to mean something");
}

#[test]
fn a_seed_replays_exactly() {
    for seed in [1, 2, 3] {
        let lines = |seed| {
            trace::keep(true);
            let result = live(seed).ok();
            (result, trace::taken())
        };
        let (first, second) = (lines(seed), lines(seed));
        trace::keep(false);
        assert!(first == second, "seed {seed} runs differently the second time");
    }
}
