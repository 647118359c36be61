//! A manifest in plain block style to its head, in one pass over its lines; anything unusual is left to the full reader.
//!
//! What is accepted here is valid YAML of which the full reader makes the same head; when in doubt the answer is none.

use masthead_yaml::resolve;

use crate::head::Head;

/// The head, where the text is plain enough to be sure.
pub(crate) fn read(text: &str) -> Option<Head> {
    let mut reader = Reader { levels: Vec::with_capacity(16), awaiting: true, head: Head::default(), seen: 0 };
    let mut lines = Lines { rest: text };
    while let Some(line) = lines.next() {
        reader.line(line, &mut lines)?;
    }
    reader.head.annotations.sort();
    // A text without any entry is null or a scalar.
    (!reader.levels.is_empty()).then_some(reader.head)
}

struct Lines<'t> {
    rest: &'t str,
}

impl<'t> Lines<'t> {
    fn next(&mut self) -> Option<&'t str> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        Some(line)
    }
}

/// Where in the head a level's entries belong.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Root,
    Metadata,
    Annotations,
    Elsewhere,
}

/// A mapping or a sequence that is open.
#[derive(Clone, Copy)]
struct Level {
    indent: usize,
    is_map: bool,
    place: Place,
    /// Where the entries of a mapping below the last key belong.
    inner: Place,
}

struct Reader {
    levels: Vec<Level>,
    /// The last key, or a dash, has no value yet.
    awaiting: bool,
    head: Head,
    /// Which keys of the head there were, as bits: a second one is left to the full reader.
    seen: u8,
}

/// A value on the line of its key.
enum Scalar<'t> {
    /// Nothing: what follows is the value, or it is null.
    Nothing,
    /// Its text where it is plain or quoted without escapes.
    Text { text: &'t str, quoted: bool },
    /// A quoted text with escapes, or an empty collection or one on one line.
    Opaque,
    /// `|` or `>`.
    Block,
}

