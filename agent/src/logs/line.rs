//! A line of a CRI log file → its time, its stream, its text.

use masthead_api::meta::time::MicroTime;

/// Which stream a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// RFC 3339 with nanoseconds, as written.
    pub time: &'a str,
    /// Where it was written to.
    pub stream: Stream,
    /// Whether the line of the program goes on in the next one.
    pub is_partial: bool,
    /// What the program wrote, without the end of the line.
    pub text: &'a [u8],
}

/// Reads a line without its end; nothing when it is none of CRI's.
pub fn parse(line: &[u8]) -> Option<Line<'_>> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let time = std::str::from_utf8(parts.next()?).ok()?;
    let stream = match parts.next()? {
        b"stdout" => Stream::Stdout,
        b"stderr" => Stream::Stderr,
        _ => return None,
    };
    let tag = parts.next()?;
    let is_partial = tag.split(|byte| *byte == b':').next() == Some(b"P");
    Some(Line { time, stream, is_partial, text: parts.next().unwrap_or_default() })
}

impl Line<'_> {
    /// Microseconds since 1970.
    pub fn micros(&self) -> Option<i64> {
        MicroTime::parse(self.time).map(|time| time.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let check = |line: &str, expect: Option<(Stream, bool, &str)>| {
            let got = parse(line.as_bytes()).map(|l| (l.stream, l.is_partial, std::str::from_utf8(l.text).unwrap()));
            assert_eq!(got, expect, "{line}");
        };
        check("2026-11-21T08:38:00.123456789Z stdout F a b  c", Some((Stream::Stdout, false, "a b  c")));
        check("2026-11-21T08:38:00Z stderr P x", Some((Stream::Stderr, true, "x")));
        check("2026-11-21T08:38:00Z stdout F ", Some((Stream::Stdout, false, "")));
        check("2026-11-21T08:38:00Z stdout F", Some((Stream::Stdout, false, "")));
        check("2026-11-21T08:38:00Z other F x", None);
        check("nonsense", None);
        let line = parse(b"1970-01-01T00:00:01.500000000Z stdout F x").unwrap();
        assert_eq!(line.micros(), Some(1_500_000));
    }
}
