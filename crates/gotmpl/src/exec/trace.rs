//! Where each piece of an output came from: template, line, and the key of the values that fed it.
use crate::parse::tree::Tree;
use crate::string::Str;
use std::sync::Arc;

/// Where a piece of output came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The name under which the template's file was parsed.
    pub template: Str,
    /// From 1.
    pub line: u32,
    /// The id of the map that was read last for it (see `Map::set_path_id`), and the key; id 0 where none was.
    pub path: u32,
    /// The key read in that map.
    pub key: Str,
}

/// A stretch of output up to an end, from one text or action. Kept small: there are thousands in an output.
#[derive(Clone, Copy, Debug)]
struct Segment {
    end: u32,
    /// An index into `Trace::files`, with `TEXT` where it is text, which stands in the file as it is.
    file: u32,
    /// Where in the file.
    pos: u32,
    /// The key that fed it: one more than an index into `Trace::reads`, or 0.
    read: u32,
}

const TEXT: u32 = 1 << 31;

/// An included text that may be found again, changed, in what the action prints.
#[derive(Debug)]
struct Capture {
    text: Str,
    segments: Vec<Segment>,
}

/// The record of one output.
#[derive(Debug, Default)]
pub struct Trace {
    files: Vec<File>,
    /// The file of the segment before.
    last: u32,
    segments: Vec<Segment>,
    reads: Vec<(u32, Str)>,
    captures: Vec<Capture>,
    marks: Vec<usize>,
    path: u32,
    key: Str,
}

#[derive(Debug)]
struct File {
    name: Str,
    text: Arc<[u8]>,
}

/// What `enter` gives and `leave` takes.
pub(crate) struct Mark {
    segments: usize,
    captures: usize,
    path: u32,
    key: Str,
}

impl Trace {
    pub(crate) fn reset(&mut self) {
        self.segments.clear();
        self.reads.clear();
        self.captures.clear();
        self.marks.clear();
    }

    #[inline]
    fn file(&mut self, tree: &Tree) -> u32 {
        match self.files.get(self.last as usize) {
            Some(file) if Arc::ptr_eq(&file.text, &tree.text) => self.last,
            _ => self.other_file(tree),
        }
    }

    fn other_file(&mut self, tree: &Tree) -> u32 {
        let known = self.files.iter().rposition(|file| Arc::ptr_eq(&file.text, &tree.text));
        let file = known.unwrap_or_else(|| {
            self.files.push(File { name: tree.parse_name.clone(), text: Arc::clone(&tree.text) });
            self.files.len() - 1
        });
        self.last = file as u32;
        self.last
    }

    /// Text was written up to an end.
    #[inline]
    pub(crate) fn text(&mut self, tree: &Tree, pos: u32, end: usize) {
        let file = self.file(tree);
        self.segments.push(Segment { end: short(end), file: file | TEXT, pos, read: 0 });
    }

    /// Where the last segment ends.
    fn end(&self) -> usize {
        self.segments.last().map_or(0, |segment| segment.end())
    }

    /// An action begins: nothing is read for it yet.
    pub(crate) fn begin(&mut self) {
        self.marks.push(self.captures.len());
        self.path = 0;
    }

    /// A key of the values was read.
    #[inline]
    pub(crate) fn read(&mut self, path: u32, key: &Str) {
        if path != 0 {
            self.path = path;
            self.key = key.clone();
        }
    }

    /// An action ends; what it printed stands at the end of the output.
    pub(crate) fn action(&mut self, tree: &Tree, pos: u32, out: &[u8]) {
        let mark = self.marks.pop().unwrap_or(0);
        let start = self.end();
        if out.len() > start {
            let file = self.file(tree);
            let path = std::mem::take(&mut self.path);
            if path != 0 {
                self.reads.push((path, self.key.clone()));
            }
            let read = if path == 0 { 0 } else { self.reads.len() as u32 };
            let own = Segment { end: short(out.len()), file, pos, read };
            if self.captures.len() <= mark {
                return self.segments.push(own);
            }
            let captures = self.captures.split_off(mark);
            let found = captures.iter().rev().find_map(|capture| capture.lay_over(&out[start..], start, &own));
            match found {
                Some(segments) => self.segments.extend(segments),
                None => self.segments.push(own),
            }
        } else {
            self.captures.truncate(mark);
        }
    }

    /// A template begins whose output, from a start on, becomes a value.
    pub(crate) fn enter(&mut self, start: usize) -> Mark {
        let mark = Mark {
            segments: self.segments.len(),
            captures: self.captures.len(),
            path: self.path,
            key: self.key.clone(),
        };
        // What was written before the call and has no segment yet does not belong to the template.
        if self.end() < start {
            self.segments.push(Segment { end: short(start), file: 0, pos: 0, read: 0 });
        }
        mark
    }