impl Reader {
    fn line<'t>(&mut self, line: &'t str, lines: &mut Lines<'t>) -> Option<()> {
        // Bytes that may be no allowed character, a line break, or a tab where only spaces may be.
        if line.bytes().any(|b| b < 0x20 || matches!(b, 0x7F | 0xC2 | 0xE2 | 0xEF)) {
            return None;
        }
        let content = line.trim_start_matches(' ');
        if content.is_empty() || content.starts_with('#') {
            return Some(());
        }
        let mut column = line.len() - content.len();
        if column == 0 && (line.starts_with("---") || line.starts_with("...")) {
            return None;
        }
        let mut content = content.trim_end_matches(' ');
        while let Some(rest) = dash(content) {
            self.open(column, false)?;
            self.awaiting = true;
            let inner = rest.trim_start_matches(' ');
            column += content.len() - inner.len();
            content = inner;
            if content.is_empty() {
                return Some(());
            }
        }
        let end = match key(content) {
            Some((key, rest)) => {
                self.open(column, true)?;
                self.entry(key, scalar(rest)?)?
            }
            None => {
                // A scalar may only be an item of a sequence, on the dash's line.
                let item = self.levels.last().is_some_and(|level| !level.is_map && level.indent < column);
                if !(item && self.awaiting && line.trim_start_matches(' ').starts_with('-')) {
                    return None;
                }
                self.awaiting = false;
                matches!(scalar(content)?, Scalar::Block)
            }
        };
        if end { self.block(lines) } else { Some(()) }
    }

    /// An entry of a mapping or a sequence stands at a column.
    fn open(&mut self, column: usize, is_map: bool) -> Option<()> {
        while self.levels.last().is_some_and(|level| level.indent > column) {
            self.levels.pop();
            // What was awaited deeper is null.
            self.awaiting = false;
        }
        match self.levels.last() {
            None => {
                if self.seen & SEEN_ROOT != 0 || !is_map {
                    return None;
                }
                self.seen |= SEEN_ROOT;
                self.levels.push(Level { indent: column, is_map, place: Place::Root, inner: Place::Elsewhere });
            }
            Some(level) if level.indent == column => match (level.is_map, is_map) {
                (true, true) | (false, false) => {}
                // A sequence at its key's column.
                (true, false) if self.awaiting && level.inner == Place::Elsewhere => {
                    let place = Place::Elsewhere;
                    self.levels.push(Level { indent: column, is_map, place, inner: place });
                }
                // The key after such a sequence.
                (false, true) => {
                    self.levels.pop();
                    let below = self.levels.last()?;
                    if !(below.is_map && below.indent == column) {
                        return None;
                    }
                }
                (true, false) => return None,
            },
            Some(level) => {
                if !self.awaiting {
                    return None;
                }
                let place = if level.is_map { level.inner } else { Place::Elsewhere };
                if !is_map && place != Place::Elsewhere {
                    return None;
                }
                self.levels.push(Level { indent: column, is_map, place, inner: Place::Elsewhere });
            }
        }
        self.awaiting = false;
        Some(())
    }

    /// A key of the innermost mapping and its value; whether a block of text follows.
    fn entry(&mut self, key: &str, value: Scalar<'_>) -> Option<bool> {
        let level = self.levels.last_mut()?;
        level.inner = Place::Elsewhere;
        self.awaiting = matches!(value, Scalar::Nothing);
        match level.place {
            Place::Root => {
                let found = one_of(key, &["apiVersion", "kind", "metadata"])?;
                match found {
                    Some(0) => self.head.version = self.once(SEEN_VERSION, &value)?,
                    Some(1) => self.head.kind = self.once(SEEN_KIND, &value)?,
                    Some(_) => self.inside(SEEN_METADATA, &value, Place::Metadata)?,
                    None => {}
                }
            }
            Place::Metadata => match one_of(key, &["name", "annotations"])? {
                Some(0) => self.head.name = self.once(SEEN_NAME, &value)?,
                Some(_) => self.inside(SEEN_ANNOTATIONS, &value, Place::Annotations)?,
                None => {}
            },
            Place::Annotations => {
                let value = string(&value)?;
                if self.head.annotations.iter().any(|(known, _)| known == key) {
                    return None;
                }
                self.head.annotations.push((key.to_owned(), value));
            }
            Place::Elsewhere => {}
        }
        Some(matches!(value, Scalar::Block))
    }

    /// A string of the head.
    fn once(&mut self, bit: u8, value: &Scalar<'_>) -> Option<String> {
        if self.seen & bit != 0 {
            return None;
        }
        self.seen |= bit;
        string(value)
    }

    /// A mapping of the head begins.
    fn inside(&mut self, bit: u8, value: &Scalar<'_>, place: Place) -> Option<()> {
        if self.seen & bit != 0 || !matches!(value, Scalar::Nothing) {
            return None;
        }
        self.seen |= bit;
        self.levels.last_mut()?.inner = place;
        Some(())
    }

    /// Passes a block of text: lines that are deeper than the entry it belongs to.
    fn block(&mut self, lines: &mut Lines<'_>) -> Option<()> {
        let outer = self.levels.last()?.indent;
        let first = lines.rest.split('\n').next()?;
        let indent = first.len() - first.trim_start_matches(' ').len();
        // An empty first line leaves the indentation open, a shallow one leaves the text empty.
        if first.trim_matches(' ').is_empty() || indent <= outer {
            return None;
        }
        loop {
            let line = lines.rest.split('\n').next().unwrap_or_default();
            let spaces = line.len() - line.trim_start_matches(' ').len();
            if spaces < line.len() && spaces < indent {
                // What ends the text must belong to something that is open; a tab or a comment needs a closer look.
                let next = line.as_bytes()[spaces];
                return (next != b'\t' && next != b'#' && spaces <= outer).then_some(());
            }
            if line.bytes().any(|b| (b < 0x20 && b != b'\t') || matches!(b, 0x7F | 0xC2 | 0xE2 | 0xEF)) {
                return None;
            }
            lines.next()?;
            if lines.rest.is_empty() {
                return Some(());
            }
        }
    }
}

