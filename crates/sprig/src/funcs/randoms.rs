//! Random values, derived from the host's entropy and the place of the call.

use masthead_gotmpl::function::{Call, Function, Param};
use masthead_gotmpl::value::Value;
use rand_core::RngCore;

use crate::args::{int, text};
use crate::codec::base64;
use crate::golang::runes;
use crate::host;
use crate::signature::{INT, fixed};

const DIGITS: &[u8] = b"0123456789";
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BOTH: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `randAlphaNum`, `uuidv4`, `shuffle` and their kind.
pub static FUNCTIONS: [Function; 8] = [
    fixed("randAlphaNum", &[INT], |call, a| drawn(call, "randAlphaNum", int(a, 0), BOTH)),
    fixed("randAlpha", &[INT], |call, a| drawn(call, "randAlpha", int(a, 0), LETTERS)),
    fixed("randNumeric", &[INT], |call, a| drawn(call, "randNumeric", int(a, 0), DIGITS)),
    fixed("randAscii", &[INT], |call, a| {
        let printable: Vec<u8> = (b' '..=b'~').collect();
        drawn(call, "randAscii", int(a, 0), &printable)
    }),
    fixed("randBytes", &[INT], |call, a| {
        let Ok(count) = usize::try_from(int(a, 0)) else {
            return Err("runtime error: makeslice: len out of range".into());
        };
        call.spend(0, count as u64 * 2)?;
        Ok(Value::from(base64::encode(&host::derived(call, "randBytes")?.bytes(count))))
    }),
    fixed("randInt", &[INT, INT], |call, a| {
        let (least, bound) = (int(a, 0), int(a, 1));
        let span = bound.wrapping_sub(least);
        if span <= 0 {
            return Err("invalid argument to Intn".into());
        }
        let drawn = host::derived(call, "randInt")?.below(span.unsigned_abs());
        Ok(Value::int(least.wrapping_add(drawn.cast_signed())))
    }),
    fixed("uuidv4", &[], |call, _| {
        let mut bytes = [0; 16];
        host::derived(call, "uuidv4")?.fill_bytes(&mut bytes);
        bytes[6] = bytes[6] & 0x0F | 0x40;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Value::from(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])))
    }),
    fixed("shuffle", &[Param::Str], |call, a| {
        let mut letters: Vec<char> = runes::of(text(a, 0)).collect();
        if letters.is_empty() {
            return Ok(Value::from(""));
        }
        let mut stream = host::derived(call, "shuffle")?;
        for index in (1..letters.len()).rev() {
            letters.swap(index, usize::try_from(stream.below(index as u64 + 1)).unwrap_or(0));
        }
        Ok(Value::from(letters.into_iter().collect::<String>()))
    }),
];

/// That many letters of an alphabet; none where the count is negative, whose error sprig does not look at.
fn drawn(call: &mut Call<'_>, purpose: &str, count: i64, alphabet: &[u8]) -> Result<Value, String> {
    let Ok(count) = usize::try_from(count) else { return Ok(Value::from("")) };
    if count == 0 {
        return Ok(Value::from(""));
    }
    call.spend(count as u64, count as u64)?;
    let mut stream = host::derived(call, purpose)?;
    let size = alphabet.len() as u64;
    let letter = |_| alphabet[usize::try_from(stream.below(size)).unwrap_or(0)];
    Ok(Value::str((0..count).map(letter).collect::<Vec<u8>>()))
}
