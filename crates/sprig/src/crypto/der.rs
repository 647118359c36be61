//! ASN.1 values to DER bytes and back, as far as keys and certificates need it.

/// Tags of universal types, and of those that contexts number.
pub const BOOLEAN: u8 = 0x01;
/// `INTEGER`
pub const INTEGER: u8 = 0x02;
/// `BIT STRING`
pub const BIT_STRING: u8 = 0x03;
/// `OCTET STRING`
pub const OCTET_STRING: u8 = 0x04;
/// `OBJECT IDENTIFIER`
pub const OID: u8 = 0x06;
/// `UTF8String`
pub const UTF8_STRING: u8 = 0x0C;
/// `PrintableString`
pub const PRINTABLE_STRING: u8 = 0x13;
/// `UTCTime`
pub const UTC_TIME: u8 = 0x17;
/// `GeneralizedTime`
pub const GENERALIZED_TIME: u8 = 0x18;
/// `SEQUENCE`
pub const SEQUENCE: u8 = 0x30;
/// `SET`
pub const SET: u8 = 0x31;

/// `[number]` around other values.
pub const fn context(number: u8) -> u8 {
    0xA0 | number
}

/// `[number]` in place of a primitive type's tag.
pub const fn implicit(number: u8) -> u8 {
    0x80 | number
}

/// Tag, length and content.
pub fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let size = content.len();
    if size < 0x80 {
        out.push(size as u8);
    } else {
        let bytes: Vec<u8> = size.to_be_bytes().into_iter().skip_while(|&b| b == 0).collect();
        out.push(0x80 | bytes.len() as u8);
        out.extend(bytes);
    }
    out.extend_from_slice(content);
    out
}

/// A value made of others.
pub fn nested(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    value(tag, &parts.concat())
}

/// A non-negative integer of big-endian bytes.
pub fn integer(magnitude: &[u8]) -> Vec<u8> {
    let start = magnitude.iter().position(|&b| b != 0).unwrap_or(magnitude.len());
    let mut content = magnitude[start..].to_vec();
    if content.first().is_none_or(|&first| first >= 0x80) {
        content.insert(0, 0);
    }
    value(INTEGER, &content)
}

/// A bit string without unused bits.
pub fn bit_string(bytes: &[u8]) -> Vec<u8> {
    value(BIT_STRING, &[&[0], bytes].concat())
}

/// `NULL`
pub fn null() -> Vec<u8> {
    vec![0x05, 0]
}

/// Reads values one after another.
#[derive(Clone, Copy)]
pub struct Reader<'d> {
    rest: &'d [u8],
}

impl<'d> Reader<'d> {
    /// Over the content of a value, or a whole text.
    pub fn new(bytes: &'d [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next value.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next value of any tag: tag, content and the whole with both.
    pub fn any(&mut self) -> Option<(u8, &'d [u8], &'d [u8])> {
        let (&tag, after) = self.rest.split_first()?;
        let (&first, after) = after.split_first()?;
        let (size, after) = if first < 0x80 {
            (usize::from(first), after)
        } else {
            let (length, after) = after.split_at_checked(usize::from(first & 0x7F))?;
            if length.is_empty() || length.len() > 4 {
                return None;
            }
            (length.iter().fold(0usize, |size, &b| size << 8 | usize::from(b)), after)
        };
        let (content, after) = after.split_at_checked(size)?;
        let whole = &self.rest[..self.rest.len() - after.len()];
        self.rest = after;
        Some((tag, content, whole))
    }

    /// The content of the next value, if it has this tag.
    pub fn tagged(&mut self, tag: u8) -> Option<&'d [u8]> {
        if self.peek() != Some(tag) {
            return None;
        }
        self.any().map(|(_, content, _)| content)
    }

    /// The next value, if it is a sequence.
    pub fn sequence(&mut self) -> Option<Reader<'d>> {
        self.tagged(SEQUENCE).map(Reader::new)
    }

    /// The bytes of the next value, if it is an integer of at least 0.
    pub fn unsigned(&mut self) -> Option<&'d [u8]> {
        self.tagged(INTEGER).filter(|bytes| bytes.first().is_some_and(|&first| first < 0x80))
    }
}
