//! YAML in plain block style to a mapping of anybody's values; anything unusual is left to the full reader.

use crate::plain::{self, Sink, Value};
use crate::resolve::{self, Scalar};

/// Makes values of one kind.
pub trait Make {
    /// What keys are.
    type Key: Default;
    /// What is in mappings and sequences.
    type Value;
    /// A mapping.
    type Map;

    /// A key.
    fn key(text: &str) -> Self::Key;
    /// A text.
    fn text(text: &str) -> Self::Value;
    /// What is no text; none leaves all of it to the full reader.
    fn scalar(scalar: Scalar<'_>) -> Option<Self::Value>;
    /// A sequence.
    fn list(items: Vec<Self::Value>) -> Self::Value;
    /// A mapping of entries in the order of the text; of equal keys the last counts.
    fn map(entries: Vec<(Self::Key, Self::Value)>) -> Self::Map;
    /// A mapping as a value.
    fn nested(map: Self::Map) -> Self::Value;
}

/// The mapping that a text is, where it is plain enough to be sure.
pub fn read<M: Make>(text: &str) -> Option<M::Map> {
    let mut tree = Tree::<M> { open: Vec::with_capacity(16), root: None };
    plain::read(text, &mut tree)?;
    tree.root
}

/// A mapping, with the key whose value is due, or a sequence.
enum Open<M: Make> {
    Map(Vec<(M::Key, M::Value)>, M::Key),
    List(Vec<M::Value>),
}

struct Tree<M: Make> {
    open: Vec<Open<M>>,
    root: Option<M::Map>,
}

impl<M: Make> Tree<M> {
    /// A value of what is open: the root is a mapping, so something is.
    fn put(&mut self, value: M::Value) {
        match self.open.last_mut() {
            Some(Open::Map(entries, key)) => entries.push((std::mem::take(key), value)),
            Some(Open::List(items)) => items.push(value),
            None => {}
        }
    }
}

impl<M: Make> Sink for Tree<M> {
    fn mapping(&mut self) -> Option<()> {
        self.open.push(Open::Map(Vec::new(), M::Key::default()));
        Some(())
    }

    fn sequence(&mut self) -> Option<()> {
        self.open.push(Open::List(Vec::new()));
        Some(())
    }

    fn end(&mut self) {
        match self.open.pop() {
            Some(Open::Map(entries, _)) if self.open.is_empty() => self.root = Some(M::map(entries)),
            Some(Open::Map(entries, _)) => self.put(M::nested(M::map(entries))),
            Some(Open::List(items)) => self.put(M::list(items)),
            None => {}
        }
    }

    fn key(&mut self, name: &str) -> Option<()> {
        if let Some(Open::Map(_, key)) = self.open.last_mut() {
            *key = M::key(name);
        }
        Some(())
    }

    fn value(&mut self, value: Value<'_>) -> Option<()> {
        let value = match value {
            Value::EmptyMapping => M::nested(M::map(Vec::new())),
            Value::List(inner) => M::list(plain::items(inner).map(|item| leaf::<M>(item?)).collect::<Option<_>>()?),
            other => leaf::<M>(other)?,
        };
        self.put(value);
        Some(())
    }
}

/// A value that holds no others.
fn leaf<M: Make>(value: Value<'_>) -> Option<M::Value> {
    match value {
        Value::Null => M::scalar(Scalar::Null),
        Value::Plain(text) => match resolve::implicit(text) {
            None => Some(M::text(text)),
            Some(scalar) => M::scalar(scalar),
        },
        other => Some(M::text(&plain::string(other)?)),
    }
}
