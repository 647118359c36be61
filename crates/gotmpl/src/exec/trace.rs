//! Where each piece of an output came from: template, line, and the key of the values that fed it.
use crate::parse::tree::File;
use crate::string::Str;
use std::fmt;
use std::ops::Range;
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
    /// The map that was read last for it; 0 where none was.
    path: u32,
    /// The key in that map.
    key: Key,
    /// The last of the texts that functions made of templates for it: one more than an index into `Trace::captures`.
    capture: u32,
}

/// A field's name: the file that it stands in, and which of its names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Key {
    file: u32,
    name: u32,
}

const TEXT: u32 = 1 << 31;
/// Segments that one output may have; what comes after them has no origin.
const SEGMENTS_MAX: usize = 4 << 20;
/// Texts of templates that are kept for one output; what is made of later ones has the origin of its action.
const CAPTURES_MAX: usize = 1 << 18;

/// An included text that may be found again, changed, in what the action prints.
#[derive(Debug)]
struct Capture {
    text: Str,
    /// Its segments in `Trace::captured`, and where in the output they were made.
    segments: Range<usize>,
    base: u32,
    /// The capture before it within the same action, as in `Segment::capture`.
    previous: u32,
}

/// The record of one output: what is noted while it is made. `lines` makes sense of it.
#[derive(Default)]
pub struct Trace {
    files: Vec<Arc<File>>,
    segments: Vec<Segment>,
    /// The segments of captures, one after another.
    captured: Vec<Segment>,
    captures: Vec<Capture>,
    path: u32,
    key: Key,
    capture: u32,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace of {} segments", self.segments.len())
    }
}

/// What `begin` gives and `action` takes.
#[derive(Clone, Copy)]
pub(crate) struct Begun {
    captures: usize,
    captured: usize,
}

/// What `enter` gives and `leave` takes.
pub(crate) struct Mark {
    segments: usize,
    path: u32,
    key: Key,
    capture: u32,
}

impl Trace {
    pub(crate) fn reset(&mut self) {
        self.files.clear();
        self.segments.clear();
        self.captured.clear();
        self.captures.clear();
        (self.path, self.capture) = (0, 0);
    }

    /// The number of a file in this record.
    pub(crate) fn file(&mut self, file: &Arc<File>) -> u32 {
        let known = self.files.iter().rposition(|known| Arc::ptr_eq(known, file));
        let at = known.unwrap_or_else(|| {
            self.files.push(Arc::clone(file));
            self.files.len() - 1
        });
        at as u32
    }

    #[inline]
    fn push(&mut self, segment: Segment) {
        if self.segments.len() < SEGMENTS_MAX {
            self.segments.push(segment);
        }
    }

    /// Text was written up to an end.
    #[inline]
    pub(crate) fn text(&mut self, file: u32, pos: u32, end: usize) {
        self.push(Segment { end: short(end), file: file | TEXT, pos, path: 0, key: Key::default(), capture: 0 });
    }

    /// Where the last segment ends.
    fn end(&self) -> usize {
        self.segments.last().map_or(0, |segment| segment.end())
    }

    /// An action begins: nothing is read for it yet.
    #[inline]
    pub(crate) fn begin(&mut self) -> Begun {
        self.path = 0;
        self.capture = 0;
        Begun { captures: self.captures.len(), captured: self.captured.len() }
    }

    /// A key of the values was read.
    #[inline]
    pub(crate) fn read(&mut self, path: u32, file: u32, name: u32) {
        if path != 0 {
            self.path = path;
            self.key = Key { file, name };
        }
    }

    /// An action ends, which wrote up to an end, if it wrote anything.
    #[inline]
    pub(crate) fn action(&mut self, begun: Begun, file: u32, pos: u32, end: usize) {
        if end > self.end() {
            let (path, key, capture) = (self.path, self.key, self.capture);
            self.push(Segment { end: short(end), file, pos, path, key, capture });
        } else {
            self.captures.truncate(begun.captures);
            self.captured.truncate(begun.captured);
        }
    }

