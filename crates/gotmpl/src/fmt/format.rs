//! Flags, padding and the formats of single numbers, strings and characters, as Go's `fmt` has them.
use crate::{float, quote};

/// The flags of one directive.
#[derive(Clone, Copy, Default)]
pub(crate) struct Flags {
    pub(crate) width: Option<usize>,
    pub(crate) precision: Option<usize>,
    pub(crate) minus: bool,
    pub(crate) plus: bool,
    pub(crate) sharp: bool,
    pub(crate) space: bool,
    pub(crate) zero: bool,
    /// `%+v`
    pub(crate) plus_v: bool,
    /// `%#v`
    pub(crate) sharp_v: bool,
}

/// Writes formatted text behind what is there already.
pub(crate) struct Formatter<'o> {
    pub(crate) out: &'o mut Vec<u8>,
    pub(crate) flags: Flags,
}

const LOWER: &[u8; 17] = b"0123456789abcdefx";
const UPPER: &[u8; 17] = b"0123456789ABCDEFX";

fn digits(upper: bool) -> &'static [u8; 17] {
    if upper { UPPER } else { LOWER }
}

/// An integer's base and letters.
#[derive(Clone, Copy)]
pub(crate) struct Base {
    pub(crate) radix: u64,
    pub(crate) upper: bool,
    /// `%O`
    pub(crate) octal_prefix: bool,
}

impl Base {
    pub(crate) const DECIMAL: Base = Base { radix: 10, upper: false, octal_prefix: false };
    pub(crate) const HEX: Base = Base { radix: 16, upper: false, octal_prefix: false };
}

