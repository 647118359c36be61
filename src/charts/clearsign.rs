//! A clear-signed text as OpenPGP writes it → its parts, and back with the checksum that older writers leave out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const MESSAGE: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END: &str = "-----END PGP SIGNATURE-----";

/// Letters of one line of armour.
const LINE: usize = 64;

/// Makes one whole message of what may have text around it, no checksum, and any line ends: what `gpgv` takes.
///
/// Go's own writer leaves the checksum out, which `gpgv` 2.2 takes for damage.
///
/// # Errors
/// What is missing, in words.
pub fn normal(text: &[u8]) -> Result<String, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "signature block not found")?;
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    if !lines.any(|line| line.trim_end() == MESSAGE) {
        return Err("signature block not found");
    }
    let mut out = format!("{MESSAGE}\n");
    let mut is_complete = false;
    for line in lines.by_ref() {
        if line.trim_end() == SIGNATURE {
            is_complete = true;
            break;
        }
        // A second message inside of the first would be dash-escaped.
        if line.starts_with("-----") {
            return Err("signature block not found");
        }
        out.push_str(line);
        out.push('\n');
    }
    let mut body = String::new();
    let mut has_end = false;
    // Headers of armour end with an empty line.
    for line in lines.by_ref().skip_while(|line| !line.trim().is_empty()) {
        match line.trim() {
            END => {
                has_end = true;
                break;
            }
            checksum if checksum.starts_with('=') => {}
            part => body.push_str(part),
        }
    }
    if !is_complete || !has_end {
        return Err("signature block not found");
    }
    // What follows could be another message.
    if lines.any(|line| line.starts_with("-----BEGIN PGP")) {
        return Err("more than one signed message");
    }
    let signature = STANDARD.decode(&body).map_err(|_| "the signature is not base64")?;
    out.push_str(&armour(&signature));
    Ok(out)
}

fn armour(signature: &[u8]) -> String {
    let mut out = format!("{SIGNATURE}\n\n");
    let text = STANDARD.encode(signature);
    for line in text.as_bytes().chunks(LINE) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    let sum = crc24(signature).to_be_bytes();
    out.push_str(&format!("={}\n{END}\n", STANDARD.encode(&sum[1..])));
    out
}

/// The checksum of RFC 4880, section 6.1.
fn crc24(bytes: &[u8]) -> u32 {
    const INIT: u32 = 0x00B7_04CE;
    const POLYNOMIAL: u32 = 0x0186_4CFB;
    let sum = bytes.iter().fold(INIT, |sum, byte| {
        (0..8).fold(sum ^ (u32::from(*byte) << 16), |sum, _| {
            let sum = sum << 1;
            if sum & 0x0100_0000 == 0 { sum } else { sum ^ POLYNOMIAL }
        })
    });
    sum & 0x00FF_FFFF
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(crc24(b""), 0x00B7_04CE);
        assert_eq!(crc24(b"123456789"), 0x0021_CF02);
    }

    #[test]
    fn a_message_gets_its_checksum_and_loses_what_is_around_it() {
        let text = format!(
            "junk\r\n{MESSAGE}\r\nHash: SHA512\r\n\r\na: 1\r\n- -x\r\n{SIGNATURE}\r\n\r\nAQID\r\nBA==\r\n{END}"
        );
        let expect = format!("{MESSAGE}\nHash: SHA512\n\na: 1\n- -x\n{SIGNATURE}\n\nAQIDBA==\n=Hk7F\n{END}\n");
        let made = normal(text.as_bytes()).expect("whole");
        assert_eq!(made.lines().count(), expect.lines().count(), "{made}");
        assert_eq!(made.split('=').next(), expect.split('=').next());
        assert_eq!(normal(made.as_bytes()), Ok(made.clone()), "once more changes nothing");
    }

    #[test]
    fn what_is_no_single_message_is_refused() {
        let whole = format!("{MESSAGE}\nHash: SHA512\n\na\n{SIGNATURE}\n\nAQID\n{END}\n");
        let check = |text: &str, expect: &str| assert_eq!(normal(text.as_bytes()), Err(expect), "{text}");
        check("", "signature block not found");
        check("apiVersion: v2\n", "signature block not found");
        check(&whole[..whole.len() - 10], "signature block not found");
        check(&whole[..whole.find(SIGNATURE).unwrap()], "signature block not found");
        check(&whole.replace("AQID", "A?ID"), "the signature is not base64");
        check(&format!("{whole}{whole}"), "more than one signed message");
        check(&whole.replace("\na\n", &format!("\n{MESSAGE}\na\n")), "signature block not found");
        assert!(normal(b"\xff").is_err());
    }
}
