//! Where each path of a document stands: JSON pointers to lines and columns of keys and values.

use std::collections::HashMap;

use crate::events::{EventKind, Events};
use crate::resolve::{self, Scalar};
use crate::token::Mark;

/// A line and a column, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line in the stream.
    pub line: usize,
    /// Column in the line.
    pub column: usize,
}

/// Where one path stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// Its key; an item of a sequence and the root have none.
    pub key: Option<Position>,
    /// Its value.
    pub value: Position,
}

/// Where the paths of one document stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Positions {
    spots: HashMap<String, Spot>,
}

impl Positions {
    /// Where a JSON pointer (`/spec/replicas`; `/` in a key is `~1`, `~` is `~0`) stands.
    pub fn get(&self, pointer: &str) -> Option<Spot> {
        self.spots.get(pointer).copied()
    }

    /// The same for the nearest path above that is written: what an alias or a merge brought in has no place of its own.
    pub fn nearest(&self, pointer: &str) -> Option<Spot> {
        let mut path = pointer;
        loop {
            if let Some(spot) = self.get(path) {
                return Some(spot);
            }
            path = &path[..path.rfind('/')?];
        }
    }
}

/// An open collection: the length of its own pointer, and the next item or the pending key.
struct Level {
    pointer: usize,
    item: Option<usize>,
    key: Option<Position>,
}

/// Reads the positions of the document number `index` of a piece; what follows a fault in it is missing.
pub(crate) fn read(mut events: Events<'_>, index: usize) -> Positions {
    let mut walk =
        Walk { pointer: String::new(), levels: Vec::new(), columns: Columns::default(), found: Positions::default() };
    let mut document = 0;
    while let Ok(event) = events.next_event() {
        match event.kind {
            EventKind::StreamEnd => break,
            EventKind::DocumentEnd if document == index => break,
            EventKind::DocumentEnd => document += 1,
            EventKind::DocumentStart => {}
            _ if document < index => {}
            EventKind::MappingEnd | EventKind::SequenceEnd => walk.close(),
            kind => {
                let position = walk.columns.position(&events, event.mark);
                if walk.is_key(kind) {
                    let plain = kind == EventKind::Plain;
                    let scalar = match event.tag.as_deref() {
                        None if plain => resolve::plain(event.value),
                        None => Scalar::Text(event.value),
                        Some(tag) => resolve::tagged(tag, event.value).unwrap_or(Scalar::Null),
                    };
                    walk.key(&scalar.into_key().unwrap_or_default(), position);
                } else {
                    walk.value(kind, position);
                }
            }
        }
    }
    walk.found
}

/// Columns of marks that only go forward, so that a long line is not counted again and again.
#[derive(Default)]
struct Columns {
    last: Mark,
    column: usize,
}

impl Columns {
    fn position(&mut self, events: &Events<'_>, mark: Mark) -> Position {
        let scanner = &events.scanner;
        let column = match mark.line == self.last.line && mark.at >= self.last.at && self.column > 0 {
            true => self.column + scanner.text[self.last.at..mark.at].chars().count(),
            false => crate::input::column_of(&scanner.text[..mark.at]),
        };
        (self.last, self.column) = (mark, column);
        Position { line: scanner.first_line + mark.line + 1, column }
    }
}

struct Walk {
    pointer: String,
    levels: Vec<Level>,
    columns: Columns,
    found: Positions,
}

impl Walk {
    fn is_key(&self, kind: EventKind) -> bool {
        matches!(kind, EventKind::Plain | EventKind::Quoted | EventKind::Alias)
            && self.levels.last().is_some_and(|level| level.item.is_none() && level.key.is_none())
    }

    fn key(&mut self, key: &str, position: Position) {
        self.pointer.push('/');
        for c in key.chars() {
            match c {
                '~' => self.pointer.push_str("~0"),
                '/' => self.pointer.push_str("~1"),
                c => self.pointer.push(c),
            }
        }
        if let Some(level) = self.levels.last_mut() {
            level.key = Some(position);
        }
    }

    fn value(&mut self, kind: EventKind, position: Position) {
        let mut key = None;
        if let Some(level) = self.levels.last_mut() {
            key = level.key;
            if let Some(item) = &mut level.item {
                self.pointer.push_str(&format!("/{item}"));
                *item += 1;
            }
        }
        self.found.spots.insert(self.pointer.clone(), Spot { key, value: position });
        match kind {
            EventKind::MappingStart => self.levels.push(Level { pointer: self.pointer.len(), item: None, key: None }),
            EventKind::SequenceStart => {
                self.levels.push(Level { pointer: self.pointer.len(), item: Some(0), key: None })
            }
            _ => self.leave(),
        }
    }

    fn close(&mut self) {
        self.levels.pop();
        self.leave();
    }

    /// Back to the pointer of the collection around, whose pending key is spent.
    fn leave(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            self.pointer.truncate(level.pointer);
            level.key = None;
        }
    }
}
