//! Standard base32 with padding, refused where Go refuses it, with the byte it names.

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const PAD: u8 = b'=';

/// `base32.StdEncoding.EncodeToString`.
pub fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let bits = chunk.iter().enumerate().fold(0u64, |bits, (at, &b)| bits | u64::from(b) << (32 - 8 * at));
        let used = (chunk.len() * 8).div_ceil(5);
        for at in 0..8 {
            let index = (bits >> (35 - 5 * at) & 31) as usize;
            out.push(if at < used { ALPHABET[index] as char } else { PAD as char });
        }
    }
    out
}

/// `base32.StdEncoding.DecodeString`: line breaks are skipped, and not counted in the byte at fault.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, String> {
    let text: Vec<u8> = text.iter().copied().filter(|b| !matches!(b, b'\n' | b'\r')).collect();
    let mut out = Vec::with_capacity(text.len() / 8 * 5);
    let (mut at, mut end) = (0, false);
    while at < text.len() && !end {
        (at, end) = quantum(&text, at, &mut out).map_err(|at| format!("illegal base32 data at input byte {at}"))?;
    }
    Ok(out)
}

fn value(byte: u8) -> Option<u64> {
    match byte {
        b'A'..=b'Z' => Some(u64::from(byte - b'A')),
        b'2'..=b'7' => Some(u64::from(byte - b'2') + 26),
        _ => None,
    }
}

fn quantum(text: &[u8], mut at: usize, out: &mut Vec<u8>) -> Result<(usize, bool), usize> {
    let size = text.len();
    let (mut bits, mut count, mut end) = (0u64, 0usize, false);
    while count < 8 {
        let Some(&byte) = text.get(at) else { return Err(size - count) };
        at += 1;
        let left = size - at;
        if byte == PAD && count >= 2 && left < 8 {
            if left + count < 7 {
                return Err(size);
            }
            for k in 0..7 - count {
                if left > k && text[at + k] != PAD {
                    return Err(at + k - 1);
                }
            }
            if matches!(count, 1 | 3 | 6) {
                return Err(at - 1);
            }
            end = true;
            break;
        }
        bits = bits << 5 | value(byte).ok_or(at - 1)?;
        count += 1;
    }
    let bytes = (bits << (5 * (8 - count))).to_be_bytes();
    out.extend_from_slice(&bytes[3..3 + count * 5 / 8]);
    Ok((at, end))
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn there_and_back() {
        for text in ["", "f", "fo", "foo", "foob", "fooba", "foobar"] {
            assert_eq!(decode(encode(text.as_bytes()).as_bytes()).unwrap(), text.as_bytes());
        }
        assert_eq!(encode(b"foo"), "MZXW6===");
        assert_eq!(decode(b"!"), Err("illegal base32 data at input byte 0".to_owned()));
    }
}
