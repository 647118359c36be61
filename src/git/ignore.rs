//! A `.mastheadignore` file into a matcher of paths, with gitignore's meaning.
//!
//! Supported: comments, `!` to take a path back, a trailing `/` for folders only, a slash elsewhere to anchor at the
//! file's own folder, `*`, `?`, `[a-z]`, `[!a-z]`, `**`, and `\` before any character. As in git, a path can't be taken
//! back when a folder above it is ignored. One file is read, at the root of the watched folder.

/// The file's name.
pub const FILE: &str = ".mastheadignore";
/// Patterns in one file.
pub const PATTERNS_MAX: usize = 1000;
/// Bytes of the file.
pub const FILE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of one pattern.
pub const PATTERN_BYTES_MAX: usize = 512;

/// Compiled patterns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ignore {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq)]
struct Pattern {
    take_back: bool,
    folder_only: bool,
    /// Whether it is matched against the whole path; else against the last part of it.
    anchored: bool,
    parts: Vec<Vec<u8>>,
}

impl Ignore {
    /// Reads a file's bytes; faults come back as (line, reason) beside what could be read.
    pub fn parse(bytes: &[u8]) -> (Self, Vec<(usize, &'static str)>) {
        let (mut out, mut faults) = (Self::default(), Vec::new());
        if bytes.len() > FILE_BYTES_MAX {
            faults.push((1, "the file is larger than 64 KiB (FILE_BYTES_MAX)"));
            return (out, faults);
        }
        for (index, line) in bytes.split(|b| *b == b'\n').enumerate() {
            if out.patterns.len() == PATTERNS_MAX {
                faults.push((index + 1, "more than 1000 patterns (PATTERNS_MAX)"));
                break;
            }
            match Pattern::parse(line) {
                Ok(Some(pattern)) => out.patterns.push(pattern),
                Ok(None) => {}
                Err(why) => faults.push((index + 1, why)),
            }
        }
        (out, faults)
    }

    /// Whether a path, relative to the file's folder, is ignored by itself; callers ask for each folder on the way
    /// down and don't enter an ignored one.
    pub fn ignores(&self, path: &[u8], is_folder: bool) -> bool {
        if self.patterns.is_empty() {
            return false;
        }
        let parts: Vec<&[u8]> = path.split(|b| *b == b'/').collect();
        let last = parts.last().copied().unwrap_or_default();
        let hit = self.patterns.iter().rev().find(|p| {
            (is_folder || !p.folder_only)
                && if p.anchored {
                    parts_match(&p.parts, &parts)
                } else {
                    p.parts.first().is_some_and(|g| glob(g, last))
                }
        });
        hit.is_some_and(|p| !p.take_back)
    }
}

impl Pattern {
    fn parse(line: &[u8]) -> Result<Option<Self>, &'static str> {
        let mut text = line.strip_suffix(b"\r").unwrap_or(line);
        while let [rest @ .., b' ' | b'\t'] = text {
            if rest.ends_with(b"\\") {
                break;
            }
            text = rest;
        }
        if text.is_empty() || text[0] == b'#' {
            return Ok(None);
        }
        if text.len() > PATTERN_BYTES_MAX {
            return Err("the pattern is longer than 512 bytes (PATTERN_BYTES_MAX)");
        }
        let take_back = text[0] == b'!';
        text = &text[usize::from(take_back)..];
        let folder_only = text.ends_with(b"/");
        text = text.strip_suffix(b"/").unwrap_or(text);
        let anchored = text.contains(&b'/');
        text = text.strip_prefix(b"/").unwrap_or(text);
        if text.is_empty() {
            return Err("the pattern names nothing");
        }
        let parts: Vec<Vec<u8>> = text.split(|b| *b == b'/').map(<[u8]>::to_vec).collect();
        if parts.iter().any(|p| p.is_empty() || p == b"..") {
            return Err("the pattern holds an empty part or `..`");
        }
        Ok(Some(Self { take_back, folder_only, anchored, parts }))
    }
}

