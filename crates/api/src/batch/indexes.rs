//! Completion indexes ↔ the text in which a job's status and its policies hold them: `1,3-5,7`.

use std::fmt;

/// A set of indexes from 0, as stretches in rising order that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Indexes(Vec<(i32, i32)>);

/// Where a text breaks the format, in Kubernetes' words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More than one dash.
    #[error(
        "the fragment {0:?} violates the requirement that an index interval can have at most two parts separated by '-'"
    )]
    Parts(String),
    /// No number.
    #[error("cannot convert string to integer for index: {0:?}")]
    Number(String),
    /// Not below the number of completions.
    #[error("too large index: {0:?}")]
    TooLarge(String),
    /// Not after the one before.
    #[error("non-increasing order, previous: {0}, current: {1}")]
    Order(i32, i32),
}

fn number(text: &str, completions: i32) -> Result<i32, Error> {
    let number: i64 = text.parse().map_err(|_| Error::Number(text.to_owned()))?;
    // A number below an `i32` fits into one; none is negative, for a dash parts an interval.
    i32::try_from(number).ok().filter(|n| *n < completions).ok_or_else(|| Error::TooLarge(text.to_owned()))
}

fn interval(text: &str, completions: i32) -> Result<(i32, i32), Error> {
    let mut parts = text.split('-');
    let first = number(parts.next().unwrap_or_default(), completions)?;
    let Some(last) = parts.next() else { return Ok((first, first)) };
    if parts.next().is_some() {
        return Err(Error::Parts(text.to_owned()));
    }
    let last = number(last, completions)?;
    if first >= last { Err(Error::Order(first, last)) } else { Ok((first, last)) }
}

impl Indexes {
    /// What a text says, every rule kept.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn parse(text: &str, completions: i32) -> Result<Indexes, Error> {
        let mut indexes = Indexes::default();
        let mut before: Option<i32> = None;
        for part in text.split(',').filter(|_| !text.is_empty()) {
            if part.split('-').count() > 2 {
                return Err(Error::Parts(part.to_owned()));
            }
            let (first, last) = interval(part, completions)?;
            if let Some(before) = before.filter(|before| *before >= first) {
                return Err(Error::Order(before, first));
            }
            before = Some(last);
            indexes.push(first, last);
        }
        Ok(indexes)
    }

    /// What a status says; indexes from `completions` on are left out, and so is what is malformed.
    pub fn of_status(text: &str, completions: i32) -> Indexes {
        let mut indexes = Indexes::default();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (Ok(first), Ok(last)) = (first.parse::<i32>(), last.parse::<i32>()) else { continue };
            let last = last.min(completions.saturating_sub(1));
            let rises = indexes.0.last().is_none_or(|(_, before)| *before < first);
            if first >= 0 && first <= last && rises {
                indexes.push(first, last);
            }
        }
        indexes
    }

    /// Adds a stretch after all others; joins it to one that it touches.
    fn push(&mut self, first: i32, last: i32) {
        match self.0.last_mut() {
            Some((_, end)) if *end + 1 == first => *end = last,
            _ => self.0.push((first, last)),
        }
    }

    /// How many there are.
    pub fn total(&self) -> i32 {
        // Stretches lie within 0..=i32::MAX-1 and do not overlap, so the sum fits.
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this index is among them.
    pub fn has(&self, index: i32) -> bool {
        let at = self.0.partition_point(|(_, last)| *last < index);
        self.0.get(at).is_some_and(|(first, _)| *first <= index)
    }

    /// These and those together.
    #[must_use]
    pub fn union(&self, other: &Indexes) -> Indexes {
        let mut stretches: Vec<(i32, i32)> = self.0.iter().chain(&other.0).copied().collect();
        stretches.sort_unstable();
        let mut out: Vec<(i32, i32)> = Vec::with_capacity(stretches.len());
        for (first, last) in stretches {
            match out.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => out.push((first, last)),
            }
        }
        Indexes(out)
    }

    /// How many are in both.
    pub fn common(&self, other: &Indexes) -> i32 {
        let (mut a, mut b, mut count) = (0, 0, 0);
        while let (Some((first, last)), Some((from, to))) = (self.0.get(a), other.0.get(b)) {
            count += (last.min(to) - first.max(from) + 1).max(0);
            if last < to {
                a += 1;
            } else {
                b += 1;
            }
        }
        count
    }

    /// The lowest `count` indexes below `completions` that are not among them.
    pub fn lowest_missing(&self, count: usize, completions: i32) -> Vec<i32> {
        let mut out = Vec::with_capacity(count.min(1024));
        let mut next = 0;
        for (first, last) in self.0.iter().copied().chain([(completions, completions)]) {
            while next < first.min(completions) && out.len() < count {
                out.push(next);
                next += 1;
            }
            next = next.max(last.saturating_add(1));
        }
        out
    }
}