    /// The template ended.
    pub(crate) fn leave(&mut self, mark: Mark, start: usize, text: &Str) {
        let mut segments = self.segments.split_off(mark.segments);
        segments.retain(|segment| segment.end > short(start));
        segments.iter_mut().for_each(|segment| segment.end -= short(start));
        self.captures.truncate(mark.captures);
        self.captures.push(Capture { text: text.clone(), segments });
        self.path = mark.path;
        self.key = mark.key;
    }

    /// Where each line of the output came from; the output must be the traced one.
    pub fn lines(&self, out: &[u8]) -> Vec<Origin> {
        let newlines: Vec<Vec<u32>> = self.files.iter().map(|file| newlines(&file.text)).collect();
        let mut origins = Vec::new();
        let (mut at, mut index, mut start) = (0, 0, 0);
        for line in out.split(|byte| *byte == b'\n') {
            let end = at + line.len();
            let first = at + line.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let first = if first == end { at } else { first };
            while self.segments.get(index).is_some_and(|segment| segment.end() <= first && first < out.len()) {
                start = self.segments[index].end();
                index += 1;
            }
            let origin = self.segments.get(index).map(|segment| {
                let read = fed(&self.segments[index..], end).checked_sub(1);
                let (path, key) = read.and_then(|read| self.reads.get(read as usize)).cloned().unwrap_or_default();
                let file = (segment.file & !TEXT) as usize;
                let pos = segment.pos_at(first - start);
                let line =
                    newlines.get(file).map_or(0, |newlines| newlines.partition_point(|newline| *newline < pos) + 1);
                let template = self.files.get(file).map_or(Str::EMPTY, |file| file.name.clone());
                Origin { template, line: line as u32, path, key }
            });
            origins.push(origin.unwrap_or(Origin { template: Str::EMPTY, line: 0, path: 0, key: Str::EMPTY }));
            at = end + 1;
        }
        if out.last() == Some(&b'\n') {
            origins.pop();
        }
        origins
    }
}

impl Segment {
    /// The place in the file of the byte that is so far from the segment's start.
    fn pos_at(self, offset: usize) -> u32 {
        if self.file & TEXT != 0 { self.pos + short(offset) } else { self.pos }
    }

    fn end(self) -> usize {
        self.end as usize
    }
}

/// The first key that fed what reaches from the first of the segments up to an end; 0 where none did.
fn fed(segments: &[Segment], end: usize) -> u32 {
    for segment in segments {
        if segment.read != 0 {
            return segment.read;
        }
        if segment.end() >= end {
            break;
        }
    }
    0
}

/// Offsets beyond 4 GiB are all the same here: no output is as long.
fn short(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

fn newlines(text: &[u8]) -> Vec<u32> {
    text.iter().enumerate().filter_map(|(at, byte)| (*byte == b'\n').then_some(at as u32)).collect()
}

impl Capture {
    /// The capture's segments at the place where its text is printed, if what is printed has the same lines but for
    /// indentation and empty lines at both ends.
    fn lay_over(&self, printed: &[u8], start: usize, own: &Segment) -> Option<Vec<Segment>> {
        let mut laid = Vec::new();
        let (mut source, mut index, mut segment_start) = (Lines::new(self.text.as_bytes()), 0, 0);
        let mut at = 0;
        for line in printed.split_inclusive(|byte| *byte == b'\n') {
            at += line.len();
            let mut one = Segment { end: short(start + at), ..*own };
            let filled = line.trim_ascii();
            if !filled.is_empty() {
                let (text, offset) = source.next_filled()?;
                if text != filled {
                    return None;
                }
                while self.segments.get(index).is_some_and(|segment| segment.end() <= offset) {
                    segment_start = self.segments[index].end();
                    index += 1;
                }
                let segment = self.segments.get(index)?;
                one.file = segment.file & !TEXT;
                one.pos = segment.pos_at(offset - segment_start);
                one.read = match fed(&self.segments[index..], offset + text.len()) {
                    0 => own.read,
                    read => read,
                };
            }
            laid.push(one);
        }
        source.next_filled().is_none().then_some(laid)
    }
}

/// The lines of a text that hold more than space, trimmed, with their offsets.
struct Lines<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Lines<'t> {
    fn new(text: &'t [u8]) -> Lines<'t> {
        Lines { text, at: 0 }
    }

    fn next_filled(&mut self) -> Option<(&'t [u8], usize)> {
        while self.at < self.text.len() {
            let rest = &self.text[self.at..];
            let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let line = &rest[..length];
            let start = self.at + line.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            self.at += length + 1;
            let line = line.trim_ascii();
            if !line.is_empty() {
                return Some((line, start));
            }
        }
        None
    }
}
