//! Byte classes of YAML 1.1: blanks, line breaks, indicators, printable characters.

/// Ends or may end a plain scalar in block context.
pub const PLAIN_BLOCK: u8 = 1;
/// Ends or may end a plain scalar in flow context.
pub const PLAIN_FLOW: u8 = 2;
/// May stand in an anchor, a tag handle, a directive's name.
pub const WORD: u8 = 4;
/// May stand in a tag's URI.
pub const URI: u8 = 8;
/// May be the first byte of a line break, or the end.
pub const BREAK: u8 = 16;
/// Cannot start a plain scalar.
pub const INDICATOR: u8 = 32;

/// Classes of each byte.
pub static CLASS: [u8; 256] = classes();

const fn mark(table: &mut [u8; 256], bytes: &[u8], class: u8) {
    let mut i = 0;
    while i < bytes.len() {
        table[bytes[i] as usize] |= class;
        i += 1;
    }
}

const fn classes() -> [u8; 256] {
    let mut table = [0u8; 256];
    let word = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-";
    mark(&mut table, b"\0\n\r\xC2\xE2", PLAIN_BLOCK | PLAIN_FLOW | BREAK);
    mark(&mut table, b" \t:", PLAIN_BLOCK | PLAIN_FLOW);
    mark(&mut table, b",?[]{}", PLAIN_FLOW);
    mark(&mut table, word, WORD | URI);
    mark(&mut table, b";/?:@&=+$,.!~*'()[]%", URI);
    mark(&mut table, b"-?:,[]{}#&*!|>'\"%@`", INDICATOR);
    table
}

/// Whether `byte` has one of the classes.
#[inline]
pub fn is(byte: u8, class: u8) -> bool {
    CLASS[byte as usize] & class != 0
}

/// Length of the line break at `at`: 0 where there is none, 2 for CR LF.
#[inline]
pub fn break_len(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(b'\n') => 1,
        Some(b'\r') => 1 + usize::from(bytes.get(at + 1) == Some(&b'\n')),
        Some(0xC2) if bytes.get(at + 1) == Some(&0x85) => 2,
        Some(0xE2) if bytes.get(at + 1) == Some(&0x80) => match bytes.get(at + 2) {
            Some(0xA8 | 0xA9) => 3,
            _ => 0,
        },
        _ => 0,
    }
}

/// Whether a line break, a blank or the end is at `at`.
#[inline]
pub fn is_blankz(bytes: &[u8], at: usize) -> bool {
    match bytes.get(at) {
        None | Some(b' ' | b'\t' | b'\n' | b'\r') => true,
        Some(0xC2 | 0xE2) => break_len(bytes, at) > 0,
        Some(_) => false,
    }
}

/// Whether goyaml writes the character as it is. What lies beyond the 16-bit plane counts as unprintable there.
#[inline]
pub fn is_printable(c: char) -> bool {
    matches!(c, '\n' | '\u{20}'..='\u{7E}' | '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}') && c != '\u{FEFF}'
}

/// Whether the character ends a line in YAML 1.1.
#[inline]
pub fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}
