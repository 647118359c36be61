//! The bytes of a head → its lines one after the other, each read once, or that one is not what every reader takes it for.

/// The characters of a name (RFC 9110, 5.6.2).
pub const NAME: [bool; 256] = letters_and(b"!#$%&'*+-.^_`|~");
/// Bytes that are looked at in one step.
const STEP: usize = 8;
const ONES: u64 = u64::from_ne_bytes([0x01; STEP]);
const SPACES: u64 = u64::from_ne_bytes([b' '; STEP]);
const DELETES: u64 = u64::from_ne_bytes([0x7f; STEP]);
const HIGH_BITS: u64 = u64::from_ne_bytes([0x80; STEP]);

/// What is next in a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// A header: its name, and its value without the space around it.
    Header(&'a [u8], &'a [u8]),
    /// The empty line that ends the head.
    End,
    /// What has not come yet.
    Partial,
    /// Something that two readers could take for two things: a line that ends or is folded in another way, a name or a value
    /// with other characters (RFC 9112, 2.2 and 5).
    Odd,
}

/// The header lines of a head.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    /// Those that begin at `at`, which is in `bytes` or their end.
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Where the next line begins.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The next line.
    pub fn read(&mut self) -> Next<'a> {
        let colon = end_of(self.bytes, self.at, &NAME);
        match self.bytes.get(colon) {
            Some(b':') if colon > self.at => {}
            Some(_) if colon > self.at => return Next::Odd,
            None => return Next::Partial,
            Some(_) => return self.end(self.at).unwrap_or(Next::End),
        }
        let mut begin = colon + 1;
        while let Some(b' ' | b'\t') = self.bytes.get(begin) {
            begin += 1;
        }
        let end = end_of_value(self.bytes, begin);
        let (name, value) = (&self.bytes[self.at..colon], self.bytes[begin..end].trim_ascii_end());
        self.end(end).unwrap_or(Next::Header(name, value))
    }

    /// Goes on behind the line that ends at `at`, unless it does not.
    fn end(&mut self, at: usize) -> Option<Next<'a>> {
        match &self.bytes[at..] {
            [b'\r', b'\n', ..] => {
                self.at = at + 2;
                None
            }
            [] | [b'\r'] => Some(Next::Partial),
            _ => Some(Next::Odd),
        }
    }
}

/// Letters, digits and others.
pub const fn letters_and(others: &[u8]) -> [bool; 256] {
    let (mut all, mut at) = ([false; 256], 0);
    while at < 256 {
        all[at] = (at as u8).is_ascii_alphanumeric();
        at += 1;
    }
    at = 0;
    while at < others.len() {
        all[others[at] as usize] = true;
        at += 1;
    }
    all
}

/// Where the bytes end that are among `all`, from `at` on.
pub fn end_of(bytes: &[u8], at: usize, all: &[bool; 256]) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| !all[usize::from(*byte)]).unwrap_or(rest.len())
}

/// Where a value ends that begins at `at`: at the first control character that is no tab, or where the bytes end.
pub fn end_of_value(bytes: &[u8], mut at: usize) -> usize {
    while let Some(step) = bytes.get(at..).and_then(<[u8]>::first_chunk::<STEP>) {
        let step = u64::from_le_bytes(*step);
        // The lowest high bit that is left stands where the first one is (Warren, Hacker's Delight, 6-1).
        let controls = step.wrapping_sub(SPACES) & !step;
        let deletes = (step ^ DELETES).wrapping_sub(ONES) & !(step ^ DELETES);
        let found = (controls | deletes) & HIGH_BITS;
        if found == 0 {
            at += STEP;
            continue;
        }
        at += (found.trailing_zeros() / 8) as usize;
        if bytes.get(at) != Some(&b'\t') {
            return at;
        }
        at += 1;
    }
    let is_of_value = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    at + bytes.get(at..).map_or(0, |rest| rest.iter().take_while(|byte| is_of_value(byte)).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_end_at_the_first_control_character() {
        for byte in 0..=255_u8 {
            let is_of_value = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
            for at in 0..40 {
                let mut bytes = vec![b'x'; 40];
                (bytes[at], bytes[39 - at]) = (byte, byte);
                let expect = if is_of_value { 40 } else { at.min(39 - at) };
                assert_eq!(end_of_value(&bytes, 0), expect, "{byte:#x} at {at}");
                // Bytes of 0x80 and more borrow nothing from those above them.
                bytes.iter_mut().filter(|byte| **byte == b'x').for_each(|byte| *byte = 0x80);
                assert_eq!(end_of_value(&bytes, 0), expect, "{byte:#x} at {at}");
            }
        }
        assert_eq!((end_of_value(b"", 0), end_of_value(b"abc", 3)), (0, 3));
    }

    #[test]
    fn lines_are_headers_and_nothing_else() {
        let check = |text: &str, expect: &[Next<'_>]| {
            let mut lines = Lines::new(text.as_bytes(), 0);
            let mut got = Vec::new();
            loop {
                let next = lines.read();
                got.push(next);
                if !matches!(next, Next::Header(..)) {
                    break;
                }
            }
            assert_eq!(got, expect, "{text:?}");
        };
        let header = |name: &'static str, value: &'static str| Next::Header(name.as_bytes(), value.as_bytes());
        check("A: b\r\nC:d \t\r\nE: \r\n\r\nx", &[header("A", "b"), header("C", "d"), header("E", ""), Next::End]);
        check("A: b\tc d\u{e9}\r\n\r\n", &[header("A", "b\tc d\u{e9}"), Next::End]);
        for partial in ["", "A", "A:", "A: ", "A: b", "A: b\r", "\r"] {
            check(partial, &[Next::Partial]);
        }
        for odd in [
            "\n",
            "\rx",
            " A: b\r\n",
            ": b\r\n",
            "A : b\r\n",
            "A\r\n",
            "A: b\n",
            "A: b\rc\r\n",
            "A: \0\r\n",
            "A: \x7f\r\n",
        ] {
            check(odd, &[Next::Odd]);
        }
    }
}
