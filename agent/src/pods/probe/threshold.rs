//! One outcome after the other → the verdict that changes once enough of them agree.

/// Counts outcomes against a probe's thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    successes: u32,
    failures: u32,
    verdict: bool,
    last: Option<bool>,
    run: u32,
}

impl Threshold {
    /// Begins with a verdict, before anything was asked. Thresholds below 1 count as 1.
    pub fn new(verdict: bool, successes: i32, failures: i32) -> Self {
        let at_least_one = |count: i32| u32::try_from(count).unwrap_or(1).max(1);
        Self { successes: at_least_one(successes), failures: at_least_one(failures), verdict, last: None, run: 0 }
    }

    /// Takes an outcome; gives the verdict when it is reached anew or again.
    pub fn take(&mut self, ok: bool) -> Option<bool> {
        self.run = if self.last == Some(ok) { self.run.saturating_add(1) } else { 1 };
        self.last = Some(ok);
        let needed = if ok { self.successes } else { self.failures };
        if self.run < needed {
            return None;
        }
        self.verdict = ok;
        Some(ok)
    }

    /// The verdict so far.
    pub fn verdict(&self) -> bool {
        self.verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let check = |successes: i32, failures: i32, outcomes: &str, expect: &str| {
            let mut threshold = Threshold::new(false, successes, failures);
            let letter = |verdict: Option<bool>| match verdict {
                Some(true) => 'Y',
                Some(false) => 'N',
                None => '.',
            };
            let got: String = outcomes.chars().map(|c| letter(threshold.take(c == 'y'))).collect();
            assert_eq!(got, expect, "{successes}/{failures} {outcomes}");
        };
        check(1, 1, "ynyn", "YNYN");
        check(1, 3, "nnynnn", "..Y..N");
        check(2, 3, "ynyynnnn", "...Y..NN");
        check(0, 0, "yn", "YN");
    }
}