/// Parts of a pattern against parts of a path; `**` is any number of them. One row of a table at a time, so the cost
/// is the product of both lengths whatever the pattern.
fn parts_match(pattern: &[Vec<u8>], path: &[&[u8]]) -> bool {
    let mut row = vec![false; path.len() + 1];
    row[0] = true;
    for (at, part) in pattern.iter().enumerate() {
        let mut next = vec![false; path.len() + 1];
        if part == b"**" {
            // A trailing `**` needs at least one part below, as in git.
            let least = usize::from(at + 1 == pattern.len());
            let mut reached = false;
            for j in 0..=path.len() {
                reached |= j >= least && row[j - least];
                next[j] = reached;
            }
        } else {
            for j in 0..path.len() {
                next[j + 1] = row[j] && glob(part, path[j]);
            }
        }
        row = next;
    }
    row[path.len()]
}

/// One name against one glob without slashes; goes back to the last `*` only, so never exponential.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some(b'?') => Some(1),
            Some(b'[') => class(&pattern[p..], name[n]),
            Some(b'\\') => pattern.get(p + 1).filter(|b| **b == name[n]).map(|_| 2),
            Some(b) if *b == name[n] => Some(1),
            _ => None,
        };
        match (step, star) {
            (Some(len), _) => {
                p += len;
                n += 1;
            }
            (None, Some((at, from))) => {
                p = at + 1;
                n = from + 1;
                star = Some((at, from + 1));
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

/// The length of a `[…]` class when it holds the byte; an unclosed class matches nothing.
fn class(pattern: &[u8], byte: u8) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let first = 1 + usize::from(negated);
    let (mut at, mut found) = (first, false);
    loop {
        match *pattern.get(at)? {
            b']' if at > first => break,
            b'\\' => at += 1,
            _ => {}
        }
        let low = *pattern.get(at)?;
        let high = match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some(b'-'), Some(high)) if *high != b']' => {
                at += 2;
                *high
            }
            _ => low,
        };
        found |= (low..=high).contains(&byte);
        at += 1;
    }
    (found != negated).then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_gitignore() {
        let check = |file: &str, path: &str, folder: bool, expect: bool| {
            let (ignore, faults) = Ignore::parse(file.as_bytes());
            assert_eq!(faults, [], "{file:?}");
            assert_eq!(ignore.ignores(path.as_bytes(), folder), expect, "{file:?} on {path:?}");
        };
        check("", "a.yaml", false, false);
        check("# a.yaml", "a.yaml", false, false);
        check("*.json", "x/y.json", false, true);
        check("/x.json", "y/x.json", false, false);
        check("/x.json", "x.json", false, true);
        check("docs/", "docs", true, true);
        check("docs/", "docs", false, false);
        check("docs/", "a/docs", true, true);
        check("a/docs", "b/a/docs", true, false);
        check("**/docs", "b/a/docs", true, true);
        check("**/docs", "docs", true, true);
        check("a/**/z", "a/z", false, true);
        check("a/**/z", "a/b/c/z", false, true);
        check("a/**", "a", true, false);
        check("a/**", "a/b", true, true);
        check("*.yaml\n!keep.yaml", "keep.yaml", false, false);
        check("*.yaml\n!keep.yaml", "drop.yaml", false, true);
        check("[a-c]?.yaml", "bx.yaml", false, true);
        check("[!a-c]?.yaml", "bx.yaml", false, false);
        check("\\#x", "#x", false, true);
        check("\\!x", "!x", false, true);
        check("x   \r", "x", false, true);
        check("[", "[", false, false);
        check("a*b*c", "axxbxxc", false, true);
        check("a*b*c", "axxbxx", false, false);
    }

    #[test]
    fn hostile_patterns_stay_cheap() {
        let file = format!("{}b\n**/{}x", "a*".repeat(200), "**/".repeat(100));
        let (ignore, _) = Ignore::parse(file.as_bytes());
        let path = vec![b"a".repeat(255); 16].join(&b'/');
        assert!(!ignore.ignores(&path, false));
    }

    #[test]
    fn faults_carry_their_line() {
        let (ignore, faults) = Ignore::parse(b"ok\na//b\n/\n");
        assert_eq!(faults.iter().map(|f| f.0).collect::<Vec<_>>(), [2, 3]);
        assert!(ignore.ignores(b"ok", false));
    }
}
