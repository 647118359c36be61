//! What objects look like, again and again → the lines that a person gets to read of it: each object's newest, not too often.

use std::collections::BTreeMap;

/// How long nothing is told of an object after it was first seen, and after something was told of it.
const QUIET_MS: u64 = 500;

/// What was told of the objects of a commit, and what is not told yet.
#[derive(Debug, Default)]
pub struct Telling {
    of: BTreeMap<String, Told>,
}

#[derive(Debug)]
struct Told {
    /// The last line that was told; none yet where it is empty.
    line: String,
    since_ms: u64,
    /// The newest line, until it may be told.
    next: Option<String>,
}

impl Telling {
    /// Takes the lines of a look, which say first what they are about: `Deployment default/web: 1 of 3 updated`. Gives those
    /// that are to be told now.
    pub fn take(&mut self, now_ms: u64, lines: Vec<String>) -> Vec<String> {
        for line in lines {
            let about = line.split(": ").next().unwrap_or_default();
            match self.of.get_mut(about) {
                Some(told) => told.next = (told.line != line).then_some(line),
                None => {
                    let about = about.to_owned();
                    self.of.insert(about, Told { line: String::new(), since_ms: now_ms, next: Some(line) });
                }
            }
        }
        self.until(now_ms)
    }

    /// All that is not told yet, for the end.
    pub fn rest(&mut self) -> Vec<String> {
        self.until(u64::MAX)
    }

    /// When there is something to tell, though nothing changes.
    pub fn due_ms(&self) -> u64 {
        let waiting = self.of.values().filter(|told| told.next.is_some());
        waiting.map(|told| told.since_ms.saturating_add(QUIET_MS)).min().unwrap_or(u64::MAX)
    }

    fn until(&mut self, now_ms: u64) -> Vec<String> {
        let due = self.of.values_mut().filter(|told| told.since_ms.saturating_add(QUIET_MS) <= now_ms);
        due.filter_map(|told| {
            told.line.clone_from(&told.next.take()?);
            told.since_ms = now_ms;
            Some(told.line.clone())
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_object_is_told_of_at_its_own_pace() {
        let mut telling = Telling::default();
        let mut check = |now_ms: u64, lines: &[&str], expect: &[&str], due_ms: u64| {
            let lines = lines.iter().map(|line| (*line).to_owned()).collect();
            assert_eq!(telling.take(now_ms, lines), expect, "at {now_ms}");
            assert_eq!(telling.due_ms(), due_ms, "at {now_ms}");
        };
        check(0, &["a/web: 0 of 2", "b/web: 0 of 1"], &[], 500);
        check(10, &["a/web: 1 of 2"], &[], 500);
        check(500, &["a/web: 1 of 2"], &["a/web: 1 of 2", "b/web: 0 of 1"], u64::MAX);
        check(520, &["a/web: 2 of 2", "b/web: 1 of 1"], &[], 1000);
        // As it was told last: there is nothing to tell.
        check(530, &["b/web: 0 of 1", "c/web: 0 of 1"], &[], 1000);
        check(1000, &[], &["a/web: 2 of 2"], 1030);
        check(1010, &["a/web: up", "b/web: up"], &["b/web: up"], 1030);
        assert_eq!(telling.rest(), ["a/web: up", "c/web: 0 of 1"]);
        assert_eq!((telling.rest(), telling.due_ms()), (Vec::<String>::new(), u64::MAX));
    }
}
