//! A manifest to its head: at once where it is in plain block style, by the full reader where anything is unusual.

use std::borrow::Cow;

use masthead_yaml::plain::{self, Sink, Value};

use crate::head::{self, Head};

/// Reads a manifest.
///
/// # Errors
/// What `yaml.Unmarshal` says.
pub fn read(text: &str) -> Result<Head, String> {
    plain(text).map_or_else(|| head::full(text), Ok)
}

/// The head, where the text is plain enough to be sure.
pub(crate) fn plain(text: &str) -> Option<Head> {
    let mut heads =
        Heads { head: Head::default(), place: Place::Outside, target: Target::None, depth: 0, focus: 0, seen: 0 };
    plain::read(text, &mut heads)?;
    heads.head.annotations.sort();
    Some(heads.head)
}

/// Where in the head the innermost mapping is that belongs to it.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Outside,
    Root,
    Metadata,
    Annotations,
}

/// What the value of the last key is for.
enum Target {
    None,
    Version,
    Kind,
    Metadata,
    Name,
    Annotations,
    Annotation(String),
}

struct Heads {
    head: Head,
    place: Place,
    target: Target,
    depth: usize,
    /// The depth of that mapping.
    focus: usize,
    /// Which keys of the head there were, as bits: a second one is left to the full reader.
    seen: u8,
}

impl Heads {
    /// A key of the head that may come once.
    fn once(&mut self, bit: u8, target: Target) -> Option<Target> {
        if self.seen & 1 << bit != 0 {
            return None;
        }
        self.seen |= 1 << bit;
        Some(target)
    }
}

impl Sink for Heads {
    fn mapping(&mut self) -> Option<()> {
        if self.depth == self.focus {
            let inner = match (self.place, std::mem::replace(&mut self.target, Target::None)) {
                (Place::Outside, _) => Some(Place::Root),
                (_, Target::Metadata) => Some(Place::Metadata),
                (_, Target::Annotations) => Some(Place::Annotations),
                (_, Target::None) => None,
                _ => return None,
            };
            if let Some(place) = inner {
                self.place = place;
                self.focus += 1;
            }
        }
        self.depth += 1;
        Some(())
    }

    fn sequence(&mut self) -> Option<()> {
        if self.depth == self.focus && !matches!(self.target, Target::None) {
            return None;
        }
        self.depth += 1;
        Some(())
    }

    fn end(&mut self) {
        self.depth -= 1;
        if self.depth < self.focus {
            self.focus = self.depth;
            self.place = match self.place {
                Place::Annotations => Place::Metadata,
                Place::Metadata => Place::Root,
                Place::Root | Place::Outside => Place::Outside,
            };
        }
    }

    fn key(&mut self, key: &str) -> Option<()> {
        if self.depth != self.focus {
            return Some(());
        }
        self.target = match self.place {
            Place::Root => match one_of(key, &["apiVersion", "kind", "metadata"])? {
                Some(0) => self.once(0, Target::Version)?,
                Some(1) => self.once(1, Target::Kind)?,
                Some(_) => self.once(2, Target::Metadata)?,
                None => Target::None,
            },
            Place::Metadata => match one_of(key, &["name", "annotations"])? {
                Some(0) => self.once(3, Target::Name)?,
                Some(_) => self.once(4, Target::Annotations)?,
                None => Target::None,
            },
            Place::Annotations if self.head.annotations.iter().any(|(known, _)| known == key) => return None,
            Place::Annotations => Target::Annotation(key.to_owned()),
            Place::Outside => Target::None,
        };
        Some(())
    }

    fn value(&mut self, value: Value<'_>) -> Option<()> {
        if self.depth != self.focus {
            return Some(());
        }
        match std::mem::replace(&mut self.target, Target::None) {
            Target::None => {}
            Target::Metadata | Target::Annotations => {
                matches!(value, Value::Null | Value::EmptyMapping).then_some(())?;
            }
            Target::Version => self.head.version = string(value)?,
            Target::Kind => self.head.kind = string(value)?,
            Target::Name => self.head.name = string(value)?,
            Target::Annotation(key) => self.head.annotations.push((key, string(value)?)),
        }
        Some(())
    }
}

/// Null is the empty string of a field.
fn string(value: Value<'_>) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        value => plain::string(value).map(Cow::into_owned),
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
