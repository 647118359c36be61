//! The faults of a text to the words Go's libraries report: sigs.k8s.io/yaml over goyaml v2.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write as _;

use crate::error::{Error, Fault};
use crate::events::{Event, EventKind, Events};
use crate::input;
use crate::limits::Limits;
use crate::number::{self, Number};
use crate::resolve::{self, Scalar};
use crate::split;

/// What `yaml.Unmarshal` says, without its `error converting YAML to JSON: `.
///
/// `errors` are what reading `text` gave, with the same limits. Go stops at the first fault of the grammar, then of the
/// types, then of the conversion to JSON; so of several it is the most basic that counts.
pub fn text(text: &[u8], errors: &[Error], limits: &Limits) -> String {
    let Some(error) = errors.iter().min_by_key(|error| rank(&error.fault)) else { return String::new() };
    // A fault of types may have kept the rest of the text from being read, where the grammar is broken too.
    let broken = (rank(&error.fault) > 0).then(|| first_broken(text, limits)).flatten();
    let error = broken.as_ref().unwrap_or(error);
    match &error.fault {
        Fault::InvalidKey(_) => match offending(text, limits, Wanted::Tree) {
            Some((key, _)) => format!("yaml: invalid map key: {}", sharp(&key, true)),
            None => format!("yaml: {}", error.fault),
        },
        Fault::UnsupportedKey(kind) => {
            let (key, value) = offending(text, limits, Wanted::Kind(kind)).unwrap_or((Node::Nil, Node::Nil));
            let kind = if *kind == "null" { "%!s(<nil>)" } else { kind };
            let (key, value) = (sharp(&key, true), sharp(&value, true));
            format!("unsupported map key of type: {kind}, key: {key}, value: {value}")
        }
        Fault::UnsupportedFloat(_) => error.fault.to_string(),
        _ => match error.go_line {
            Some(line) => format!("yaml: line {line}: {}", error.fault),
            None => format!("yaml: {}", error.fault),
        },
    }
}

/// The pass of Go's libraries that finds a fault.
fn rank(fault: &Fault) -> u8 {
    match fault {
        Fault::Encoding(_) | Fault::Limit { .. } => 0,
        // goyaml looks anchors up while it reads.
        Fault::Syntax(_) | Fault::UnknownAnchor(_) => 1,
        Fault::UnsupportedKey(_) => 3,
        Fault::UnsupportedFloat(_) => 4,
        _ => 2,
    }
}

/// The first fault of the grammar in the first document, or the first alias before it that names nothing.
fn first_broken(text: &[u8], limits: &Limits) -> Option<Error> {
    let bytes = input::decode(text).ok()?;
    let mut first_line = 0;
    for piece in split::pieces(&bytes) {
        let part = &bytes[piece.start..piece.end];
        let text = input::validate(part, first_line).ok()?;
        let mut events = Events::new(text, first_line, piece.more, limits);
        let mut event = events.next_event();
        if event.as_ref().is_ok_and(|event| event.kind == EventKind::StreamEnd) {
            first_line += input::count_breaks(part);
            continue;
        }
        let mut anchors: HashSet<String> = HashSet::new();
        for _ in 0..limits.nodes {
            match event {
                Err(error) => return matches!(error.fault, Fault::Syntax(_)).then_some(error),
                Ok(event) if event.kind == EventKind::DocumentEnd => return None,
                Ok(event) if event.kind == EventKind::Alias && !anchors.contains(&*event.value) => {
                    let fault = Fault::UnknownAnchor(event.value.into_owned());
                    return Some(events.scanner.fault_at(event.mark, fault));
                }
                Ok(found) => {
                    anchors.extend(found.anchor.map(Cow::into_owned));
                    event = events.next_event();
                }
            }
        }
        return None;
    }
    None
}