    /// A template begins whose output, from a start on, becomes a value.
    pub(crate) fn enter(&mut self, start: usize) -> Mark {
        let mark = Mark { segments: self.segments.len(), path: self.path, key: self.key, capture: self.capture };
        // What was written before the call and has no segment yet does not belong to the template.
        if self.end() < start {
            let end = short(start);
            self.push(Segment { end, file: 0, pos: 0, path: 0, key: Key::default(), capture: 0 });
        }
        mark
    }

    /// The template ended.
    pub(crate) fn leave(&mut self, mark: Mark, start: usize, text: &Str) {
        let first = self.captured.len();
        let base = short(start);
        let made = self.segments.drain(mark.segments.min(self.segments.len())..);
        self.captured.extend(made.filter(|segment| segment.end > base));
        self.path = mark.path;
        self.key = mark.key;
        self.capture = mark.capture;
        if self.captures.len() < CAPTURES_MAX {
            let segments = first..self.captured.len();
            self.captures.push(Capture { text: text.clone(), segments, base, previous: mark.capture });
            self.capture = self.captures.len() as u32;
        }
    }

    /// Where each line of the output came from; the output must be the traced one.
    pub fn lines(&self, out: &[u8]) -> Vec<Origin> {
        let segments = self.laid_out(out, 0..self.segments.len());
        let mut origins = Vec::new();
        let (mut at, mut index, mut start) = (0, 0, 0);
        for line in out.split(|byte| *byte == b'\n') {
            let end = at + line.len();
            let first = at + line.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let first = if first == end { at } else { first };
            while segments.get(index).is_some_and(|segment| segment.end() <= first && first < out.len()) {
                start = segments[index].end();
                index += 1;
            }
            origins.push(self.origin(&segments[index..], first - start, end));
            at = end + 1;
        }
        if out.last() == Some(&b'\n') {
            origins.pop();
        }
        origins
    }

    /// What [`Trace::lines`] says of one line, counted from 0, for a part of the time; none where there is no such line.
    pub fn line(&self, out: &[u8], number: usize) -> Option<Origin> {
        let mut at = 0;
        for _ in 0..number {
            at += out[at..].iter().position(|byte| *byte == b'\n')? + 1;
        }
        if at == out.len() && at > 0 {
            return None;
        }
        let end = at + out[at..].iter().position(|byte| *byte == b'\n').unwrap_or(out.len() - at);
        let first = at + out[at..end].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let first = if first == end { at } else { first };
        // Those before and behind the line have no say in it.
        let from = self.segments.partition_point(|segment| segment.end() <= at && first < out.len());
        let to = self.segments.partition_point(|segment| segment.end() < end).max(from) + 1;
        let segments = self.laid_out(out, from..to.min(self.segments.len()));
        let mut start = self.start(from);
        let mut index = 0;
        while segments.get(index).is_some_and(|segment| segment.end() <= first && first < out.len()) {
            start = segments[index].end();
            index += 1;
        }
        Some(self.origin(&segments[index..], first - start, end))
    }

    /// Where what is so far behind the start of the first of the segments came from, on a line up to an end.
    fn origin(&self, segments: &[Segment], offset: usize, end: usize) -> Origin {
        let Some(segment) = segments.first() else {
            return Origin { template: Str::EMPTY, line: 0, path: 0, key: Str::EMPTY };
        };
        let (path, key) = fed(segments, end).unwrap_or_default();
        let name = self.files.get(key.file as usize).and_then(|file| file.names.get(key.name as usize));
        let key = name.filter(|_| path != 0).map(|name| name.text.clone()).unwrap_or_default();
        let file = self.files.get((segment.file & !TEXT) as usize);
        let line = file.map_or(0, |file| file.line(segment.pos_at(offset)));
        Origin { template: file.map_or(Str::EMPTY, |file| file.name.clone()), line, path, key }
    }

    /// Where a segment of the output begins.
    fn start(&self, at: usize) -> usize {
        at.checked_sub(1).and_then(|before| self.segments.get(before)).map_or(0, |segment| segment.end())
    }