impl Formatter<'_> {
    pub(crate) fn write(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
    }

    fn padding(&mut self, count: usize) {
        let fill = if self.flags.zero && !self.flags.minus { b'0' } else { b' ' };
        self.out.resize(self.out.len() + count, fill);
    }

    /// Writes text, padded to the width.
    pub(crate) fn pad(&mut self, text: &[u8]) {
        let Some(width) = self.flags.width.filter(|width| *width > 0) else {
            return self.write(text);
        };
        let count = width.saturating_sub(runes(text));
        if self.flags.minus {
            self.write(text);
            self.padding(count);
        } else {
            self.padding(count);
            self.write(text);
        }
    }

    /// Writes text, padded with spaces whatever the flag for zeros says.
    fn pad_spaces(&mut self, text: &[u8]) {
        let zero = std::mem::take(&mut self.flags.zero);
        self.pad(text);
        self.flags.zero = zero;
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.pad(if value { b"true" } else { b"false" });
    }

    pub(crate) fn integer(&mut self, magnitude: u64, negative: bool, base: Base) {
        let mut least = 0;
        if let Some(precision) = self.flags.precision {
            least = precision;
            if precision == 0 && magnitude == 0 {
                return self.pad_spaces(b"");
            }
        } else if let Some(width) = self.flags.width.filter(|_| self.flags.zero && !self.flags.minus) {
            least = width;
            if negative || self.flags.plus || self.flags.space {
                least = least.saturating_sub(1);
            }
        }
        let plain = !negative && base.radix == 10 && least == 0 && !self.flags.plus && !self.flags.space;
        if plain && self.flags.width.is_none() {
            return decimal(self.out, magnitude);
        }
        let table = digits(base.upper);
        let mut text = Vec::with_capacity(least.max(64) + 4);
        let mut left = magnitude;
        while left >= base.radix {
            text.push(table[(left % base.radix) as usize]);
            left /= base.radix;
        }
        text.push(table[left as usize]);
        while text.len() < least {
            text.push(b'0');
        }
        if self.flags.sharp {
            match base.radix {
                2 => text.extend_from_slice(b"b0"),
                8 if text.last() != Some(&b'0') => text.push(b'0'),
                16 => text.extend_from_slice(&[table[16], b'0']),
                _ => {}
            }
        }
        if base.octal_prefix {
            text.extend_from_slice(b"o0");
        }
        if negative {
            text.push(b'-');
        } else if self.flags.plus {
            text.push(b'+');
        } else if self.flags.space {
            text.push(b' ');
        }
        text.reverse();
        self.pad_spaces(&text);
    }

    /// `%#x` or `%x` of a pointer or an unsigned number under `%#v`.
    pub(crate) fn hex(&mut self, value: u64, prefix: bool) {
        let sharp = std::mem::replace(&mut self.flags.sharp, prefix);
        self.integer(value, false, Base::HEX);
        self.flags.sharp = sharp;
    }

    /// `%U`
    pub(crate) fn unicode(&mut self, value: u64) {
        let width = self.flags.precision.unwrap_or(4).max(4);
        let digits = format!("{value:X}").into_bytes();
        let mut text = b"U+".to_vec();
        // Rust's own widths end at 65,535.
        text.resize(text.len() + width.saturating_sub(digits.len()), b'0');
        text.extend_from_slice(&digits);
        let c = u32::try_from(value).ok().and_then(char::from_u32).filter(|c| crate::unicode::is_print(*c));
        if let Some(c) = c.filter(|_| self.flags.sharp) {
            text.extend_from_slice(format!(" '{c}'").as_bytes());
        }
        self.pad_spaces(&text);
    }

    /// `%c`
    pub(crate) fn character(&mut self, value: u64) {
        self.pad(to_char(value).encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// `%q` of an integer.
    pub(crate) fn quoted_character(&mut self, value: u64) {
        let mut text = Vec::new();
        quote::append_char(&mut text, to_char(value), self.flags.plus);
        self.pad(&text);
    }

    fn truncate<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        let Some(precision) = self.flags.precision else { return text };
        let mut at = 0;
        for _ in 0..precision {
            if at >= text.len() {
                break;
            }
            at += quote::decode(&text[at..]).1;
        }
        &text[..at]
    }

    /// `%s`
    pub(crate) fn string(&mut self, text: &[u8]) {
        let text = self.truncate(text);
        self.pad(text);
    }

    /// `%q`
    pub(crate) fn quoted(&mut self, text: &[u8]) {
        let text = self.truncate(text);
        let mut quoted = Vec::with_capacity(text.len() + 2);
        if self.flags.sharp && quote::can_backquote(text) {
            quoted.push(b'`');
            quoted.extend_from_slice(text);
            quoted.push(b'`');
        } else {
            quote::append(&mut quoted, text, self.flags.plus);
        }
        self.pad(&quoted);
    }

    /// `%x` and `%X` of bytes.
    pub(crate) fn hex_bytes(&mut self, text: &[u8], upper: bool) {
        let text = &text[..text.len().min(self.flags.precision.unwrap_or(usize::MAX))];
        if text.is_empty() {
            return self.padding(self.flags.width.unwrap_or(0));
        }
        let Flags { space, sharp, .. } = self.flags;
        let mut width = 2 * text.len();
        if space {
            width = width * if sharp { 2 } else { 1 } + text.len() - 1;
        } else if sharp {
            width += 2;
        }
        let padding = self.flags.width.unwrap_or(0).saturating_sub(width);
        if !self.flags.minus {
            self.padding(padding);
        }
        let table = digits(upper);
        for (at, byte) in text.iter().enumerate() {
            if space && at > 0 {
                self.out.push(b' ');
            }
            if sharp && (space || at == 0) {
                self.out.extend_from_slice(&[b'0', table[16]]);
            }
            self.out.extend_from_slice(&[table[usize::from(byte >> 4)], table[usize::from(byte & 15)]]);
        }
        if self.flags.minus {
            self.padding(padding);
        }
    }

    /// A float by a verb of strconv, with a default precision.
    pub(crate) fn float(&mut self, value: f64, verb: u8, precision: Option<usize>) {
        let precision = self.flags.precision.or(precision);
        let mut num = Vec::with_capacity(24);
        num.push(b'+');
        float::append(&mut num, value, verb, precision);
        if matches!(num[1], b'-' | b'+') {
            num.remove(0);
        }
        if self.flags.space && num[0] == b'+' && !self.flags.plus {
            num[0] = b' ';
        }
        if matches!(num[1], b'I' | b'N') {
            if num[1] == b'N' && !self.flags.space && !self.flags.plus {
                num.remove(0);
            }
            return self.pad_spaces(&num);
        }
        if self.flags.sharp && verb != b'b' {
            keep_point(&mut num, verb, precision);
        }
        if !self.flags.plus && num[0] == b'+' {
            return self.pad(&num[1..]);
        }
        let width = self.flags.width.unwrap_or(0);
        if self.flags.zero && !self.flags.minus && width > num.len() {
            self.out.push(num[0]);
            self.padding(width - num.len());
            return self.write(&num[1..]);
        }
        self.pad(&num);
    }
}

/// The flag `#` keeps the decimal point and the zeros at the end.
fn keep_point(num: &mut Vec<u8>, verb: u8, precision: Option<usize>) {
    let mut digits = match verb {
        b'g' | b'G' | b'x' => precision.map_or(6, |digits| digits as i64),
        _ => 0,
    };
    let (mut point, mut nonzero, mut tail) = (false, false, Vec::new());
    for at in 1..num.len() {
        match num[at] {
            b'.' => point = true,
            b'p' | b'P' => tail = num.split_off(at),
            b'e' | b'E' if !matches!(verb, b'x' | b'X') => tail = num.split_off(at),
            byte => {
                nonzero |= byte != b'0';
                digits -= i64::from(nonzero);
            }
        }
        if !tail.is_empty() {
            break;
        }
    }
    if !point {
        if num.len() == 2 && num[1] == b'0' {
            digits -= 1;
        }
        num.push(b'.');
    }
    num.resize(num.len() + digits.max(0) as usize, b'0');
    num.append(&mut tail);
}

fn to_char(value: u64) -> char {
    u32::try_from(value).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// `utf8.RuneCount`
pub(crate) fn runes(text: &[u8]) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.utf8_chunks().map(|chunk| chunk.valid().chars().count() + chunk.invalid().len()).sum()
}

/// An unsigned number in decimal, without an allocation.
pub(crate) fn decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut text = [0; 20];
    let mut at = text.len();
    loop {
        at -= 1;
        text[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&text[at..]);
}
