//! Where each piece of an output came from: template, line, and the key of the values that fed it.
use crate::parse::tree::Tree;
use crate::string::Str;

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

/// A stretch of output up to an end, from one text or action.
#[derive(Clone, Debug)]
struct Segment {
    end: usize,
    /// An index into `Trace::files`.
    file: u32,
    line: u32,
    /// Text counts lines as it goes; an action stands in one.
    text: bool,
    path: u32,
    key: Str,
}

/// An included text that may be found again, changed, in what the action prints.
#[derive(Debug)]
struct Capture {
    text: Str,
    segments: Vec<Segment>,
}

/// The record of one output.
#[derive(Debug, Default)]
pub struct Trace {
    /// Names of files, and where their text lies in memory, with the offsets of their lines.
    files: Vec<File>,
    segments: Vec<Segment>,
    captures: Vec<Capture>,
    marks: Vec<usize>,
    path: u32,
    key: Str,
}

#[derive(Debug)]
struct File {
    name: Str,
    address: usize,
    lines: Vec<u32>,
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
        self.captures.clear();
        self.marks.clear();
    }

    fn place(&mut self, tree: &Tree, pos: u32) -> (u32, u32) {
        let address = tree.text.as_ptr() as usize;
        let known = self.files.iter().rposition(|file| file.address == address && file.name == tree.parse_name);
        let file = known.unwrap_or_else(|| {
            let newline = |(at, byte): (usize, &u8)| (*byte == b'\n').then_some(at as u32);
            let lines = tree.text.iter().enumerate().filter_map(newline).collect();
            self.files.push(File { name: tree.parse_name.clone(), address, lines });
            self.files.len() - 1
        });
        let line = self.files[file].lines.partition_point(|newline| *newline < pos) as u32 + 1;
        (file as u32, line)
    }

    /// Text was written up to an end.
    pub(crate) fn text(&mut self, tree: &Tree, pos: u32, end: usize) {
        let (file, line) = self.place(tree, pos);
        self.segments.push(Segment { end, file, line, text: true, path: 0, key: Str::EMPTY });
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
        let start = self.segments.last().map_or(0, |segment| segment.end);
        if out.len() > start {
            let (file, line) = self.place(tree, pos);
            let path = std::mem::take(&mut self.path);
            let own = Segment { end: out.len(), file, line, text: false, path, key: std::mem::take(&mut self.key) };
            let captures = self.captures.split_off(mark.min(self.captures.len()));
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
        if self.segments.last().map_or(0, |segment| segment.end) < start {
            self.segments.push(Segment { end: start, file: 0, line: 0, text: true, path: 0, key: Str::EMPTY });
        }
        mark
    }

    /// The template ended.
    pub(crate) fn leave(&mut self, mark: Mark, start: usize, text: &Str) {
        let mut segments = self.segments.split_off(mark.segments);
        segments.retain(|segment| segment.end > start);
        segments.iter_mut().for_each(|segment| segment.end -= start);
        self.captures.truncate(mark.captures);
        self.captures.push(Capture { text: text.clone(), segments });
        self.path = mark.path;
        self.key = mark.key;
    }

    /// Where each line of the output came from; the output must be the traced one.
    pub fn lines(&self, out: &[u8]) -> Vec<Origin> {
        let mut origins = Vec::new();
        let (mut at, mut segment) = (0, 0);
        let mut starts = Starts::default();
        for line in out.split(|byte| *byte == b'\n') {
            let end = at + line.len();
            let first = at + line.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            origins.push(self.line(out, &mut starts, &mut segment, (first.min(end), end)));
            at = end + 1;
        }
        if out.last() == Some(&b'\n') {
            origins.pop();
        }
        origins
    }

    /// The origin of one line: the place of its first character, and the first key that fed it.
    fn line(&self, out: &[u8], starts: &mut Starts, segment: &mut usize, (first, end): (usize, usize)) -> Origin {
        while self.segments.get(*segment).is_some_and(|found| found.end <= first && first < end) {
            starts.at = self.segments[*segment].end;
            *segment += 1;
        }
        let Some(found) = self.segments.get(*segment) else {
            return Origin { template: Str::EMPTY, line: 0, path: 0, key: Str::EMPTY };
        };
        let newlines = |to: usize| out[starts.at.min(to)..to].iter().filter(|byte| **byte == b'\n').count() as u32;
        let line = found.line + if found.text { newlines(first) } else { 0 };
        let fed = self.segments[*segment..].iter().take_while(|one| one.end <= end || std::ptr::eq(*one, found));
        let beyond = self.segments[*segment..].iter().find(|one| one.end > end);
        let fed = fed.chain(beyond).find(|one| one.path != 0);
        let (path, key) = fed.map_or((0, Str::EMPTY), |one| (one.path, one.key.clone()));
        let template = self.files.get(found.file as usize).map_or(Str::EMPTY, |file| file.name.clone());
        Origin { template, line, path, key }
    }
}

/// Where the current segment starts.
#[derive(Default)]
struct Starts {
    at: usize,
}

impl Capture {
    /// The capture's segments at the place where its text is printed, if what is printed has the same lines but for
    /// indentation and empty lines at both ends.
    fn lay_over(&self, printed: &[u8], start: usize, own: &Segment) -> Option<Vec<Segment>> {
        let mut laid = Vec::new();
        let mut at = 0;
        let (mut source, mut index) = (Lines::new(self.text.as_bytes()), 0);
        let (mut segment_start, mut counted) = (0, 0);
        let mut newlines = 0;
        for line in printed.split_inclusive(|byte| *byte == b'\n') {
            at += line.len();
            let mut one = own.clone();
            one.end = start + at;
            if !line.trim_ascii().is_empty() {
                let (text, offset) = source.next_filled()?;
                if text != line.trim_ascii() {
                    return None;
                }
                while self.segments.get(index).is_some_and(|segment| segment.end <= offset) {
                    segment_start = self.segments[index].end;
                    counted = segment_start;
                    newlines = 0;
                    index += 1;
                }
                let segment = self.segments.get(index)?;
                newlines += count(&self.text.as_bytes()[counted.max(segment_start)..offset]);
                counted = offset;
                let fed = self.segments[index..]
                    .iter()
                    .take_while(|one| one.end <= offset + text.len() || std::ptr::eq(*one, segment));
                let fed = fed.chain(self.segments[index..].iter().find(|one| one.end > offset + text.len()));
                let fed = fed.into_iter().find(|one| one.path != 0);
                one.file = segment.file;
                one.line = segment.line + if segment.text { newlines } else { 0 };
                one.path = fed.map_or(own.path, |one| one.path);
                one.key = fed.map_or_else(|| own.key.clone(), |one| one.key.clone());
            }
            laid.push(one);
        }
        source.next_filled().is_none().then_some(laid)
    }
}

fn count(text: &[u8]) -> u32 {
    text.iter().filter(|byte| **byte == b'\n').count() as u32
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
