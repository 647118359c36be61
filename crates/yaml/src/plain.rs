//! YAML in plain block style to what it holds, in one pass over its lines; anything unusual is left to the full reader.
//!
//! What is accepted here the full reader accepts too, and makes the same of it; when in doubt the answer is none.

use std::borrow::Cow;

use crate::resolve;

/// How deep collections may nest here.
const DEPTH_MAX: usize = 64;
/// Texts up to this length are read here; what is in them stays below every bound of the full reader.
const BYTES_MAX: usize = 8 << 20;
/// Bytes that are looked at in one go.
const CHUNK_BYTES: usize = 128;
/// A key that the full reader surely takes for one.
const KEY_BYTES_MAX: usize = 500;

/// Takes what a text holds, in its order. None as an answer leaves the text to the full reader.
pub trait Sink {
    /// A mapping begins, as a value.
    fn mapping(&mut self) -> Option<()>;
    /// A sequence begins, as a value.
    fn sequence(&mut self) -> Option<()>;
    /// The innermost mapping or sequence ends.
    fn end(&mut self);
    /// A key of the innermost mapping. Its value follows.
    fn key(&mut self, key: &str) -> Option<()>;
    /// A value that is no block collection.
    fn value(&mut self, value: Value<'_>) -> Option<()>;
}

/// A value as it is written.
#[derive(Clone, Copy)]
pub enum Value<'t> {
    /// Nothing.
    Null,
    /// Without quotes: a text, a number, a word.
    Plain(&'t str),
    /// In quotes, which are left out, with nothing in it that means something else.
    Quoted(&'t str),
    /// In double quotes, which are left out, with escapes; it may have several lines.
    Escaped(&'t str),
    /// In single quotes, which are left out, with doubled ones; it may have several lines.
    Doubled(&'t str),
    /// Without quotes, of several lines.
    Folded(&'t str),
    /// `{}`
    EmptyMapping,
    /// `[a, "b"]`, without the brackets.
    List(&'t str),
    /// A block of text.
    Block(Block<'t>),
}

/// A block of text.
#[derive(Clone, Copy)]
pub struct Block<'t> {
    /// Its lines as they stand in the file.
    lines: &'t str,
    /// How far they are indented.
    indent: usize,
    /// `|`, or else `>`.
    literal: bool,
    /// `-`, `+` or a blank.
    chomp: u8,
}

impl Block<'_> {
    /// The text of a literal block; of a folded one only if its lines are all alike, with nothing between them.
    pub fn text(&self) -> Option<String> {
        if !self.literal && !self.lines.is_empty() {
            return self.folded();
        }
        let mut text = String::with_capacity(self.lines.len());
        for line in self.lines.split_inclusive('\n') {
            let spaces = indent(line).min(self.indent);
            text.push_str(&line[spaces..]);
        }
        let filled = text.trim_end_matches('\n').len();
        match self.chomp {
            b'+' => {}
            b'-' => text.truncate(filled),
            _ => text.truncate((filled + 1).min(text.len())),
        }
        Some(text)
    }

    fn folded(&self) -> Option<String> {
        let lines = self.lines.trim_end_matches('\n');
        // Empty lines at the end would count.
        if self.chomp == b'+' || lines.ends_with(' ') {
            return None;
        }
        let mut text = String::with_capacity(lines.len() + 1);
        for line in lines.split('\n') {
            let line = line.get(self.indent..).filter(|line| !line.starts_with([' ', '\t']) && !line.is_empty())?;
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(line);
        }
        if self.chomp != b'-' && self.lines.len() > lines.len() {
            text.push('\n');
        }
        Some(text)
    }
}

/// Reads a text whose root is a mapping.
pub fn read<S: Sink>(text: &str, sink: &mut S) -> Option<()> {
    if text.len() > BYTES_MAX || !is_plain(text) {
        return None;
    }
    let has_tabs = text.as_bytes().contains(&b'\t');
    let lines = Lines { text, at: 0, has_tabs };
    let levels = Vec::with_capacity(16);
    let mut reader = Reader { sink, lines, levels, awaiting: true, begun: false, marked: false };
    while let Some(line) = reader.lines.next() {
        reader.line(line)?;
    }
    while !reader.levels.is_empty() {
        reader.close()?;
    }
    // A text without any entry is null or a scalar.
    reader.begun.then_some(())
}

/// Whether there is no line break but `\n`, no byte order mark, and no character that YAML refuses.
fn is_plain(text: &str) -> bool {
    let suspect =
        |b: u8| ((b < 0x20) & (b != b'\n') & (b != b'\t')) | (b == 0x7F) | (b == 0xC2) | (b == 0xE2) | (b == 0xEF);
    let bytes = text.as_bytes();
    // Characters that are refused begin with a suspect byte; what follows it tells.
    let is_refused = |at: usize| match bytes[at..] {
        [0xC2, next, ..] => next < 0xA0,
        [0xE2, 0x80, last, ..] => matches!(last, 0xA8 | 0xA9),
        [0xEF, 0xBB, last, ..] => last == 0xBF,
        [0xEF, 0xBF, last, ..] => last >= 0xBE,
        [first, ..] => first.is_ascii(),
        [] => false,
    };
    bytes.chunks(CHUNK_BYTES).enumerate().all(|(chunk, some)| {
        let is_suspect = some.iter().fold(false, |found, b| found | suspect(*b));
        let found = |(at, b): (usize, &u8)| suspect(*b) && is_refused(chunk * CHUNK_BYTES + at);
        !is_suspect || !some.iter().enumerate().any(found)
    })
}

fn indent(line: &str) -> usize {
    line.bytes().take_while(|byte| *byte == b' ').count()
}

/// A line: where it begins and what is in it.
type Line<'t> = (usize, &'t str);

struct Lines<'t> {
    text: &'t str,
    /// Where the next line begins.
    at: usize,
    has_tabs: bool,
}

impl<'t> Lines<'t> {
    fn next(&mut self) -> Option<Line<'t>> {
        let at = self.at;
        let rest = self.text.get(at..).filter(|rest| !rest.is_empty())?;
        let length = memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
        self.at = at + length + 1;
        Some((at, &rest[..length]))
    }

    /// Whether the next line surely is not deeper than something: it begins within so many columns.
    fn is_next_within(&self, outer: usize) -> bool {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let spaces = rest.iter().take(outer + 1).take_while(|byte| **byte == b' ').count();
        spaces <= outer && rest.get(spaces).is_some_and(|byte| *byte != b'\n')
    }

    /// The rest of a plain scalar that begins at `from` and, so far, ends at `end`: lines deeper than what it belongs to.
    fn plain(&mut self, from: usize, end: usize, outer: Option<usize>) -> Option<Value<'t>> {
        if outer.is_some_and(|outer| self.is_next_within(outer)) {
            return Some(Value::Plain(&self.text[from..end]));
        }
        let mut end = end;
        let back = loop {
            let back = self.at;
            let Some((at, line)) = self.next() else { break back };
            let spaces = indent(line);
            let content = line[spaces..].trim_end_matches(' ');
            if content.is_empty() {
                continue;
            }
            if content.starts_with('#') || outer.is_none_or(|outer| spaces <= outer) {
                break back;
            }
            // A comment behind it would end the scalar.
            if (self.has_tabs && content.contains('\t')) || plain(content)?.len() < content.len() {
                return None;
            }
            end = at + spaces + content.len();
        };
        // Empty lines before the line that ended it are of no account.
        self.at = back;
        let raw = &self.text[from..end];
        Some(if raw.contains('\n') { Value::Folded(raw) } else { Value::Plain(raw) })
    }

    /// The rest of a quoted scalar whose first line, from behind the quote at `from`, does not end it.
    fn quoted(&mut self, from: usize, mark: u8) -> Option<Value<'t>> {
        let (mut at, mut odd) = (from, false);
        let bytes = self.text.as_bytes();
        loop {
            match *bytes.get(at)? {
                b'\\' if mark == b'"' => {
                    if !matches!(bytes.get(at + 1)?, b'n' | b't' | b'"' | b'\\' | b'r' | b' ' | b'\n') {
                        return None;
                    }
                    odd = true;
                    // A break is looked at next.
                    at += if bytes[at + 1] == b'\n' { 1 } else { 2 };
                }
                b'\t' => return None,
                b'\n' if matches!(bytes.get(at + 1..at + 4), Some(b"---" | b"...")) => return None,
                b'\n' => {
                    odd = true;
                    at += 1;
                }
                byte if byte != mark => at += 1,
                _ if mark == b'\'' && bytes.get(at + 1) == Some(&b'\'') => {
                    odd = true;
                    at += 2;
                }
                _ => break,
            }
        }
        let (inner, rest) = (&self.text[from..at], &self.text[at + 1..]);
        let line = rest.split_once('\n').map_or(rest, |(line, _)| line);
        self.at = at + 1 + line.len() + 1;
        is_end(line.trim_end_matches(' ')).then_some(match (odd, mark) {
            (false, _) => Value::Quoted(inner),
            (true, b'"') => Value::Escaped(inner),
            (true, _) => Value::Doubled(inner),
        })
    }

