//! How long the random tests run.
#![expect(clippy::disallowed_methods, reason = "a long run of a test is bounded by time, which its caller chooses")]

/// Numbers of cases: a bounded count, or as many as fit into the seconds that `MASTHEAD_FUZZ_S` says.
pub(crate) fn cases(least: u64) -> impl Iterator<Item = u64> {
    let seconds: u64 = std::env::var("MASTHEAD_FUZZ_S").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let start = std::time::Instant::now();
    (0..).take_while(move |case| *case < least || start.elapsed().as_secs() < seconds)
}