/// A value as goyaml makes it, for printing.
#[derive(Debug, Clone)]
enum Node {
    Nil,
    Bool(bool),
    Number(Number),
    Text(String),
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

/// Which key is looked for.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    Tree,
    Kind(&'static str),
}

impl Wanted {
    fn is(self, key: &Node) -> bool {
        match self {
            Wanted::Tree => matches!(key, Node::Sequence(_) | Node::Mapping(_)),
            Wanted::Kind("null") => matches!(key, Node::Nil),
            Wanted::Kind(_) => matches!(key, Node::Number(Number::Uint(_))),
        }
    }
}

/// The first key of the wanted sort, and its value.
fn offending(text: &[u8], limits: &Limits, wanted: Wanted) -> Option<(Node, Node)> {
    let bytes = input::decode(text).ok()?;
    let mut first_line = 0;
    for piece in split::pieces(&bytes) {
        let part = &bytes[piece.start..piece.end];
        let text = input::validate(part, first_line).ok()?;
        let mut events = Events::new(text, first_line, piece.more, limits);
        if events.next_event().ok()?.kind != EventKind::StreamEnd {
            let mut reader = Reader { events, wanted, found: None, anchors: Vec::new(), budget: limits.nodes };
            let first = reader.events.next_event().ok()?;
            reader.node(first, 0, limits.depth)?;
            return reader.found;
        }
        first_line += input::count_breaks(part);
    }
    None
}

struct Reader<'a> {
    events: Events<'a>,
    wanted: Wanted,
    found: Option<(Node, Node)>,
    anchors: Vec<(String, Node)>,
    budget: usize,
}

impl<'a> Reader<'a> {
    fn node(&mut self, event: Event<'a>, depth: usize, deepest: usize) -> Option<Node> {
        self.budget = self.budget.checked_sub(1)?;
        if depth > deepest {
            return None;
        }
        let anchor = event.anchor.as_ref().map(ToString::to_string);
        let node = match event.kind {
            EventKind::Plain | EventKind::Quoted => scalar(event),
            EventKind::Alias => {
                let name = event.value;
                self.anchors.iter().rev().find(|(known, _)| *known == name).map(|(_, node)| node.clone())?
            }
            EventKind::SequenceStart => {
                let mut items = Vec::new();
                loop {
                    let event = self.events.next_event().ok()?;
                    if event.kind == EventKind::SequenceEnd {
                        break;
                    }
                    items.push(self.node(event, depth + 1, deepest)?);
                }
                Node::Sequence(items)
            }
            EventKind::MappingStart => self.mapping(depth, deepest)?,
            _ => return None,
        };
        if let Some(name) = anchor {
            self.anchors.push((name, node.clone()));
        }
        Some(node)
    }

    fn mapping(&mut self, depth: usize, deepest: usize) -> Option<Node> {
        let mut entries = Vec::new();
        loop {
            let event = self.events.next_event().ok()?;
            if event.kind == EventKind::MappingEnd {
                return Some(Node::Mapping(entries));
            }
            let key = self.node(event, depth + 1, deepest)?;
            let event = self.events.next_event().ok()?;
            let value = self.node(event, depth + 1, deepest)?;
            if self.found.is_none() && self.wanted.is(&key) {
                self.found = Some((key.clone(), value.clone()));
            }
            entries.push((key, value));
        }
    }
}

fn scalar(event: Event<'_>) -> Node {
    let scalar = match event.tag.as_deref() {
        None if event.kind == EventKind::Plain => resolve::plain(event.value),
        None => Scalar::Text(event.value),
        Some(tag) => resolve::tagged(tag, event.value).unwrap_or(Scalar::Null),
    };
    match scalar {
        Scalar::Null => Node::Nil,
        Scalar::Bool(flag) => Node::Bool(flag),
        Scalar::Number(number) => Node::Number(number),
        Scalar::Text(text) => Node::Text(text.into_owned()),
    }
}

