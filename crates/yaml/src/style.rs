//! A scalar's text to the styles it can be written in, as goyaml's emitter decides.

use crate::chars;
use crate::resolve;
use crate::timestamp;

/// Which library is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// goyaml v2 as sigs.k8s.io/yaml uses it.
    V2,
    /// goyaml v3 as Helm's `toYamlPretty` uses it.
    V3,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// `'text'`
    Single,
    /// `"text"`
    Double,
    /// `|`
    Literal,
}

/// What a scalar's characters allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Analysis {
    /// It has line breaks.
    pub multiline: bool,
    plain: bool,
    single: bool,
    literal: bool,
}

/// What was seen in a scalar.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    indicators: bool,
    special: bool,
    tabs: bool,
    breaks: bool,
    edge: bool,
    trailing_space: bool,
    break_space: bool,
    space_break: bool,
}

/// Looks at each character of a scalar.
pub fn analyze(text: &str, dialect: Dialect) -> Analysis {
    if text.is_empty() {
        return Analysis { multiline: false, plain: true, single: true, literal: false };
    }
    let seen = look(text);
    let (special, tabs) = match dialect {
        Dialect::V2 => (seen.special || seen.tabs, false),
        Dialect::V3 => (seen.special, seen.tabs),
    };
    let unquotable = seen.space_break || special;
    Analysis {
        multiline: seen.breaks,
        plain: !(seen.edge || seen.break_space || unquotable || tabs || seen.breaks || seen.indicators),
        single: !(seen.break_space || unquotable || tabs),
        literal: !(seen.trailing_space || unquotable),
    }
}

/// What is seen in lines of printable ASCII; none for any other text.
fn look_ascii(text: &[u8]) -> Option<Seen> {
    if text.iter().fold(0, |other, byte| other | u8::from(!matches!(byte, b' '..=b'~' | b'\n'))) != 0 {
        return None;
    }
    let (first, last) = (*text.first()?, *text.last()?);
    let mut seen = Seen {
        indicators: text.starts_with(b"---") || text.starts_with(b"..."),
        edge: matches!(first, b' ' | b'\n') || matches!(last, b' ' | b'\n'),
        trailing_space: last == b' ',
        ..Seen::default()
    };
    seen.indicators |= match first {
        b'?' | b'-' => text.get(1).is_none_or(|next| *next == b' '),
        b',' | b'[' | b']' | b'{' | b'}' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\'' | b'"' | b'%' | b'@' | b'`' => true,
        _ => false,
    };
    seen.indicators |= memchr::memchr2_iter(b':', b'#', text).any(|at| match text[at] {
        b':' => text.get(at + 1).is_none_or(|next| *next == b' '),
        _ => at == 0 || matches!(text[at - 1], b' ' | b'\n'),
    });
    for at in memchr::memchr_iter(b'\n', text) {
        seen.breaks = true;
        seen.break_space |= text.get(at + 1) == Some(&b' ');
        seen.space_break |= at > 0 && text[at - 1] == b' ';
    }
    Some(seen)
}

fn look(text: &str) -> Seen {
    if let Some(seen) = look_ascii(text.as_bytes()) {
        return seen;
    }
    look_closely(text)
}

fn look_closely(text: &str) -> Seen {
    let mut seen = Seen { indicators: text.starts_with("---") || text.starts_with("..."), ..Seen::default() };
    let (mut after_space, mut after_break, mut after_blank) = (false, false, true);
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        let before_blank = matches!(next, None | Some(' ' | '\t'));
        seen.indicators |= match c {
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`'
                if at == 0 =>
            {
                true
            }
            '?' | '-' if at == 0 => before_blank,
            ':' => before_blank,
            '#' => after_blank,
            _ => false,
        };
        if c == '\t' {
            seen.tabs = true;
        } else if !chars::is_printable(c) {
            seen.special = true;
        }
        let (space, is_break) = (c == ' ', chars::is_break(c));
        if space {
            seen.edge |= at == 0 || next.is_none();
            seen.trailing_space |= next.is_none();
            seen.break_space |= after_break;
        } else if is_break {
            seen.breaks = true;
            seen.edge |= at == 0 || next.is_none();
            seen.space_break |= after_space;
        }
        after_space = space;
        after_break = is_break;
        after_blank = space || c == '\t' || is_break;
    }
    seen
}

/// Whether a string reads back as a string when it is written plain.
fn reads_as_text(text: &str) -> bool {
    resolve::implicit(text).is_none() && !timestamp::is_timestamp(text) && !is_base_60(text)
}

/// `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`: a number in base 60 to other readers of YAML 1.1.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let mut parts = whole.split(':');
    let first = parts.next().unwrap_or_default();
    let mut sixties = 0;
    let fit = parts.all(|part| {
        sixties += 1;
        matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9'])
    });
    is_number(first) && fit && sixties > 0 && is_number(fraction)
}

/// The style of a string.
pub fn of_string(text: &str, analysis: &Analysis, simple_key: bool) -> Style {
    if analysis.multiline && text.contains('\n') {
        let literal = analysis.literal && !simple_key;
        return if literal { Style::Literal } else { Style::Double };
    }
    if simple_key && analysis.multiline || !reads_as_text(text) {
        return Style::Double;
    }
    match (analysis.plain, analysis.single) {
        (true, _) => Style::Plain,
        (false, true) => Style::Single,
        (false, false) => Style::Double,
    }
}

#[cfg(test)]
mod tests {
    use super::{look_ascii, look_closely};

    /// All texts of up to four of these characters.
    #[test]
    fn the_fast_look_sees_the_same() {
        const LETTERS: &[u8] = b"a -.:#?'~\n";
        let mut texts: Vec<Vec<u8>> = vec![Vec::new()];
        for _ in 0..4 {
            let longer: Vec<_> =
                texts.iter().flat_map(|text| LETTERS.iter().map(|c| [text.as_slice(), &[*c]].concat())).collect();
            texts.extend(longer);
        }
        for text in texts.iter().filter(|text| !text.is_empty()) {
            let plain = std::str::from_utf8(text).expect("it is ASCII");
            assert_eq!(look_ascii(text), Some(look_closely(plain)), "{plain:?}");
        }
        assert_eq!(look_ascii("é".as_bytes()), None);
        assert_eq!(look_ascii(b"a\tb"), None);
    }
}