const SEEN_ROOT: u8 = 1;
const SEEN_VERSION: u8 = 2;
const SEEN_KIND: u8 = 4;
const SEEN_METADATA: u8 = 8;
const SEEN_NAME: u8 = 16;
const SEEN_ANNOTATIONS: u8 = 32;

/// What follows a dash that begins an item.
fn dash(content: &str) -> Option<&str> {
    match content.strip_prefix('-') {
        Some("") => Some(""),
        Some(rest) if rest.starts_with(' ') => Some(rest),
        _ => None,
    }
}

/// Which of the names a key is; none at all where it is one of them but for its case.
#[expect(clippy::option_option, reason = "no name, and no answer, are two things")]
fn one_of(key: &str, names: &[&str]) -> Option<Option<usize>> {
    match names.iter().position(|name| name.eq_ignore_ascii_case(key)) {
        Some(at) if names[at] == key => Some(Some(at)),
        Some(_) => None,
        None => Some(None),
    }
}

/// A string where the value surely is one.
fn string(value: &Scalar<'_>) -> Option<String> {
    match value {
        Scalar::Text { text, quoted } if *quoted || resolve::implicit(text).is_none() => Some((*text).to_owned()),
        _ => None,
    }
}

/// A key and what follows its `:`; only keys that are surely strings, or numbers that become strings.
fn key(content: &str) -> Option<(&str, &str)> {
    let bytes = content.as_bytes();
    let first = *bytes.first()?;
    if matches!(first, b'"' | b'\'') {
        let close = content[1..].find(char::from(first))? + 1;
        let rest = content[close + 1..].strip_prefix(':')?;
        let key = &content[1..close];
        let plain = !key.contains('\\') && key.len() < 1000;
        return (plain && (rest.is_empty() || rest.starts_with(' '))).then_some((key, rest));
    }
    if !(first.is_ascii_alphanumeric() || matches!(first, b'_' | b'/' | b'$')) {
        return None;
    }
    let length =
        bytes.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'/' | b'$' | b'.' | b'-')).count();
    let rest = content[length..].strip_prefix(':')?;
    let key = &content[..length];
    let odd = matches!(key, "null" | "Null" | "NULL") || (first.is_ascii_digit() && length > 17) || length > 1000;
    ((rest.is_empty() || rest.starts_with(' ')) && !odd).then_some((key, rest))
}

/// The value on the rest of a line; none where it is not surely whole and well-formed.
fn scalar(rest: &str) -> Option<Scalar<'_>> {
    let text = rest.trim_matches(' ');
    let bytes = text.as_bytes();
    let Some(first) = bytes.first() else { return Some(Scalar::Nothing) };
    match first {
        b'"' => {
            let inner = text[1..].strip_suffix('"')?;
            if !inner.contains(['"', '\\']) {
                return Some(Scalar::Text { text: inner, quoted: true });
            }
            let mut chars = inner.chars();
            while let Some(c) = chars.next() {
                let fine = match c {
                    '"' => false,
                    '\\' => matches!(chars.next(), Some('n' | 't' | '"' | '\\' | '/' | 'r')),
                    _ => true,
                };
                if !fine {
                    return None;
                }
            }
            Some(Scalar::Opaque)
        }
        b'\'' => {
            let inner = text[1..].strip_suffix('\'')?;
            if !inner.contains('\'') {
                return Some(Scalar::Text { text: inner, quoted: true });
            }
            (!inner.replace("''", "").contains('\'')).then_some(Scalar::Opaque)
        }
        b'|' | b'>' if matches!(&text[1..], "" | "-" | "+") => Some(Scalar::Block),
        b'{' if text == "{}" => Some(Scalar::Opaque),
        b'[' => flow(text),
        b'-' | b'+' | b'.' => {
            // `-x` and `./x` are text; `-.inf` and `.nan` are floats that JSON lacks.
            let third = bytes.get(1)?;
            (!matches!(third, b' ' | b'.' | b'i' | b'I' | b'n' | b'N')).then_some(())?;
            plain(text)
        }
        b'?' | b':' | b',' | b']' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'%' | b'@' | b'`' | b'{' => None,
        _ => plain(text),
    }
}

