//! A YAML stream to its documents: each with its value, its place, and where in the text each path stands.

use std::ops::Range;

use serde_json::Value;

use crate::compose::Composer;
use crate::error::{Error, Fault};
use crate::events::{EventKind, Events};
use crate::input;
use crate::limits::Limits;
use crate::positions::{self, Positions};
use crate::split;

/// One document of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What it says; never null.
    pub value: Value,
    /// Line of its content's first character, from 1.
    pub line: usize,
    /// Where its piece of the stream is, and which document of the piece it is.
    place: Place,
}

#[derive(Debug, Clone, PartialEq)]
struct Place {
    bytes: Range<usize>,
    first_line: usize,
    more: bool,
    index: usize,
}

/// The documents of a stream, split as kubectl splits it, and all faults in it.
///
/// A `---` line separates; a fault in one document does not hide the others; a document that is empty or null is left
/// out. A document with a fault is left out too. UTF-8 and, with a byte order mark, UTF-16 are read.
pub fn documents(text: &[u8], limits: &Limits) -> (Vec<Document>, Vec<Error>) {
    let mut reading = Reading { limits, documents: Vec::new(), errors: Vec::new(), seen: 0 };
    match checked(text, limits).and_then(|()| input::decode(text)) {
        Ok(bytes) => reading.stream(&bytes),
        Err(fault) => reading.errors.push(fault),
    }
    (reading.documents, reading.errors)
}

/// The first document's value, null when there is none: what Helm and `fromYaml` read. What follows it is not looked at.
pub fn value(text: &[u8], limits: &Limits) -> Result<Value, Vec<Error>> {
    first(text, limits, Composer::new(limits))
}

/// The same with every float a float: `1e3` is 1000.0, where [`value`] makes 1000 of it.
pub fn value_keeping_floats(text: &[u8], limits: &Limits) -> Result<Value, Vec<Error>> {
    first(text, limits, Composer::new(limits).keeping_floats())
}

fn first(text: &[u8], limits: &Limits, composer: Composer<'_, '_>) -> Result<Value, Vec<Error>> {
    let bytes = checked(text, limits).and_then(|()| input::decode(text)).map_err(|fault| vec![fault])?;
    let mut first_line = 0;
    for piece in split::pieces(&bytes) {
        let part = &bytes[piece.start..piece.end];
        let text = input::validate(part, first_line).map_err(|fault| vec![fault])?;
        let mut events = Events::new(text, first_line, piece.more, limits);
        let start = events.next_event().map_err(|fault| vec![fault])?;
        // A piece of comments alone is no document.
        if start.kind != EventKind::StreamEnd {
            return composer.document(&mut events);
        }
        first_line += input::count_breaks(part);
    }
    Ok(Value::Null)
}

/// Where each path of `document` stands in `text`, which it was read from. Reads the document again: for errors only.
pub fn positions(text: &[u8], document: &Document, limits: &Limits) -> Positions {
    let Ok(bytes) = input::decode(text) else { return Positions::default() };
    let Place { bytes: range, first_line, more, index } = &document.place;
    let Some(piece) = bytes.get(range.clone()) else { return Positions::default() };
    let Ok(text) = input::validate(piece, *first_line) else { return Positions::default() };
    positions::read(Events::new(text, *first_line, *more, limits), *index)
}

fn checked(text: &[u8], limits: &Limits) -> Result<(), Error> {
    if text.len() > limits.input_bytes {
        let fault = Fault::Limit { name: "input_bytes", limit: limits.input_bytes };
        return Err(Error { line: 1, column: 1, fault, go_line: None });
    }
    Ok(())
}

struct Reading<'l> {
    limits: &'l Limits,
    documents: Vec<Document>,
    errors: Vec<Error>,
    seen: usize,
}

impl Reading<'_> {
    fn stream(&mut self, bytes: &[u8]) {
        let mut first_line = 0;
        for piece in split::pieces(bytes) {
            let part = &bytes[piece.start..piece.end];
            let place = Place { bytes: piece.start..piece.end, first_line, more: piece.more, index: 0 };
            if let Err(faults) = self.piece(part, place) {
                self.errors.extend(faults);
                if self.errors.len() >= self.limits.errors || self.seen > self.limits.documents {
                    return;
                }
            }
            first_line += input::count_breaks(part);
        }
    }

    fn piece(&mut self, bytes: &[u8], mut place: Place) -> Result<(), Vec<Error>> {
        let text = input::validate(bytes, place.first_line).map_err(|fault| vec![fault])?;
        let mut events = Events::new(text, place.first_line, place.more, self.limits);
        loop {
            let start = events.next_event().map_err(|fault| vec![fault])?;
            if start.kind == EventKind::StreamEnd {
                return Ok(());
            }
            self.seen += 1;
            if self.seen > self.limits.documents {
                let fault = Fault::Limit { name: "documents", limit: self.limits.documents };
                return Err(vec![events.scanner.fault_at(start.mark, fault)]);
            }
            let _ = events.scanner.peek().map_err(|fault| vec![fault])?;
            let line = place.first_line + events.scanner.next_mark().line + 1;
            let value = Composer::new(self.limits).document(&mut events)?;
            if !value.is_null() {
                self.documents.push(Document { value, line, place: place.clone() });
            }
            place.index += 1;
        }
    }
}