    /// A block of text: lines that are deeper than the entry it belongs to.
    fn block(&mut self, outer: usize, literal: bool, chomp: u8) -> Option<Value<'t>> {
        let start = self.at;
        let mut blank = 0;
        // The first line that is not empty decides; at its end an empty text stays empty, unless breaks are kept.
        let deep = loop {
            let back = self.at;
            match self.next() {
                Some((_, line)) if indent(line) == line.len() => blank = blank.max(line.len()),
                Some((_, line)) if indent(line) > outer => {
                    let deep = indent(line);
                    // A tab may count as either.
                    if blank > deep || line.as_bytes()[deep] == b'\t' {
                        return None;
                    }
                    break deep;
                }
                _ if chomp == b'+' => return None,
                Some((_, line)) if line.as_bytes()[indent(line)] == b'\t' => return None,
                _ => {
                    self.at = back;
                    return Some(Value::Block(Block { lines: "", indent: 0, literal, chomp }));
                }
            }
        };
        while let Some((at, line)) = self.next() {
            let spaces = indent(line);
            if spaces < line.len() && spaces < deep {
                // What ends the text must belong to something that is open; a tab needs a closer look.
                let next = line.as_bytes()[spaces];
                if next == b'\t' || (next != b'#' && spaces > outer) {
                    return None;
                }
                self.at = at;
                break;
            }
        }
        let lines = &self.text[start..self.at.min(self.text.len())];
        Some(Value::Block(Block { lines, indent: deep, literal, chomp }))
    }
}