fn plain(text: &str) -> Option<Scalar<'_>> {
    let safe = !text.contains(": ") && !text.contains(" #") && !text.ends_with(':');
    safe.then_some(Scalar::Text { text, quoted: false })
}

/// A sequence of simple texts on one line.
fn flow(text: &str) -> Option<Scalar<'_>> {
    let inner = text[1..].strip_suffix(']')?.trim_matches(' ');
    if inner.is_empty() {
        return Some(Scalar::Opaque);
    }
    for item in inner.split(',') {
        let item = item.trim_matches(' ');
        let word = item.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let first = item.bytes().next()?;
        let fine = match word {
            Some(word) => word.bytes().all(|b| !matches!(b, b'"' | b'\\')),
            None => {
                first.is_ascii_alphanumeric()
                    && item.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/'))
            }
        };
        if !fine {
            return None;
        }
    }
    Some(Scalar::Opaque)
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::head;

    const MANIFEST: &str = "# a comment
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  annotations:
    helm.sh/hook: \"pre-install\"
    checksum/config: 'abc'
  labels: {}
spec:
  replicas: 2
  template:
    spec:
      containers:
      - name: a
        args: [\"--x\", y]
        command:
          - sh
          - -c
          - |
            echo: hello
              deeper

            end
        env:
        - name: B
          value: \"it's \\\"quoted\\\"\"
      - name: c
        image: a/b:1.2
";

    #[test]
    fn plain_manifests_are_read_at_once() {
        let fast = read(MANIFEST).expect("it is plain");
        assert_eq!(head::full(MANIFEST), Ok(fast));
        assert!(read("a: b: c").is_none() && read("").is_none() && read("a:\n  b\n").is_none());
    }

    /// Each line changed, left out, doubled or moved: what is accepted is what the full reader accepts and makes of it.
    #[test]
    fn what_is_accepted_is_what_the_full_reader_makes_of_it() {
        let lines: Vec<&str> = MANIFEST.lines().collect();
        let pieces = [
            "", " ", "  ", "- ", "x", ": ", "\"", "'", "{", "}", "[", "]", "#", " #", "|", ">-", "&a ", "*a", "!t ",
            "? ", "~", "null", ".inf", "\t", "---", "%", "@", "-", ":", "<<: ", "1", "é", "\u{85}",
        ];
        let mut state = 1_u64;
        let mut next = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % bound
        };
        let mut accepted = 0;
        for case in 0..20_000 {
            let mut text: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            for _ in 0..=next(3) {
                let at = next(text.len());
                match next(6) {
                    0 => drop(text.remove(at)),
                    1 => text.insert(at, text[next(text.len())].clone()),
                    2 => text[at].insert(0, ' '),
                    3 => {
                        let trimmed = text[at].strip_prefix(' ').map(str::to_owned);
                        text[at] = trimmed.unwrap_or_default();
                    }
                    _ => {
                        let line = &text[at];
                        let place = (0..=line.len())
                            .filter(|place| line.is_char_boundary(*place))
                            .nth(next(line.len() + 1))
                            .unwrap_or(0);
                        let piece = pieces[next(pieces.len())];
                        text[at].insert_str(place, piece);
                    }
                }
            }
            let text = text.join("\n");
            if let Some(fast) = read(&text) {
                accepted += 1;
                assert_eq!(head::full(&text), Ok(fast), "case {case}:\n{text}");
            }
        }
        assert!(accepted > 1000, "{accepted} accepted");
    }
}
