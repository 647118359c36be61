//! A stream to its documents' pieces: cut before each `---` line, so that a fault stays in its document.

use crate::chars;

/// One piece of a stream, from its `---` (or the stream's start) to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// Whether another piece follows.
    pub more: bool,
}

/// Yields the pieces of a stream in order.
pub struct Pieces<'a> {
    bytes: &'a [u8],
    start: usize,
    /// Where to look for the next separator.
    from: usize,
    done: bool,
}

/// The pieces of `bytes`.
pub fn pieces(bytes: &[u8]) -> Pieces<'_> {
    Pieces { bytes, start: 0, from: 0, done: bytes.is_empty() }
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.done {
            return None;
        }
        // A piece's own `---` opens it; only a later one ends it.
        let own = self.start.max(self.from);
        let own = if is_separator(self.bytes, own) { own + 3 } else { own };
        let Some(separator) = next_separator(self.bytes, own) else {
            self.done = true;
            return Some(Piece { start: self.start, end: self.bytes.len(), more: false });
        };
        let end = before_directives(self.bytes, self.start, separator);
        let piece = Piece { start: self.start, end, more: true };
        self.start = end;
        self.from = separator;
        Some(piece)
    }
}

fn is_separator(bytes: &[u8], at: usize) -> bool {
    bytes[at..].starts_with(b"---") && chars::is_blankz(bytes, at + 3)
}

/// The next `---` at the start of a line, at or after `from` (itself only when it is the stream's start).
fn next_separator(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(found) = memchr::memchr(b'\n', &bytes[at..]) {
        at += found + 1;
        if bytes[at..].first() == Some(&b'-') && is_separator(bytes, at) {
            return Some(at);
        }
    }
    None
}

/// Moves the cut in front of the `%` directives that belong to the document after `separator`.
///
/// They stand there only when nothing but comments and blank lines precedes them in the piece, or `...`.
fn before_directives(bytes: &[u8], start: usize, separator: usize) -> usize {
    let (mut cut, mut directives) = (separator, false);
    while cut > start {
        let line_start = memchr::memrchr(b'\n', &bytes[start..cut - 1]).map_or(start, |at| start + at + 1);
        let line = bytes[line_start..cut].trim_ascii();
        match line.first() {
            Some(b'%') => directives = true,
            None | Some(b'#') => {}
            _ if directives && line.starts_with(b"...") => return cut,
            _ => return separator,
        }
        cut = line_start;
    }
    if directives { start } else { separator }
}