/// A mapping or a sequence that is open.
#[derive(Clone, Copy)]
struct Level {
    indent: usize,
    is_map: bool,
}

struct Reader<'t, 's, S> {
    sink: &'s mut S,
    lines: Lines<'t>,
    levels: Vec<Level>,
    /// The last key, or the last dash, has no value yet; at first it is the text that has none.
    awaiting: bool,
    /// The root has begun.
    begun: bool,
    /// There was a `---`.
    marked: bool,
}

impl<'t, S: Sink> Reader<'t, '_, S> {
    fn line(&mut self, (start, line): Line<'t>) -> Option<()> {
        let mut column = indent(line);
        let mut content = &line[column..];
        if content.is_empty() || content.starts_with('#') {
            return Some(());
        }
        if self.lines.has_tabs && content.contains('\t') {
            return None;
        }
        if column == 0 && (line.starts_with("---") || line.starts_with("...")) {
            let first = !self.begun && !self.marked && line.trim_end_matches(' ') == "---";
            self.marked = true;
            return first.then_some(());
        }
        content = content.trim_end_matches(' ');
        let mut is_value = self.levels.last().is_some_and(|level| self.awaiting && level.indent < column);
        while let Some(rest) = dash(content) {
            self.open(column, false)?;
            self.awaiting = true;
            is_value = true;
            let inner = rest.trim_start_matches(' ');
            column += content.len() - inner.len();
            content = inner;
            if content.is_empty() || content.starts_with('#') {
                return Some(());
            }
        }
        match key(content) {
            Some((key, rest)) => {
                self.open(column, true)?;
                self.sink.key(key)?;
                let value = rest.trim_start_matches(' ');
                self.value(start + column + content.len() - value.len(), value)
            }
            // A scalar may only follow a dash, or stand below a key or a dash that has no value yet.
            None if is_value => self.value(start + column, content),
            None => None,
        }
    }

    /// The value that begins at a place of the text, and the rest of the line there; none where it is not surely whole
    /// and well-formed.
    fn value(&mut self, at: usize, text: &'t str) -> Option<()> {
        self.awaiting = false;
        let bytes = text.as_bytes();
        let outer = self.levels.last().map(|level| level.indent);
        let value = match bytes.first() {
            None | Some(b'#') => {
                self.awaiting = true;
                return Some(());
            }
            Some(mark @ (b'"' | b'\'')) => self.lines.quoted(at + 1, *mark)?,
            Some(mark @ (b'|' | b'>')) => {
                let chomp = match &text[1..] {
                    "" => b' ',
                    "-" => b'-',
                    "+" => b'+',
                    _ => return None,
                };
                self.lines.block(outer?, *mark == b'|', chomp)?
            }
            Some(b'{') if is_end(text[1..].trim_start_matches(' ').strip_prefix('}')?) => Value::EmptyMapping,
            Some(b'[') => list(text)?,
            Some(b',' | b']' | b'}' | b'&' | b'*' | b'!' | b'%' | b'@' | b'`' | b'{') => return None,
            Some(b'-' | b'?' | b':') if matches!(bytes.get(1), None | Some(b' ')) => return None,
            Some(_) if is_special_float(text) => return None,
            Some(_) => match plain(text)? {
                whole if whole.len() == text.len() => self.lines.plain(at, at + text.len(), outer)?,
                // A comment behind it ends it.
                part => Value::Plain(part),
            },
        };
        self.sink.value(value)
    }

    /// What is awaited is not there.
    fn settle(&mut self) -> Option<()> {
        if std::mem::replace(&mut self.awaiting, false) { self.sink.value(Value::Null) } else { Some(()) }
    }

    fn close(&mut self) -> Option<()> {
        self.settle()?;
        self.sink.end();
        self.levels.pop();
        Some(())
    }

    fn push(&mut self, indent: usize, is_map: bool) -> Option<()> {
        if !self.awaiting || self.levels.len() >= DEPTH_MAX {
            return None;
        }
        self.awaiting = false;
        if is_map { self.sink.mapping() } else { self.sink.sequence() }?;
        self.levels.push(Level { indent, is_map });
        Some(())
    }

    /// An entry of a mapping or a sequence stands at a column.
    fn open(&mut self, column: usize, is_map: bool) -> Option<()> {
        while self.levels.last().is_some_and(|level| level.indent > column) {
            self.close()?;
        }
        match self.levels.last() {
            None => {
                if self.begun || !is_map {
                    return None;
                }
                self.begun = true;
                self.push(column, is_map)
            }
            Some(level) if level.indent == column => match (level.is_map, is_map) {
                (true, true) | (false, false) => self.settle(),
                // A sequence at its key's column.
                (true, false) => self.push(column, false),
                // The key after such a sequence.
                (false, true) => {
                    self.close()?;
                    self.levels.last().is_some_and(|below| below.is_map && below.indent == column).then_some(())
                }
            },
            Some(_) => self.push(column, is_map),
        }
    }
}