    /// Some of the segments, with those that include others replaced by what they include, line by line.
    fn laid_out(&self, out: &[u8], range: Range<usize>) -> Vec<Segment> {
        let (from, chosen) = (self.start(range.start), self.segments.get(range).unwrap_or_default());
        let mut wanted = vec![false; self.captures.len()];
        let want = |segments: &[Segment], wanted: &mut Vec<bool>| {
            for segment in segments {
                for capture in self.chain(segment.capture) {
                    wanted[capture] = true;
                }
            }
        };
        want(chosen, &mut wanted);
        // A capture comes after those within it: going down finds all that matter, going up lays inner ones first.
        for at in (0..self.captures.len()).rev() {
            if wanted[at] {
                want(&self.captured[self.captures[at].segments.clone()], &mut wanted);
            }
        }
        let mut laid: Vec<Vec<Segment>> = Vec::with_capacity(self.captures.len());
        for (capture, wanted) in self.captures.iter().zip(wanted) {
            let mut segments = Vec::new();
            if wanted {
                let captured = &self.captured[capture.segments.clone()];
                self.lay((captured, 0), capture.base, capture.text.as_bytes(), &laid, &mut segments);
            }
            laid.push(segments);
        }
        let mut segments = Vec::with_capacity(chosen.len());
        self.lay((chosen, from), 0, out, &laid, &mut segments);
        segments
    }

    /// The captures of a segment, the latest first.
    fn chain(&self, last: u32) -> impl Iterator<Item = usize> {
        let index = |at: u32| (at as usize).checked_sub(1).filter(|at| *at < self.captures.len());
        std::iter::successors(index(last), move |at| index(self.captures[*at].previous))
    }

    /// Segments of a text, which begin at a base, the first of them so far behind it, with captures in the place of what
    /// printed them.
    fn lay(
        &self,
        (segments, from): (&[Segment], usize),
        base: u32,
        text: &[u8],
        laid: &[Vec<Segment>],
        into: &mut Vec<Segment>,
    ) {
        let mut start = from;
        for segment in segments {
            let own = Segment { end: segment.end - base, ..*segment };
            let end = own.end().min(text.len());
            let found = self.chain(segment.capture).find_map(|at| {
                let capture = self.captures[at].text.as_bytes();
                lay_over(capture, laid.get(at)?, text.get(start..end)?, start, &own)
            });
            match found {
                Some(segments) => into.extend(segments),
                None => into.push(own),
            }
            start = end;
        }
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

/// The first key that fed what reaches from the first of the segments up to an end.
fn fed(segments: &[Segment], end: usize) -> Option<(u32, Key)> {
    for segment in segments {
        if segment.path != 0 {
            return Some((segment.path, segment.key));
        }
        if segment.end() >= end {
            break;
        }
    }
    None
}

/// Offsets beyond 4 GiB are all the same here: no output is as long.
fn short(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// A capture's segments at the place where its text is printed, if what is printed has the same lines but for
/// indentation and empty lines at both ends.
fn lay_over(capture: &[u8], segments: &[Segment], printed: &[u8], start: usize, own: &Segment) -> Option<Vec<Segment>> {
    let mut laid = Vec::new();
    let (mut source, mut index, mut segment_start) = (Lines::new(capture), 0, 0);
    let mut at = 0;
    for line in printed.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        let mut one = Segment { end: short(start + at), capture: 0, ..*own };
        let filled = line.trim_ascii();
        if !filled.is_empty() {
            let (text, offset) = source.next_filled()?;
            if text != filled {
                return None;
            }
            while segments.get(index).is_some_and(|segment| segment.end() <= offset) {
                segment_start = segments[index].end();
                index += 1;
            }
            let segment = segments.get(index)?;
            one.file = segment.file & !TEXT;
            one.pos = segment.pos_at(offset - segment_start);
            if let Some((path, key)) = fed(&segments[index..], offset + text.len()) {
                (one.path, one.key) = (path, key);
            }
        }
        laid.push(one);
    }
    source.next_filled().is_none().then_some(laid)
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
