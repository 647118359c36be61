//! Text → domain names as they stand on the wire, lower-case, within RFC 1035's bounds.

/// Bytes of a label (RFC 1035, 2.3.4).
const LABEL_BYTES_MAX: usize = 63;
/// Bytes of a name on the wire, with its root (RFC 1035, 2.3.4).
pub const NAME_BYTES_MAX: usize = 255;
/// Labels of a name: what fits in [`NAME_BYTES_MAX`] with labels of one byte.
const LABELS_MAX: usize = 127;

/// A name of a question: its bytes in lower case and where its labels begin.
#[derive(Clone, Copy)]
pub struct Name {
    bytes: [u8; NAME_BYTES_MAX],
    len: u8,
    starts: [u8; LABELS_MAX],
    count: u8,
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&to_text(self.as_bytes()))
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Name {}

impl Name {
    /// Reads a name that stands uncompressed at `at`; gives also where it ends. Nothing when the bytes end
    /// before, a label is compressed or reserved, or the name is too long.
    pub fn read(packet: &[u8], at: usize) -> Option<(Self, usize)> {
        let mut name = Self { bytes: [0; NAME_BYTES_MAX], len: 0, starts: [0; LABELS_MAX], count: 0 };
        let mut from = at;
        loop {
            let size = usize::from(*packet.get(from)?);
            let to = usize::from(name.len);
            if size == 0 {
                *name.bytes.get_mut(to)? = 0;
                name.len = name.len.checked_add(1)?;
                return Some((name, from + 1));
            }
            // The bytes of the label, its length, and later the root must fit.
            if size > LABEL_BYTES_MAX || to + size + 2 > NAME_BYTES_MAX {
                return None;
            }
            let label = packet.get(from..from + 1 + size)?;
            *name.starts.get_mut(usize::from(name.count))? = name.len;
            name.count += 1;
            let place = &mut name.bytes[to..=to + size];
            place.copy_from_slice(label);
            place.make_ascii_lowercase();
            name.len += u8::try_from(size + 1).ok()?;
            from += 1 + size;
        }
    }

    /// Its bytes on the wire, lower-case, with the root.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Its labels without the root.
    pub fn count(&self) -> usize {
        usize::from(self.count)
    }

    /// Where a label begins; the root for the one after the last.
    pub fn start(&self, label: usize) -> usize {
        match self.starts.get(label) {
            Some(start) if label < self.count() => usize::from(*start),
            _ => usize::from(self.len) - 1,
        }
    }

    /// A label's text.
    pub fn label(&self, index: usize) -> &[u8] {
        self.bytes.get(self.start(index) + 1..self.start(index + 1)).unwrap_or_default()
    }

    /// The bytes from one label up to another.
    pub fn slice(&self, from: usize, to: usize) -> &[u8] {
        self.bytes.get(self.start(from)..self.start(to)).unwrap_or_default()
    }

    /// How many labels stand before `suffix`, when the name ends with it.
    pub fn before(&self, suffix: &[u8], labels: usize) -> Option<usize> {
        let left = self.count().checked_sub(labels)?;
        (&self.as_bytes()[self.start(left)..] == suffix).then_some(left)
    }
}

/// A label on the wire, lower-case. Nothing when it is empty or too long.
pub fn label(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || text.len() > LABEL_BYTES_MAX {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() + 1);
    out.push(u8::try_from(text.len()).ok()?);
    out.extend(text.bytes().map(|b| b.to_ascii_lowercase()));
    Some(out)
}

/// A whole name on the wire, lower-case, with the root; a closing dot may be there. Nothing when it is no name.
pub fn to_wire(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let mut out = Vec::with_capacity(text.len() + 2);
    for part in text.split('.').filter(|_| !text.is_empty()) {
        out.extend(label(part)?);
    }
    out.push(0);
    (out.len() <= NAME_BYTES_MAX).then_some(out)
}

/// A name on the wire as text, for messages.
pub fn to_text(wire: &[u8]) -> String {
    let mut out = String::new();
    let mut at = 0;
    while let Some(&size) = wire.get(at).filter(|size| **size > 0) {
        let end = at + 1 + usize::from(size);
        out.push_str(&String::from_utf8_lossy(wire.get(at + 1..end).unwrap_or_default()));
        out.push('.');
        at = end;
    }
    if out.is_empty() { ".".to_owned() } else { out }
}

/// How many labels a name on the wire has.
pub fn labels(wire: &[u8]) -> usize {
    let mut count = 0;
    let mut at = 0;
    while let Some(&size) = wire.get(at).filter(|size| **size > 0) {
        count += 1;
        at += 1 + usize::from(size);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_lengths() {
        for (text, ok) in [
            ("", true),
            (".", true),
            ("a.b.", true),
            ("A.b", true),
            ("a..b", false),
            (".a", false),
            (&*"x".repeat(63), true),
            (&*"x".repeat(64), false),
            (&*vec!["x".repeat(49); 5].join("."), true),
            (&*vec!["x".repeat(50); 5].join("."), false),
            (&*vec!["x"; 127].join("."), true),
            (&*vec!["x"; 128].join("."), false),
        ] {
            let wire = to_wire(text);
            assert_eq!(wire.is_some(), ok, "{text}");
            let Some(wire) = wire else { continue };
            let (read, end) = Name::read(&wire, 0).unwrap();
            assert_eq!((read.as_bytes(), end), (&wire[..], wire.len()), "{text}");
            assert_eq!(read.count(), labels(&wire));
        }
    }

    #[test]
    fn what_is_no_name_on_the_wire() {
        for bytes in [&b""[..], b"\x03ab", b"\x01a", b"\xc0\x0c", b"\x01a\xc0\x00", b"\x41a\x00", b"\x80"] {
            assert!(Name::read(bytes, 0).is_none(), "{bytes:?}");
        }
        assert!(Name::read(b"\0", 7).is_none());
        let long = [b"\x01x".repeat(127), b"\x01x\0".to_vec()].concat();
        assert!(Name::read(&long, 0).is_none());
    }

    #[test]
    fn a_name_ends_with_its_zone_at_a_label_only() {
        let name = |text: &str| Name::read(&to_wire(text).unwrap(), 0).unwrap().0;
        let zone = to_wire("cluster.local").unwrap();
        assert_eq!(name("A.svc.Cluster.Local").before(&zone, 2), Some(2));
        assert_eq!(name("cluster.local").before(&zone, 2), Some(0));
        assert_eq!(name("xcluster.local").before(&zone, 2), None);
        assert_eq!(name("local").before(&zone, 2), None);
        assert_eq!(name("a.svc.cluster.local").label(1), b"svc");
    }
}
