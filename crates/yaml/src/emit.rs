//! A JSON value to YAML text, byte for byte as sigs.k8s.io/yaml or Helm's `toYamlPretty` writes it.

use std::fmt::Write as _;

use serde_json::{Number, Value};

use crate::chars;
use crate::number::{self, Number as Whole};
use crate::order::{self, Order};
use crate::style::{self, Dialect, Style};

/// Keys up to this many bytes are written in front of their `:`; longer ones after a `?`.
const SIMPLE_KEY_BYTES: usize = 128;

/// Text as `sigs.k8s.io/yaml.Marshal` writes it: keys sorted, lists at their key's column, lines folded after 80.
///
/// Strings that Go's way through JSON text refuses or damages (U+007F, U+0080 to U+009F, keys over 1,024 characters) are
/// written as the emitter alone would. A key `<<` is written plain, as in Go, and reads back as a merge.
pub fn to_string(value: &Value) -> String {
    emit(value, Dialect::V2)
}

/// Text as Helm's `toYamlPretty` writes it: lists indented below their key, no folding, a whole float as a float (`1e+06`).
///
/// As in Go, several lines of which the first starts with a tab come out in a form that does not read back.
pub fn pretty(value: &Value) -> String {
    emit(value, Dialect::V3)
}

fn emit(value: &Value, dialect: Dialect) -> String {
    let mut emitter = Emitter::new(dialect);
    emitter.node(value, Context::Root);
    while let Some(open) = emitter.open.pop() {
        emitter.step(open);
    }
    emitter.indent = -1;
    emitter.write_indent();
    emitter.out
}

/// Where a node stands.
#[derive(Clone, Copy, PartialEq)]
enum Context {
    Root,
    Item,
    Value,
    Key,
    SimpleKey,
}

/// A collection that is not written to its end.
struct Open<'v> {
    rest: Rest<'v>,
    /// Indentation around it.
    outer: isize,
    /// Its own.
    indent: isize,
}

enum Rest<'v> {
    Mapping(std::vec::IntoIter<(&'v str, &'v Value)>),
    Sequence(std::slice::Iter<'v, Value>),
}

struct Emitter<'v> {
    dialect: Dialect,
    width: usize,
    out: String,
    /// Characters in the line so far.
    column: usize,
    indent: isize,
    /// The last thing written was white space, or needs none after it.
    whitespace: bool,
    /// Only indentation and indicators stand in the line so far.
    indention: bool,
    open: Vec<Open<'v>>,
}

impl<'v> Emitter<'v> {
    fn new(dialect: Dialect) -> Self {
        Emitter {
            dialect,
            width: if dialect == Dialect::V2 { 80 } else { usize::MAX },
            out: String::new(),
            column: 0,
            indent: -1,
            whitespace: true,
            indention: true,
            open: Vec::new(),
        }
    }

    /// Writes the next item or entry of a collection and keeps what is left of it.
    fn step(&mut self, mut open: Open<'v>) {
        self.indent = open.indent;
        let node = match &mut open.rest {
            Rest::Sequence(items) => items.next().map(|item| {
                self.write_indent();
                self.indicator("-", true, false, true);
                (item, Context::Item)
            }),
            Rest::Mapping(entries) => entries.next().map(|(key, value)| {
                self.key(key);
                (value, Context::Value)
            }),
        };
        match node {
            Some((node, context)) => {
                self.open.push(open);
                self.node(node, context);
            }
            None => self.indent = open.outer,
        }
    }

    fn key(&mut self, key: &str) {
        self.write_indent();
        let analysis = style::analyze(key, self.dialect);
        if !analysis.multiline && key.len() <= SIMPLE_KEY_BYTES {
            self.string(key, Context::SimpleKey);
            self.indicator(":", false, false, false);
        } else {
            self.indicator("?", true, false, true);
            self.string(key, Context::Key);
            self.write_indent();
            self.indicator(":", true, false, true);
        }
    }

