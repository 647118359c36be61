//! Bytes to PEM blocks and back, as Go's `encoding/pem`.

use crate::codec::base64;
use crate::golang::runes;

/// Characters of a line.
const LINE: usize = 64;

/// A block of a type.
pub fn encode(kind: &str, bytes: &[u8]) -> String {
    let text = base64::encode(bytes);
    let mut out = format!("-----BEGIN {kind}-----\n");
    for line in text.as_bytes().chunks(LINE) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out.push_str(&format!("-----END {kind}-----\n"));
    out
}

/// The type and bytes of the first block in a text; what is no block is passed over.
pub fn decode(text: &[u8]) -> Option<(String, Vec<u8>)> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let mut from = 0;
    while let Some(at) = runes::find(&text[from..], BEGIN) {
        let start = from + at;
        from = start + BEGIN.len();
        if start > 0 && text[start - 1] != b'\n' {
            continue;
        }
        if let Some(block) = block(&text[from..]) {
            return Some(block);
        }
    }
    None
}

/// A block behind its `-----BEGIN `.
fn block(text: &[u8]) -> Option<(String, Vec<u8>)> {
    let mut lines = text.split(|&b| b == b'\n').map(|line| runes::trim_end(line, |c| matches!(c, ' ' | '\t' | '\r')));
    let kind = lines.next()?.strip_suffix(b"-----")?;
    let end = [b"-----END ", kind, b"-----"].concat();
    let mut body = Vec::new();
    let mut in_headers = true;
    for line in lines {
        if line == end {
            let bytes = base64::decode(&body).ok()?;
            return Some((String::from_utf8_lossy(kind).into_owned(), bytes));
        }
        if in_headers && line.contains(&b':') {
            continue;
        }
        in_headers = false;
        body.extend(line.iter().filter(|b| !matches!(b, b' ' | b'\t')));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn there_and_back() {
        let bytes: Vec<u8> = (0..100).collect();
        let text = encode("A KEY", &bytes);
        assert_eq!(text.lines().nth(1).map(str::len), Some(64));
        let noise = format!("noise\n{text}more");
        assert_eq!(decode(noise.as_bytes()), Some(("A KEY".to_owned(), bytes)));
        assert_eq!(decode(b"-----BEGIN A-----\nZm9v"), None);
    }
}
