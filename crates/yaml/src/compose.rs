//! Events to one JSON value: mappings, sequences, anchors, aliases and merge keys, without recursion.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use serde_json::map::Entry;
use serde_json::{Map, Value};

use crate::error::{Error, Fault};
use crate::events::{Event, EventKind, Events};
use crate::limits::{Duplicates, Limits};
use crate::resolve::{self, Scalar};
use crate::token::Mark;

/// A finished node.
enum Node<'a> {
    Scalar(Scalar<'a>),
    Tree(Value),
}

/// A value that has a name, and what a copy of it costs.
struct Anchor {
    node: Node<'static>,
    nodes: usize,
    bytes: usize,
    depth: usize,
}

/// A mapping or a sequence that is still open.
struct Frame<'a> {
    tree: Tree,
    anchor: Option<Cow<'a, str>>,
    mark: Mark,
}

enum Tree {
    Mapping { map: Map<String, Value>, slot: Slot, merged: BTreeSet<String> },
    Sequence(Vec<Value>),
}

/// What the next node of a mapping is.
enum Slot {
    Key,
    /// The value of a key, and where the key stands.
    Value(String, Mark),
    Merge,
}

/// How a node came to be where it is.
#[derive(Clone, Copy, PartialEq)]
enum Came {
    Written,
    ByAlias,
}

/// Builds the value of one document.
pub struct Composer<'a, 'l> {
    limits: &'l Limits,
    frames: Vec<Frame<'a>>,
    /// `None` while the anchored node is open.
    anchors: HashMap<Cow<'a, str>, Option<Anchor>>,
    nodes: usize,
    alias_nodes: usize,
    alias_bytes: usize,
    root: Option<Value>,
    /// Whether a float that is whole stays a float.
    floats: bool,
    /// Faults that do not keep the rest of the document from being read.
    faults: Vec<Error>,
}

impl<'a, 'l> Composer<'a, 'l> {
    /// A composer for one document.
    pub fn new(limits: &'l Limits) -> Self {
        Composer {
            limits,
            frames: Vec::with_capacity(16),
            anchors: HashMap::new(),
            nodes: 0,
            alias_nodes: 0,
            alias_bytes: 0,
            root: None,
            floats: false,
            faults: Vec::new(),
        }
    }

    /// Keeps a float a float where Go's way through JSON text would make an integer of a whole one.
    pub fn keeping_floats(mut self) -> Self {
        self.floats = true;
        self
    }

    /// Reads to the document's end, whose start was read; all its faults when there is one.
    pub fn document(mut self, events: &mut Events<'a>) -> Result<Value, Vec<Error>> {
        loop {
            let event = match events.next_event() {
                Ok(event) => event,
                Err(fault) => return Err(self.with(fault)),
            };
            if event.kind == EventKind::DocumentEnd {
                break;
            }
            let mark = event.mark;
            if let Err(fault) = self.event(event, events) {
                let fault = events.scanner.fault_at(mark, fault);
                return Err(self.with(fault));
            }
        }
        if self.faults.is_empty() { Ok(self.root.unwrap_or(Value::Null)) } else { Err(self.faults) }
    }

    fn with(mut self, last: Error) -> Vec<Error> {
        self.faults.push(last);
        self.faults
    }

    #[inline]
    fn event(&mut self, event: Event<'a>, events: &Events<'a>) -> Result<(), Fault> {
        match event.kind {
            EventKind::Plain | EventKind::Quoted => {
                self.count()?;
                self.scalar(event, events)
            }
            EventKind::MappingStart => {
                self.count()?;
                let tree = Tree::Mapping { map: Map::new(), slot: Slot::Key, merged: BTreeSet::new() };
                self.open(tree, event)
            }
            EventKind::SequenceStart => {
                self.count()?;
                self.open(Tree::Sequence(Vec::new()), event)
            }
            EventKind::MappingEnd | EventKind::SequenceEnd => self.close(events),
            EventKind::Alias => self.alias(event, events),
            EventKind::StreamEnd | EventKind::DocumentStart | EventKind::DocumentEnd => Ok(()),
        }
    }

    fn limit(name: &'static str, limit: usize) -> Fault {
        Fault::Limit { name, limit }
    }

    #[inline]
    fn count(&mut self) -> Result<(), Fault> {
        self.nodes += 1;
        match self.nodes > self.limits.nodes {
            true => Err(Self::limit("nodes", self.limits.nodes)),
            false => Ok(()),
        }
    }