/// Go's `%#v`.
fn sharp(node: &Node, top: bool) -> String {
    match node {
        Node::Nil if top => "<nil>".to_owned(),
        Node::Nil => "interface {}(nil)".to_owned(),
        Node::Bool(flag) => flag.to_string(),
        Node::Number(Number::Int(int)) => int.to_string(),
        Node::Number(Number::Uint(uint)) => format!("{uint:#x}"),
        Node::Number(Number::Float(float)) => sharp_float(*float),
        Node::Text(text) => quote(text),
        Node::Sequence(items) => {
            let items: Vec<_> = items.iter().map(|item| sharp(item, false)).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Node::Mapping(entries) => {
            let mut entries: Vec<&(Node, Node)> = entries.iter().collect();
            entries.sort_by(|a, b| order(&a.0, &b.0));
            let entries: Vec<_> =
                entries.iter().map(|(key, value)| format!("{}:{}", sharp(key, false), sharp(value, false))).collect();
            format!("map[interface {{}}]interface {{}}{{{}}}", entries.join(", "))
        }
    }
}

fn sharp_float(float: f64) -> String {
    match float {
        _ if float.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        _ => number::format(float),
    }
}

fn order(a: &Node, b: &Node) -> std::cmp::Ordering {
    match (a, b) {
        (Node::Text(a), Node::Text(b)) => a.cmp(b),
        (Node::Number(Number::Int(a)), Node::Number(Number::Int(b))) => a.cmp(b),
        (Node::Bool(a), Node::Bool(b)) => a.cmp(b),
        _ => class(a).cmp(&class(b)),
    }
}

fn class(node: &Node) -> u8 {
    match node {
        Node::Nil => 0,
        Node::Bool(_) => 1,
        Node::Number(_) => 2,
        _ => 3,
    }
}

/// `strconv.Quote` of text that YAML allows, or of one byte's character.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{B}' => out.push_str("\\v"),
            '\u{C}' => out.push_str("\\f"),
            c if c.is_control() && u32::from(c) < 0x80 => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c if c.is_control() || (c.is_whitespace() && c != ' ') || c == '\u{AD}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use crate::limits::{Duplicates, Limits};

    fn check(text: &str, expect: &str) {
        let limits = Limits { duplicates: Duplicates::LastWins, ..Limits::default() };
        let errors = crate::parse::value(text.as_bytes(), &limits).expect_err(text);
        assert_eq!(super::text(text.as_bytes(), &errors, &limits), expect, "{text:?}");
    }

    /// Every expectation is what Go printed.
    #[test]
    fn the_words_are_gos() {
        check("? [a]\n: b", "yaml: invalid map key: []interface {}{\"a\"}");
        check(
            "? {b: 1, a: [1,x,~,2.5,true]}\n: b",
            "yaml: invalid map key: map[interface {}]interface {}{\"a\":[]interface {}{1, \"x\", interface {}(nil), 2.5, true}, \"b\":1}",
        );
        check("9223372036854775808: x", "unsupported map key of type: uint64, key: 0x8000000000000000, value: \"x\"");
        check(
            "~: {a: [1,x,~,2.5,true], b: 1e30}",
            "unsupported map key of type: %!s(<nil>), key: <nil>, value: map[interface {}]interface {}{\"a\":[]interface {}{1, \"x\", interface {}(nil), 2.5, true}, \"b\":1e+30}",
        );
        check("a: -.inf", "json: unsupported value: -Inf");
        check("!!int x", "yaml: cannot decode !!str `x` as a !!int");
        check("a: &x [*x]", "yaml: anchor 'x' value contains itself");
        check("a: *foo", "yaml: unknown anchor 'foo' referenced");
        check("<<: 3", "yaml: map merge requires map or sequence of maps as the value");
        check("a: b: c", "yaml: mapping values are not allowed in this context");
        check("x\n  y: z", "yaml: line 2: mapping values are not allowed in this context");
        check("\t- a", "yaml: found character that cannot start any token");
        check("a: 'b", "yaml: found unexpected end of stream");
        check("a: [b", "yaml: line 1: did not find expected ',' or ']'");
        check("a: !!int x\nb: [", "yaml: line 2: did not find expected node content");
        check("- a\nb: c", "yaml: line 1: did not find expected '-' indicator");
        check("a: |\n x\n\ty", "yaml: line 3: found a tab character where an indentation space is expected");
        check("a:\n  - b\n c: d", "yaml: line 2: did not find expected key");
        check("a: \u{1}", "yaml: control characters are not allowed");
        check("--- a\nb: c", "yaml: line 2: mapping values are not allowed in this context");
        check("a: [1,2]]", "yaml: did not find expected key");
        check("{ {- $x := y -}}\na: b", "yaml: did not find expected node content");
        check("a: b\ninvalid", "yaml: line 3: could not find expected ':'");
        check("a:\n- b: c\n\n  {}", "yaml: line 3: did not find expected key");
        check("- a\n{}", "yaml: line 1: did not find expected '-' indicator");
        check("a: b\n[]\nc: d", "yaml: line 1: did not find expected key");
        check("a: b\nc:\n{}\nd: e", "yaml: line 4: could not find expected ':'");
        check("a: b\n\tc: d", "yaml: line 2: found a tab character that violates indentation");
        check("? [a]\n: b\nc: [", "yaml: line 3: did not find expected node content");
        check("a: *x\nb: ]", "yaml: unknown anchor 'x' referenced");
        check("a: b\nc\nd: e", "yaml: line 3: could not find expected ':'");
        check("a: b\nc:\"d\n\n  e\"", "yaml: line 4: could not find expected ':'");
        check("a:\n  - -\n\n  -1 # c\n ", "yaml: line 6: could not find expected ':'");
        check("[1]: *x\nb: %", "yaml: unknown anchor 'x' referenced");
    }
}
