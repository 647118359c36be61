//! A version's text to its numbers, loosely (`v1.2` is 1.2.0), and the order of versions.

use std::cmp::Ordering;

use crate::golang::number;

/// The longest version that is read.
const VERSION_MAX_BYTES: usize = 256;

/// A version that does not read, in Masterminds' words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not of a version's form.
    #[error("invalid semantic version")]
    Invalid,
    /// A numeric part of the prerelease starts with 0.
    #[error("version segment starts with 0")]
    LeadingZero,
    /// An empty or odd part in the prerelease.
    #[error("invalid prerelease string")]
    Prerelease,
    /// An empty or odd part in the metadata.
    #[error("invalid metadata string")]
    Metadata,
    /// Over 256 bytes.
    #[error("version string is too long (max 256 bytes)")]
    TooLong,
    /// A number beyond 64 bits.
    #[error("error parsing version segment: {0}")]
    Segment(number::Error),
}

/// A version as `*semver.Version` holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// The first number.
    pub major: u64,
    /// The second number.
    pub minor: u64,
    /// The third number.
    pub patch: u64,
    /// Behind the `-`; empty for a release.
    pub prerelease: String,
    /// Behind the `+`.
    pub metadata: String,
    /// The text it was read from.
    pub original: String,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.prerelease.is_empty() {
            write!(f, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

/// The parts of a text of a version's form, before they are checked.
struct Parts<'t> {
    numbers: [&'t [u8]; 3],
    prerelease: &'t [u8],
    metadata: &'t [u8],
}

/// Reads a version as `semver.NewVersion` does.
pub fn parse(text: &[u8]) -> Result<Version, Error> {
    if text.len() > VERSION_MAX_BYTES {
        return Err(Error::TooLong);
    }
    let parts = shape(text).ok_or(Error::Invalid)?;
    let number = |digits: &[u8]| {
        if digits.is_empty() { Ok(0) } else { number::parse_uint(digits, 10).map_err(Error::Segment) }
    };
    let [major, minor, patch] = parts.numbers;
    let (major, minor, patch) = (number(major)?, number(minor)?, number(patch)?);
    check_prerelease(parts.prerelease)?;
    Ok(Version {
        major,
        minor,
        patch,
        prerelease: owned(parts.prerelease),
        metadata: owned(parts.metadata),
        original: owned(text),
    })
}

fn owned(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// `v?N(.N)?(.N)?(-ids)?(+ids)?`, whole.
fn shape(text: &[u8]) -> Option<Parts<'_>> {
    let mut rest = text.strip_prefix(b"v").unwrap_or(text);
    let mut numbers: [&[u8]; 3] = [&[]; 3];
    for (index, number) in numbers.iter_mut().enumerate() {
        let from = match rest.first() {
            Some(b'.') if index > 0 => &rest[1..],
            _ if index > 0 => break,
            _ => rest,
        };
        let digits = from.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        *number = &from[..digits];
        rest = &from[digits..];
    }
    let mut identifiers = |mark: u8| -> Option<&[u8]> {
        if rest.first() != Some(&mark) {
            return Some(&[]);
        }
        let end = rest[1..].iter().position(|&b| !(b.is_ascii_alphanumeric() || b == b'-' || b == b'.'));
        let (found, after) = rest[1..].split_at(end.unwrap_or(rest.len() - 1));
        rest = after;
        found.split(|&b| b == b'.').all(|part| !part.is_empty()).then_some(found)
    };
    let prerelease = identifiers(b'-')?;
    let metadata = identifiers(b'+')?;
    rest.is_empty().then_some(Parts { numbers, prerelease, metadata })
}

/// No leading zero in the numeric parts of a prerelease; empty parts and odd characters the shape rules out.
fn check_prerelease(text: &[u8]) -> Result<(), Error> {
    let bad = |part: &[u8]| part.len() > 1 && part[0] == b'0' && part.iter().all(u8::is_ascii_digit);
    if text.split(|&b| b == b'.').any(bad) { Err(Error::LeadingZero) } else { Ok(()) }
}

/// A prerelease given to `SetPrerelease`.
pub fn validate_prerelease(text: &[u8]) -> Result<(), Error> {
    for part in text.split(|&b| b == b'.') {
        let fits = !part.is_empty() && part.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-');
        if !fits {
            return Err(Error::Prerelease);
        }
        check_prerelease(part)?;
    }
    Ok(())
}

/// Metadata given to `SetMetadata`.
pub fn validate_metadata(text: &[u8]) -> Result<(), Error> {
    let fits = |part: &[u8]| !part.is_empty() && part.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-');
    if text.split(|&b| b == b'.').all(fits) { Ok(()) } else { Err(Error::Metadata) }
}

impl Version {
    /// The order of releases; metadata does not count.
    pub fn compare(&self, other: &Self) -> Ordering {
        let numbers = |v: &Self| (v.major, v.minor, v.patch);
        numbers(self).cmp(&numbers(other)).then_with(|| {
            match (self.prerelease.is_empty(), other.prerelease.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => compare_prerelease(&self.prerelease, &other.prerelease),
            }
        })
    }

    /// The version after `IncMajor` and its siblings, the text of it with the `v` it came with.
    fn renamed(mut self) -> Self {
        let prefix = if self.original.starts_with('v') { "v" } else { "" };
        self.original = format!("{prefix}{self}");
        self
    }

    /// The next patch release; of a prerelease, its release.
    pub fn inc_patch(&self) -> Result<Self, String> {
        let mut next = self.bare();
        if self.prerelease.is_empty() {
            next.patch = next.patch.checked_add(1).ok_or("patch version increment would overflow uint64")?;
        }
        Ok(next.renamed())
    }

    /// The next minor release.
    pub fn inc_minor(&self) -> Result<Self, String> {
        let mut next = self.bare();
        next.patch = 0;
        next.minor = next.minor.checked_add(1).ok_or("minor version increment would overflow uint64")?;
        Ok(next.renamed())
    }

    /// The next major release.
    pub fn inc_major(&self) -> Result<Self, String> {
        let mut next = self.bare();
        (next.minor, next.patch) = (0, 0);
        next.major = next.major.checked_add(1).ok_or("major version increment would overflow uint64")?;
        Ok(next.renamed())
    }

    /// With another prerelease.
    pub fn set_prerelease(&self, text: &str) -> Result<Self, Error> {
        if !text.is_empty() {
            validate_prerelease(text.as_bytes())?;
        }
        Ok(Self { prerelease: text.to_owned(), ..self.clone() }.renamed())
    }

    /// With other metadata.
    pub fn set_metadata(&self, text: &str) -> Result<Self, Error> {
        if !text.is_empty() {
            validate_metadata(text.as_bytes())?;
        }
        Ok(Self { metadata: text.to_owned(), ..self.clone() }.renamed())
    }

    fn bare(&self) -> Self {
        Self { prerelease: String::new(), metadata: String::new(), ..self.clone() }
    }
}

/// Part by part: numbers by value and before names, a missing part before any.
pub fn compare_prerelease(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (l, r) => compare_part(l.unwrap_or(""), r.unwrap_or("")),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn compare_part(left: &str, right: &str) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    match (left.is_empty(), right.is_empty()) {
        (true, _) => return Ordering::Less,
        (_, true) => return Ordering::Greater,
        _ => {}
    }
    let number = |text: &str| number::parse_uint(text.as_bytes(), 10).ok();
    match (number(left), number(right)) {
        (None, None) => left.cmp(right),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        // Equal numbers in different writing: Go says less.
        (Some(left), Some(right)) => left.cmp(&right).then(Ordering::Less),
    }
}
