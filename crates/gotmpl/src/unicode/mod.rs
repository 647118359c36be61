//! Classes of characters as Go's `unicode` and `strconv` tell them apart.
use table::{DIGIT, LETTER, PRINT};

mod table;

/// `unicode.IsLetter`
pub fn is_letter(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphabetic() } else { within(&LETTER, c) }
}

/// `unicode.IsDigit`
pub fn is_digit(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_digit() } else { within(&DIGIT, c) }
}

/// `strconv.IsPrint`, which is `unicode.IsPrint`.
pub fn is_print(c: char) -> bool {
    if c.is_ascii() { matches!(c, ' '..='~') } else { within(&PRINT, c) }
}

fn within(ranges: &[(u32, u32)], c: char) -> bool {
    let code = u32::from(c);
    let at = ranges.partition_point(|range| range.1 < code);
    ranges.get(at).is_some_and(|range| range.0 <= code)
}

#[cfg(test)]
mod tests {
    use super::{is_digit, is_letter, is_print};

    #[test]
    fn as_many_characters_as_go_counts() {
        let count = |class: fn(char) -> bool| ('\0'..=char::MAX).filter(|c| class(*c)).count();
        assert_eq!((count(is_print), count(is_letter), count(is_digit)), (148_998, 136_104, 680));
    }
}