impl FromIterator<i32> for Indexes {
    /// From indexes in any order; none is negative.
    fn from_iter<I: IntoIterator<Item = i32>>(indexes: I) -> Self {
        let mut all: Vec<i32> = indexes.into_iter().filter(|i| *i >= 0).collect();
        all.sort_unstable();
        all.dedup();
        let mut out = Indexes::default();
        for index in all {
            out.push(index, index);
        }
        out
    }
}

impl fmt::Display for Indexes {
    /// `0,1,3-5`: two neighbours are written apart, three or more with a dash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (first, last)) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            match last - first {
                0 => write!(f, "{first}")?,
                1 => write!(f, "{first},{last}")?,
                _ => write!(f, "{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Indexes;

    #[test]
    fn texts_are_judged_in_kubernetes_words() {
        let check = |text: &str, expect: Result<i32, &str>| {
            let got = Indexes::parse(text, 10);
            assert_eq!(got.as_ref().map(Indexes::total).map_err(ToString::to_string), expect.map_err(str::to_owned));
        };
        check("", Ok(0));
        check("0-9", Ok(10));
        check("1,3-5,7", Ok(5));
        check("0,1,2", Ok(3));
        check("0-10", Err("too large index: \"10\""));
        check("99999999999", Err("too large index: \"99999999999\""));
        check("a", Err("cannot convert string to integer for index: \"a\""));
        check("1-", Err("cannot convert string to integer for index: \"\""));
        check("3-3", Err("non-increasing order, previous: 3, current: 3"));
        check("4,4", Err("non-increasing order, previous: 4, current: 4"));
        check("5-7,6", Err("non-increasing order, previous: 7, current: 6"));
        check(
            "1-2-3",
            Err("the fragment \"1-2-3\" violates the requirement that an index interval can have at most two parts \
                 separated by '-'"),
        );
    }

    #[test]
    fn stretches_behave_like_sets() {
        let mut state = 1u64;
        let mut next = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            i32::try_from(state % below).unwrap()
        };
        for round in 0..500 {
            let mut set = || (0..next(12)).map(|_| next(16)).collect::<BTreeSet<i32>>();
            let (a, b) = (set(), set());
            let (left, right): (Indexes, Indexes) = (a.iter().copied().collect(), b.iter().copied().collect());
            assert_eq!(left.total() as usize, a.len(), "{round}");
            assert_eq!(left.is_empty(), a.is_empty());
            assert!((0..20).all(|i| left.has(i) == a.contains(&i)), "{round}: {left} {a:?}");
            assert_eq!(left.union(&right), a.union(&b).copied().collect(), "{round}: {left} {right}");
            assert_eq!(left.common(&right) as usize, a.intersection(&b).count(), "{round}: {left} {right}");
            assert_eq!(Indexes::of_status(&left.to_string(), 16), left, "{round}: {left}");
            assert_eq!(Indexes::parse(&left.to_string(), 16), Ok(left.clone()), "{round}: {left}");
            let below: Indexes = a.iter().copied().filter(|i| *i < 9).collect();
            assert_eq!(Indexes::of_status(&left.to_string(), 9), below, "{round}: {left}");
            let missing: Vec<i32> = (0..16).filter(|i| !a.contains(i)).take(4).collect();
            assert_eq!(left.lowest_missing(4, 16), missing, "{round}: {left}");
        }
        assert_eq!(Indexes::of_status("2,x,1,4-3,7", 10).to_string(), "2,7");
        assert_eq!([0, 1, 3, 4, 5, 8].into_iter().collect::<Indexes>().to_string(), "0,1,3-5,8");
    }
}
