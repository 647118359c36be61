//! Bytes to and from the base64 text that JSON holds.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

use crate::schema::field::Shape;
use crate::schema::wire::Wire;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes that JSON writes as base64. Debug shows the length only: a Secret's values are among them.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteString(pub Vec<u8>);

impl fmt::Debug for ByteString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

/// Standard base64 with padding.
pub fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            if i <= chunk.len() {
                out.push(char::from(ALPHABET[(n >> (18 - 6 * i) & 63) as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

/// Bytes of standard base64 with padding, as Go reads it: line breaks are skipped, anything else foreign is a fault.
///
/// # Errors
/// The offset of the first byte that does not fit.
pub fn decode(text: &str) -> Result<Vec<u8>, usize> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut n, mut have, mut padding) = (0u32, 0, 0);
    for (at, byte) in text.bytes().enumerate() {
        let digit = match byte {
            b'\r' | b'\n' => continue,
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' if have >= 2 && have + padding < 4 => {
                padding += 1;
                continue;
            }
            _ => return Err(at),
        };
        if padding > 0 {
            return Err(at);
        }
        n = n << 6 | u32::from(digit);
        have += 1;
        if have == 4 {
            out.extend_from_slice(&n.to_be_bytes()[1..]);
            (n, have) = (0, 0);
        }
    }
    match (have, padding) {
        (0, 0) => {}
        (2, 2) => out.push((n >> 4) as u8),
        (3, 1) => out.extend_from_slice(&((n >> 2) as u16).to_be_bytes()),
        _ => return Err(text.len() / 4 * 4),
    }
    Ok(out)
}

impl Serialize for ByteString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for ByteString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A null among the values of a map is empty bytes in Go.
        let text = Option::<std::borrow::Cow<str>>::deserialize(deserializer)?.unwrap_or_default();
        decode(&text).map(Self).map_err(|at| D::Error::custom(format_args!("illegal base64 data at input byte {at}")))
    }
}

impl Wire for ByteString {
    const SHAPE: Shape = Shape::Bytes;
    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn base64_goes_there_and_back() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foobar", "Zm9vYmFy"),
            (&[0xff, 0xfe, 0x00][..], "//4A"),
        ] {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text).as_deref(), Ok(bytes));
        }
    }

    #[test]
    fn faults_say_where() {
        for (text, at) in [("Zg=", 0), ("not base64!", 3), ("Zg==Zg==", 4), ("====", 0), ("Zm9", 0)] {
            assert_eq!(decode(text), Err(at), "{text}");
        }
        assert_eq!(decode("Zm\n9v").as_deref(), Ok(&b"foo"[..]));
    }
}
