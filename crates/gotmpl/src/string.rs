//! Go's string: immutable bytes, cheap to clone, up to 22 of them without an allocation.
use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

const INLINE: usize = 22;

/// Immutable bytes that are mostly UTF-8. `Send + Sync`.
#[derive(Clone)]
pub struct Str(Repr);

#[derive(Clone)]
enum Repr {
    Inline(u8, [u8; INLINE]),
    Heap(Arc<[u8]>),
}

impl Str {
    /// The empty string.
    pub const EMPTY: Str = Str(Repr::Inline(0, [0; INLINE]));

    /// A copy of the bytes.
    pub fn new(bytes: &[u8]) -> Str {
        if bytes.len() <= INLINE {
            let mut buf = [0; INLINE];
            buf[..bytes.len()].copy_from_slice(bytes);
            return Str(Repr::Inline(bytes.len() as u8, buf));
        }
        Str(Repr::Heap(Arc::from(bytes)))
    }

    /// So many bytes that are filled in place: a long string is made without a copy.
    pub fn filled(len: usize, fill: impl FnOnce(&mut [u8])) -> Str {
        if len <= INLINE {
            let mut buf = [0; INLINE];
            fill(&mut buf[..len]);
            return Str(Repr::Inline(len as u8, buf));
        }
        let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, len).collect();
        // Nobody else has it yet.
        if let Some(bytes) = Arc::get_mut(&mut bytes) {
            fill(bytes);
        }
        Str(Repr::Heap(bytes))
    }

    /// The bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(len, buf) => &buf[..usize::from(*len)],
            Repr::Heap(bytes) => bytes,
        }
    }

    /// The bytes, shared where they are on the heap.
    pub fn shared(&self) -> Arc<[u8]> {
        match &self.0 {
            Repr::Inline(..) => Arc::from(self.as_bytes()),
            Repr::Heap(bytes) => Arc::clone(bytes),
        }
    }

    /// The first eight bytes as a number, short strings filled up with zeros: ordered as the strings are, where it
    /// differs.
    #[inline]
    pub(crate) fn prefix(&self) -> u64 {
        match &self.0 {
            Repr::Inline(_, [a, b, c, d, e, f, g, h, ..]) => u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]),
            Repr::Heap(bytes) => prefix(bytes),
        }
    }

    /// The text, if it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()).ok()
    }

    /// The text; each byte that is not UTF-8 becomes U+FFFD, as in Go's conversion to runes.
    pub fn to_str_lossy(&self) -> Cow<'_, str> {
        lossy(self.as_bytes())
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Is it the empty string?
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }
}

/// See `Str::prefix`.
#[inline]
pub(crate) fn prefix(bytes: &[u8]) -> u64 {
    if let Some(first) = bytes.first_chunk::<8>() {
        return u64::from_be_bytes(*first);
    }
    let mut padded = [0; 8];
    padded[..bytes.len()].copy_from_slice(bytes);
    u64::from_be_bytes(padded)
}

/// Bytes as text; each byte that is not UTF-8 becomes U+FFFD, as in Go's conversion to runes.
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            let mut text = String::with_capacity(bytes.len() + 8);
            for chunk in bytes.utf8_chunks() {
                text.push_str(chunk.valid());
                chunk.invalid().iter().for_each(|_| text.push('\u{fffd}'));
            }
            Cow::Owned(text)
        }
    }
}

impl Default for Str {
    fn default() -> Str {
        Str::EMPTY
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Str {
        Str::new(text.as_bytes())
    }
}

impl From<&[u8]> for Str {
    fn from(bytes: &[u8]) -> Str {
        Str::new(bytes)
    }
}

impl From<String> for Str {
    fn from(text: String) -> Str {
        Str::from(text.into_bytes())
    }
}

impl From<&String> for Str {
    fn from(text: &String) -> Str {
        Str::new(text.as_bytes())
    }
}

impl From<Vec<u8>> for Str {
    fn from(bytes: Vec<u8>) -> Str {
        if bytes.len() <= INLINE { Str::new(&bytes) } else { Str(Repr::Heap(Arc::from(bytes))) }
    }
}

impl From<Cow<'_, str>> for Str {
    fn from(text: Cow<'_, str>) -> Str {
        Str::new(text.as_bytes())
    }
}

impl From<Arc<[u8]>> for Str {
    fn from(bytes: Arc<[u8]>) -> Str {
        if bytes.len() <= INLINE { Str::new(&bytes) } else { Str(Repr::Heap(bytes)) }
    }
}

impl PartialEq for Str {
    fn eq(&self, other: &Str) -> bool {
        match (&self.0, &other.0) {
            // What is behind the bytes is zero.
            (Repr::Inline(len, buf), Repr::Inline(other_len, other)) => len == other_len && buf == other,
            _ => self.as_bytes() == other.as_bytes(),
        }
    }
}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Str {}

impl PartialOrd for Str {
    fn partial_cmp(&self, other: &Str) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Str {
    fn cmp(&self, other: &Str) -> Ordering {
        self.prefix().cmp(&other.prefix()).then_with(|| self.as_bytes().cmp(other.as_bytes()))
    }
}

impl Hash for Str {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl Borrow<[u8]> for Str {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for Str {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_str_lossy())
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_str_lossy(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::Str;

    #[test]
    fn short_and_long_are_one_type() {
        let long = "a text that does not fit inside of the value";
        for text in ["", "a", "exactly-22-bytes-long!", "exactly-23-bytes-long!!", long] {
            assert_eq!(Str::from(text), Str::from(text.to_owned()));
            assert_eq!(Str::from(text).as_str(), Some(text));
        }
        let (b, long) = (Str::from("b"), Str::from(long));
        assert!(b > long);
        for len in [0, 22, 23, 100] {
            assert_eq!(Str::filled(len, |bytes| bytes.fill(b'x')), "x".repeat(len).as_str());
        }
        assert_eq!(std::mem::size_of::<Str>(), 24);
    }

    #[test]
    fn each_wrong_byte_is_one_replacement() {
        assert_eq!(Str::new(b"a\xe2\x82b\xff").to_str_lossy(), "a\u{fffd}\u{fffd}b\u{fffd}");
    }
}