    fn node(&mut self, value: &'v Value, context: Context) {
        match value {
            Value::Null => self.plain("null"),
            Value::Bool(flag) => self.plain(if *flag { "true" } else { "false" }),
            Value::Number(number) => self.plain(&self.number(number)),
            Value::String(text) => self.string(text, context),
            Value::Array(items) if items.is_empty() => self.empty("[", "]"),
            Value::Object(map) if map.is_empty() => self.empty("{", "}"),
            Value::Array(items) => {
                // In goyaml v2 a list below a key keeps the key's column.
                let indentless = self.dialect == Dialect::V2 && context == Context::Value && !self.indention;
                self.begin(Rest::Sequence(items.iter()), indentless);
            }
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().map(|(key, value)| (key.as_str(), value)).collect();
                let order = if self.dialect == Dialect::V2 { Order::V2 } else { Order::V3 };
                order::sort(&mut entries, order);
                self.begin(Rest::Mapping(entries.into_iter()), false);
            }
        }
    }

    fn begin(&mut self, rest: Rest<'v>, indentless: bool) {
        let indent = match self.indent {
            ..0 => 0,
            outer if indentless => outer,
            outer => outer + 2,
        };
        self.open.push(Open { rest, outer: self.indent, indent });
    }

    fn empty(&mut self, open: &str, close: &str) {
        self.indicator(open, true, true, false);
        self.indicator(close, false, false, false);
    }

    fn number(&self, number: &Number) -> String {
        match number.as_f64() {
            Some(float) if number.is_f64() => {
                // sigs.k8s.io/yaml goes through JSON text, in which a whole float is an integer.
                let whole = if self.dialect == Dialect::V2 { number::whole(float) } else { None };
                match whole {
                    Some(Whole::Int(int)) => int.to_string(),
                    Some(Whole::Uint(uint)) => uint.to_string(),
                    _ => number::format(float),
                }
            }
            _ => number.to_string(),
        }
    }

    fn put(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    fn put_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    /// Writes a line break that is part of a text.
    fn write_break(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
    }

    /// Starts a line, unless the current one is still within the indentation.
    fn write_indent(&mut self) {
        let indent = self.indent.max(0) as usize;
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.put_break();
        }
        while self.column < indent {
            self.put(' ');
        }
        self.whitespace = true;
        self.indention = true;
    }

    fn indicator(&mut self, text: &str, need_whitespace: bool, is_whitespace: bool, is_indention: bool) {
        if need_whitespace && !self.whitespace {
            self.put(' ');
        }
        self.out.push_str(text);
        self.column += text.len();
        self.whitespace = is_whitespace;
        self.indention &= is_indention;
    }

    /// Writes text that needs no look.
    fn plain(&mut self, text: &str) {
        self.indicator(text, true, false, false);
    }

    fn string(&mut self, text: &str, context: Context) {
        let analysis = style::analyze(text, self.dialect);
        let outer = self.indent;
        self.indent = if outer < 0 { 2 } else { outer + 2 };
        let simple_key = context == Context::SimpleKey;
        match style::of_string(text, &analysis, simple_key, self.dialect) {
            Style::Plain => self.plain_scalar(text, !simple_key),
            Style::Single => self.single_quoted(text, !simple_key),
            Style::Double => self.double_quoted(text, !simple_key),
            Style::Literal => self.literal(text),
        }
        self.indent = outer;
    }

    /// Whether a line may be folded at this space.
    fn folds(&self, allow_breaks: bool, after_space: bool) -> bool {
        allow_breaks && !after_space && self.column > self.width
    }

    fn plain_scalar(&mut self, text: &str, allow_breaks: bool) {
        if !self.whitespace {
            self.put(' ');
        }
        let mut after_space = false;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let space = c == ' ';
            if space && self.folds(allow_breaks, after_space) && chars.peek() != Some(&' ') {
                self.write_indent();
            } else {
                self.put(c);
                self.indention &= space;
            }
            after_space = space;
        }
        self.whitespace = false;
        self.indention = false;
    }

    fn single_quoted(&mut self, text: &str, allow_breaks: bool) {
        self.indicator("'", true, false, false);
        let (mut after_space, mut after_break) = (false, false);
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            if c == ' ' {
                if at > 0 && next.is_some_and(|next| next != ' ') && self.folds(allow_breaks, after_space) {
                    self.write_indent();
                } else {
                    self.put(c);
                }
                after_space = true;
            } else if chars::is_break(c) {
                if !after_break && c == '\n' {
                    self.put_break();
                }
                self.write_break(c);
                self.indention = true;
                after_break = true;
            } else {
                if after_break {
                    self.write_indent();
                }
                if c == '\'' {
                    self.put(c);
                }
                self.put(c);
                self.indention = false;
                (after_space, after_break) = (false, false);
            }
        }
        self.indicator("'", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn double_quoted(&mut self, text: &str, allow_breaks: bool) {
        self.indicator("\"", true, false, false);
        // goyaml looks for a byte order mark at the text's start each time, so such a text is escaped as a whole.
        let escape_all = text.starts_with('\u{FEFF}');
        let mut after_space = false;
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if escape_all || !chars::is_printable(c) || chars::is_break(c) || c == '"' || c == '\\' {
                self.escape(c);
                after_space = false;
            } else if c == ' ' {
                let next = chars.peek().map(|(_, next)| *next);
                if at > 0 && next.is_some() && self.folds(allow_breaks, after_space) {
                    self.write_indent();
                    if next == Some(' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(c);
                }
                after_space = true;
            } else {
                self.put(c);
                after_space = false;
            }
        }
        self.indicator("\"", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn escape(&mut self, c: char) {
        let start = self.out.len();
        self.out.push('\\');
        let code = u32::from(c);
        let short = match code {
            0x00 => '0',
            0x07 => 'a',
            0x08 => 'b',
            0x09 => 't',
            0x0A => 'n',
            0x0B => 'v',
            0x0C => 'f',
            0x0D => 'r',
            0x1B => 'e',
            0x22 => '"',
            0x5C => '\\',
            0x85 => 'N',
            0xA0 => '_',
            0x2028 => 'L',
            0x2029 => 'P',
            _ => '\0',
        };
        // Writing to a string cannot fail.
        let _ = match code {
            _ if short != '\0' => write!(self.out, "{short}"),
            ..=0xFF => write!(self.out, "x{code:02X}"),
            0x100..=0xFFFF => write!(self.out, "u{code:04X}"),
            _ => write!(self.out, "U{code:08X}"),
        };
        self.column += self.out.len() - start;
    }

    fn literal(&mut self, text: &str) {
        self.indicator("|", true, false, false);
        if text.starts_with(|c| c == ' ' || chars::is_break(c)) {
            self.indicator("2", false, false, false);
        }
        let mut end = text.chars().rev();
        match (end.next().is_some_and(chars::is_break), end.next()) {
            (false, _) => self.indicator("-", false, false, false),
            (true, None) => self.indicator("+", false, false, false),
            (true, Some(c)) if chars::is_break(c) => self.indicator("+", false, false, false),
            (true, Some(_)) => {}
        }
        self.put_break();
        self.indention = true;
        self.whitespace = true;
        let mut after_break = true;
        for c in text.chars() {
            if chars::is_break(c) {
                self.write_break(c);
                self.indention = true;
                after_break = true;
            } else {
                if after_break {
                    self.write_indent();
                }
                self.put(c);
                self.indention = false;
                after_break = false;
            }
        }
    }
}