/// What follows a dash that begins an item.
fn dash(content: &str) -> Option<&str> {
    match content.strip_prefix('-') {
        Some("") => Some(""),
        Some(rest) if rest.starts_with(' ') => Some(rest),
        _ => None,
    }
}

/// Bytes that keys without quotes are made of here.
const IN_KEYS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/' | b'$' | b'.' | b'-');
        byte += 1;
    }
    table
};

/// A key and what follows its `:`; only keys that are surely texts.
fn key(content: &str) -> Option<(&str, &str)> {
    let bytes = content.as_bytes();
    let first = *bytes.first()?;
    let (key, rest) = if matches!(first, b'"' | b'\'') {
        let close = content[1..].find(char::from(first))? + 1;
        let key = &content[1..close];
        if key.contains('\\') {
            return None;
        }
        (key, content[close + 1..].strip_prefix(':')?)
    } else {
        if !(first.is_ascii_alphanumeric() || matches!(first, b'_' | b'/' | b'$' | b'.')) {
            return None;
        }
        let length = bytes.iter().position(|b| !IN_KEYS[usize::from(*b)]).unwrap_or(bytes.len());
        let rest = content[length..].strip_prefix(':')?;
        let key = &content[..length];
        if resolve::implicit(key).is_some() {
            return None;
        }
        (key, rest)
    };
    (key.len() <= KEY_BYTES_MAX && (rest.is_empty() || rest.starts_with(' '))).then_some((key, rest))
}