    fn open(&mut self, tree: Tree, event: Event<'a>) -> Result<(), Fault> {
        if self.frames.len() >= self.limits.depth {
            return Err(Self::limit("depth", self.limits.depth));
        }
        if let Some(Frame { tree: Tree::Mapping { slot: Slot::Key, .. }, .. }) = self.frames.last() {
            return Err(invalid_key(matches!(tree, Tree::Mapping { .. })));
        }
        if let Some(name) = &event.anchor {
            self.anchors.insert(name.clone(), None);
        }
        self.frames.push(Frame { tree, anchor: event.anchor, mark: event.mark });
        Ok(())
    }

    fn close(&mut self, events: &Events<'a>) -> Result<(), Fault> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let value = match frame.tree {
            Tree::Mapping { map, .. } => Value::Object(map),
            Tree::Sequence(items) => Value::Array(items),
        };
        if let Some(name) = frame.anchor {
            let (nodes, bytes, depth) = measure(&value);
            self.charge(nodes, bytes)?;
            let node = Node::Tree(value.clone());
            self.anchors.insert(name, Some(Anchor { node, nodes, bytes, depth }));
        }
        self.put(Node::Tree(value), frame.mark, Came::Written, events)
    }

    #[inline]
    fn scalar(&mut self, event: Event<'a>, events: &Events<'a>) -> Result<(), Fault> {
        let plain = event.kind == EventKind::Plain;
        let tag = event.tag.as_deref();
        // Only a plain `<<` merges, or one that is tagged so.
        if event.value == "<<" && (plain || tag == Some("tag:yaml.org,2002:merge")) && self.merge_follows() {
            return Ok(());
        }
        let scalar = match tag {
            None if plain => resolve::plain(event.value),
            None => Scalar::Text(event.value),
            Some(tag) => match resolve::tagged(tag, event.value) {
                Ok(scalar) => scalar,
                Err(fault) => {
                    self.note(fault, event.mark, events)?;
                    Scalar::Null
                }
            },
        };
        if let Some(name) = event.anchor {
            let bytes = if let Scalar::Text(text) = &scalar { text.len() } else { 0 };
            self.charge(1, bytes)?;
            let node = Node::Scalar(scalar.clone().into_owned());
            self.anchors.insert(name, Some(Anchor { node, nodes: 1, bytes, depth: 0 }));
        }
        self.put(Node::Scalar(scalar), event.mark, Came::Written, events)
    }

    /// Takes a `<<` that stands where a key is due.
    fn merge_follows(&mut self) -> bool {
        match self.frames.last_mut() {
            Some(Frame { tree: Tree::Mapping { slot: slot @ Slot::Key, .. }, .. }) => {
                *slot = Slot::Merge;
                true
            }
            _ => false,
        }
    }

    fn alias(&mut self, event: Event<'a>, events: &Events<'a>) -> Result<(), Fault> {
        let (node, nodes, bytes, depth) = match self.anchors.get(&event.value) {
            None => return Err(Fault::UnknownAnchor(event.value.into_owned())),
            Some(None) => return Err(Fault::AnchorLoop(event.value.into_owned())),
            Some(Some(anchor)) => (&anchor.node, anchor.nodes, anchor.bytes, anchor.depth),
        };
        // The bounds are asked before the copy is made.
        self.alias_nodes += nodes;
        self.alias_bytes += bytes;
        if self.alias_nodes > self.limits.alias_nodes {
            return Err(Self::limit("alias_nodes", self.limits.alias_nodes));
        }
        if self.alias_bytes > self.limits.alias_bytes {
            return Err(Self::limit("alias_bytes", self.limits.alias_bytes));
        }
        if self.frames.len() + depth > self.limits.depth {
            return Err(Self::limit("depth", self.limits.depth));
        }
        let copy = match node {
            Node::Scalar(scalar) => Node::Scalar(scalar.clone()),
            Node::Tree(value) => Node::Tree(value.clone()),
        };
        self.put(copy, event.mark, Came::ByAlias, events)
    }

    fn charge(&mut self, nodes: usize, bytes: usize) -> Result<(), Fault> {
        self.alias_nodes += nodes;
        self.alias_bytes += bytes;
        if self.alias_nodes > self.limits.alias_nodes {
            return Err(Self::limit("alias_nodes", self.limits.alias_nodes));
        }
        if self.alias_bytes > self.limits.alias_bytes {
            return Err(Self::limit("alias_bytes", self.limits.alias_bytes));
        }
        Ok(())
    }

    /// Notes a fault and goes on, until there are too many.
    fn note(&mut self, fault: Fault, mark: Mark, events: &Events<'a>) -> Result<(), Fault> {
        self.faults.push(events.scanner.fault_at(mark, fault));
        match self.faults.len() >= self.limits.errors {
            true => Err(Self::limit("errors", self.limits.errors)),
            false => Ok(()),
        }
    }

    fn value(&mut self, node: Node<'_>, mark: Mark, events: &Events<'a>) -> Result<Value, Fault> {
        match node {
            Node::Tree(value) => Ok(value),
            Node::Scalar(scalar) => match scalar.into_value(self.floats) {
                Ok(value) => Ok(value),
                Err(fault) => self.note(fault, mark, events).map(|()| Value::Null),
            },
        }
    }

    /// Puts a finished node into the innermost open collection.
    #[inline]
    fn put(&mut self, node: Node<'a>, mark: Mark, came: Came, events: &Events<'a>) -> Result<(), Fault> {
        let Some(frame) = self.frames.last_mut() else {
            let value = self.value(node, mark, events)?;
            self.root = Some(value);
            return Ok(());
        };
        match &mut frame.tree {
            Tree::Sequence(_) => {
                let value = self.value(node, mark, events)?;
                if let Some(Frame { tree: Tree::Sequence(items), .. }) = self.frames.last_mut() {
                    items.push(value);
                }
                Ok(())
            }
            Tree::Mapping { map, slot, merged } => match std::mem::replace(slot, Slot::Key) {
                Slot::Key => self.key(node, mark, events),
                Slot::Value(key, key_mark) => {
                    let was_merged = !merged.is_empty() && merged.remove(&key);
                    let value = match node {
                        Node::Tree(value) => value,
                        Node::Scalar(scalar) => match scalar.into_value(self.floats) {
                            Ok(value) => value,
                            Err(fault) => return self.note(fault, mark, events),
                        },
                    };
                    let mut entry = match map.entry(key) {
                        Entry::Vacant(entry) => {
                            entry.insert(value);
                            return Ok(());
                        }
                        Entry::Occupied(entry) => entry,
                    };
                    entry.insert(value);
                    if was_merged || self.limits.duplicates == Duplicates::LastWins {
                        return Ok(());
                    }
                    let fault = Fault::DuplicateKey(entry.key().clone());
                    self.note(fault, key_mark, events)
                }
                Slot::Merge => self.merge(node, came),
            },
        }
    }

    fn key(&mut self, node: Node<'_>, mark: Mark, events: &Events<'a>) -> Result<(), Fault> {
        let key = match node {
            Node::Tree(value) => return Err(invalid_key(value.is_object())),
            Node::Scalar(scalar) => match scalar.into_key() {
                Ok(key) => key.into_owned(),
                Err(fault) => {
                    self.note(fault, mark, events)?;
                    String::new()
                }
            },
        };
        if let Some(Frame { tree: Tree::Mapping { slot, .. }, .. }) = self.frames.last_mut() {
            *slot = Slot::Value(key, mark);
        }
        Ok(())
    }

    /// Merges a mapping, or a list of them of which the first has most weight, into the innermost mapping.
    fn merge(&mut self, node: Node<'_>, came: Came) -> Result<(), Fault> {
        let sources = match node {
            Node::Tree(Value::Object(source)) => vec![Value::Object(source)],
            Node::Tree(Value::Array(items)) if came == Came::Written => items,
            _ => return Err(Fault::MergeWantsMap),
        };
        let Some(Frame { tree: Tree::Mapping { map, merged, .. }, .. }) = self.frames.last_mut() else { return Ok(()) };
        for source in sources.into_iter().rev() {
            let Value::Object(source) = source else { return Err(Fault::MergeWantsMap) };
            for (key, value) in source {
                // goyaml goes by the order of writing: a merge below a key wins over it.
                if map.insert(key.clone(), value).is_none() {
                    merged.insert(key);
                }
            }
        }
        Ok(())
    }
}

fn invalid_key(mapping: bool) -> Fault {
    Fault::InvalidKey(if mapping { "mapping" } else { "sequence" })
}

/// Nodes, bytes of text and levels of a value.
fn measure(value: &Value) -> (usize, usize, usize) {
    let (mut nodes, mut bytes, mut depth) = (0, 0, 0);
    let mut left = vec![(value, 0)];
    while let Some((value, level)) = left.pop() {
        nodes += 1;
        match value {
            Value::String(text) => bytes += text.len(),
            Value::Array(items) => {
                depth = depth.max(level + 1);
                left.extend(items.iter().map(|item| (item, level + 1)));
            }
            Value::Object(map) => {
                depth = depth.max(level + 1);
                for (key, item) in map {
                    nodes += 1;
                    bytes += key.len();
                    left.push((item, level + 1));
                }
            }
            _ => {}
        }
    }
    (nodes, bytes, depth)
}
