//! Standard base64 with padding, refused where Go refuses it, with the byte it names.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PAD: u8 = b'=';

/// `base64.StdEncoding.EncodeToString`.
pub fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().enumerate().fold(0u32, |bits, (at, &b)| bits | u32::from(b) << (16 - 8 * at));
        for at in 0..4 {
            let index = (bits >> (18 - 6 * at) & 63) as usize;
            out.push(if at <= chunk.len() { ALPHABET[index] as char } else { PAD as char });
        }
    }
    out
}

/// `base64.StdEncoding.DecodeString`: line breaks are skipped.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut at = 0;
    while at < text.len() {
        at = quantum(text, at, &mut out).map_err(|at| format!("illegal base64 data at input byte {at}"))?;
    }
    Ok(out)
}

fn value(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

/// Four characters from `at`; gives where the next ones begin, or the byte at fault.
fn quantum(text: &[u8], mut at: usize, out: &mut Vec<u8>) -> Result<usize, usize> {
    let (mut bits, mut count) = (0u32, 0usize);
    while count < 4 {
        let Some(&byte) = text.get(at) else {
            return if count == 0 { Ok(at) } else { Err(at - count) };
        };
        at += 1;
        if let Some(value) = value(byte) {
            bits = bits << 6 | value;
            count += 1;
        } else if byte == b'\n' || byte == b'\r' {
        } else if byte != PAD || count < 2 {
            return Err(at - 1);
        } else {
            at = padding(text, at, count)?;
            if at < text.len() {
                return Err(at);
            }
            break;
        }
    }
    let bytes = (bits << (6 * (4 - count))).to_be_bytes();
    out.extend_from_slice(&bytes[1..count.max(1)]);
    Ok(at)
}

/// What follows the first `=`.
fn padding(text: &[u8], mut at: usize, count: usize) -> Result<usize, usize> {
    let skip = |mut at: usize| {
        while matches!(text.get(at), Some(b'\n' | b'\r')) {
            at += 1;
        }
        at
    };
    if count == 2 {
        at = skip(at);
        match text.get(at) {
            None => return Err(text.len()),
            Some(&PAD) => at += 1,
            Some(_) => return Err(at - 1),
        }
    }
    Ok(skip(at))
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn there_and_back_and_faults() {
        for text in ["", "f", "fo", "foo", "foob", "\u{fffd}"] {
            assert_eq!(decode(encode(text.as_bytes()).as_bytes()).unwrap(), text.as_bytes());
        }
        assert_eq!(decode(b"Zm9v\nYg\r==\n").unwrap(), b"foob");
        for (text, at) in [("a", 0), ("ab", 0), ("ab=", 3), ("ab=c", 2), ("ab==c", 4), ("!", 0), ("abcde", 4), ("=", 0)]
        {
            assert_eq!(decode(text.as_bytes()), Err(format!("illegal base64 data at input byte {at}")), "{text}");
        }
    }
}