/// Whether it may be one of the floats that JSON lacks: `.nan`, `-.inf`.
fn is_special_float(text: &str) -> bool {
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    matches!(rest.as_bytes(), [b'.', b'i' | b'I' | b'n' | b'N', ..])
}

/// Whether nothing but a comment follows.
fn is_end(rest: &str) -> bool {
    rest.is_empty() || (rest.starts_with(' ') && rest.trim_start_matches(' ').starts_with('#'))
}

/// A plain scalar without the comment after it.
fn plain(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    for at in memchr::memchr2_iter(b':', b'#', bytes) {
        match bytes[at] {
            b':' if matches!(bytes.get(at + 1), None | Some(b' ')) => return None,
            b'#' if at > 0 && bytes[at - 1] == b' ' => return Some(text[..at].trim_end_matches(' ')),
            _ => {}
        }
    }
    Some(text)
}

/// Lines put together: a single break is a space, more of them are breaks without the first.
fn fold(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\n') {
        return Cow::Borrowed(raw);
    }
    let last = raw.matches('\n').count();
    let mut text = String::with_capacity(raw.len());
    let mut breaks = 0;
    for (at, line) in raw.split('\n').enumerate() {
        let line = if at > 0 { line.trim_start_matches(' ') } else { line };
        let line = if at < last { line.trim_end_matches(' ') } else { line };
        if at > 0 {
            breaks += 1;
        }
        if breaks > 0 && (!line.is_empty() || at == last) {
            if breaks == 1 {
                text.push(' ');
            }
            (1..breaks).for_each(|_| text.push('\n'));
            breaks = 0;
        }
        text.push_str(line);
    }
    Cow::Owned(text)
}

fn unescape(inner: &str) -> String {
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => text.push('\n'),
            ('\\', Some('t')) => text.push('\t'),
            ('\\', Some('r')) => text.push('\r'),
            ('\\', Some(c)) => text.push(c),
            (c, _) => text.push(c),
        }
    }
    text
}

/// A sequence of simple texts on one line.
fn list(text: &str) -> Option<Value<'_>> {
    let close = text.find(']')?;
    let inner = text[1..close].trim_matches(' ');
    if !is_end(&text[close + 1..]) {
        return None;
    }
    items(inner).all(|item| item.is_some()).then_some(Value::List(inner))
}

/// The items of a list that [`Value::List`] holds; none for one that is not simple.
pub fn items(inner: &str) -> impl Iterator<Item = Option<Value<'_>>> {
    let inner_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/' | b'.');
    let simple = move |item: &str| match item.as_bytes() {
        [b'-', second, ..] if !second.is_ascii_alphanumeric() && *second != b'-' => false,
        [first, ..] if !first.is_ascii_alphanumeric() && !matches!(first, b'/' | b'_' | b'-') => false,
        [b'-'] | [] => false,
        all => all.iter().all(|b| inner_byte(*b)),
    };
    let item = move |item| {
        let item: &str = str::trim_matches(item, ' ');
        let word = |mark: char| item.strip_prefix(mark)?.strip_suffix(mark);
        match word('"').or_else(|| word('\'')) {
            Some(word) => word.bytes().all(|b| !matches!(b, b'"' | b'\'' | b'\\')).then_some(Value::Quoted(word)),
            None => simple(item).then_some(Value::Plain(item)),
        }
    };
    let filled = (!inner.is_empty()).then(|| inner.split(','));
    filled.into_iter().flatten().map(item)
}

/// The text that a value surely is; none for a number, a word, a collection or a folded block.
pub fn string(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value {
        Value::Plain(text) => resolve::implicit(text).is_none().then_some(Cow::Borrowed(text)),
        Value::Quoted(text) => Some(Cow::Borrowed(text)),
        // An escaped break or blank changes how lines are put together.
        Value::Escaped(inner) if inner.contains("\\\n") || inner.contains("\\ ") => None,
        Value::Escaped(inner) => Some(Cow::Owned(unescape(&fold(inner)))),
        Value::Doubled(inner) => Some(Cow::Owned(fold(inner).replace("''", "'"))),
        Value::Folded(raw) => Some(fold(raw)).filter(|text| resolve::implicit(text).is_none()),
        Value::Block(block) => block.text().map(Cow::Owned),
        Value::Null | Value::EmptyMapping | Value::List(_) => None,
    }
}
