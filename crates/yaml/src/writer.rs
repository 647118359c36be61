//! Values, one call each, to YAML text, byte for byte as sigs.k8s.io/yaml or Helm's `toYamlPretty` writes it.

use std::fmt::Write as _;

use serde_json::Number;

use crate::chars;
use crate::number::{self, Number as Whole};
use crate::order::Order;
use crate::style::{self, Analysis, Dialect, Style};

/// Keys up to this many bytes are written in front of their `:`; longer ones after a `?`.
const SIMPLE_KEY_BYTES: usize = 128;

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
struct Open {
    is_list: bool,
    /// Indentation around it.
    outer: isize,
    /// Its own.
    indent: isize,
}

/// Writes one document. Each value of a mapping follows its key; `end` closes what `begin_…` opened. Collections that are
/// empty are not opened but written as such.
pub struct Writer {
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
    open: Vec<Open>,
}

impl Writer {
    /// A writer of a document.
    pub fn new(dialect: Dialect) -> Self {
        Writer {
            dialect,
            width: if dialect == Dialect::V2 { 80 } else { usize::MAX },
            out: String::with_capacity(256),
            column: 0,
            indent: -1,
            whitespace: true,
            indention: true,
            open: Vec::new(),
        }
    }

    /// The order in which keys are to be given; see [`crate::order::sort`].
    pub fn order(&self) -> Order {
        if self.dialect == Dialect::V2 { Order::V2 } else { Order::V3 }
    }

    /// The text; all that was opened must be closed.
    pub fn finish(mut self) -> String {
        self.indent = -1;
        self.write_indent();
        self.out
    }

    /// Goes to where the next value stands.
    fn place(&mut self) -> Context {
        match self.open.last() {
            None => Context::Root,
            Some(Open { is_list: false, .. }) => Context::Value,
            Some(open) => {
                self.indent = open.indent;
                self.write_indent();
                self.indicator("-", true, false, true);
                Context::Item
            }
        }
    }

    /// `null`
    pub fn null(&mut self) {
        self.word("null");
    }

    /// A boolean.
    pub fn boolean(&mut self, flag: bool) {
        self.word(if flag { "true" } else { "false" });
    }

    /// A signed integer.
    pub fn int(&mut self, int: i64) {
        self.place();
        self.shown(format_args!("{int}"));
    }

    /// An unsigned integer.
    pub fn uint(&mut self, uint: u64) {
        self.place();
        self.shown(format_args!("{uint}"));
    }

    /// A float that is finite.
    pub fn float(&mut self, float: f64) {
        self.place();
        // sigs.k8s.io/yaml goes through JSON text, in which a whole float is an integer.
        let whole = if self.dialect == Dialect::V2 { number::whole(float) } else { None };
        match whole {
            Some(Whole::Int(int)) => self.shown(format_args!("{int}")),
            Some(Whole::Uint(uint)) => self.shown(format_args!("{uint}")),
            _ => self.plain(&number::format(float)),
        }
    }

    /// A number of JSON.
    pub fn number(&mut self, number: &Number) {
        match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(int), ..) => self.int(int),
            (_, Some(uint), _) => self.uint(uint),
            (_, _, Some(float)) => self.float(float),
            _ => self.word(&number.to_string()),
        }
    }

    /// A string.
    pub fn text(&mut self, text: &str) {
        let context = self.place();
        self.string(text, &style::analyze(text, self.dialect), context);
    }

    /// Text that stands as it is, whatever it reads back as: a timestamp.
    pub fn bare(&mut self, text: &str) {
        self.word(text);
    }

    /// Bytes in base64, in lines that each end with a line feed where they are more than one.
    pub fn binary(&mut self, base64: &str) {
        self.word("!!binary");
        let outer = self.indent;
        self.indent = if outer < 0 { 2 } else { outer + 2 };
        match base64.contains('\n') {
            true => self.literal(base64),
            false => self.plain(base64),
        }
        self.indent = outer;
    }

    /// `[]`
    pub fn empty_list(&mut self) {
        self.place();
        self.empty("[", "]");
    }

    /// `{}`
    pub fn empty_map(&mut self) {
        self.place();
        self.empty("{", "}");
    }

    /// A sequence that is not empty begins.
    pub fn begin_list(&mut self) {
        let context = self.place();
        // In goyaml v2 a list below a key keeps the key's column.
        let indentless = self.dialect == Dialect::V2 && context == Context::Value && !self.indention;
        self.begin(true, indentless);
    }

    /// A mapping that is not empty begins.
    pub fn begin_map(&mut self) {
        self.place();
        self.begin(false, false);
    }

    fn begin(&mut self, is_list: bool, indentless: bool) {
        let indent = match self.indent {
            ..0 => 0,
            outer if indentless => outer,
            outer => outer + 2,
        };
        self.open.push(Open { is_list, outer: self.indent, indent });
    }

    /// The innermost sequence or mapping ends.
    pub fn end(&mut self) {
        if let Some(open) = self.open.pop() {
            self.indent = open.outer;
        }
    }

    /// A key of the innermost mapping.
    pub fn key(&mut self, key: &str) {
        if let Some(open) = self.open.last() {
            self.indent = open.indent;
        }
        self.write_indent();
        let analysis = style::analyze(key, self.dialect);
        if !analysis.multiline && key.len() <= SIMPLE_KEY_BYTES {
            self.string(key, &analysis, Context::SimpleKey);
            self.indicator(":", false, false, false);
        } else {
            self.indicator("?", true, false, true);
            self.string(key, &analysis, Context::Key);
            self.write_indent();
            self.indicator(":", true, false, true);
        }
    }

    fn word(&mut self, word: &str) {
        self.place();
        self.plain(word);
    }

    fn shown(&mut self, number: std::fmt::Arguments<'_>) {
        if !self.whitespace {
            self.put(' ');
        }
        let start = self.out.len();
        // Writing to a string cannot fail.
        let _ = self.out.write_fmt(number);
        self.column += self.out.len() - start;
        (self.whitespace, self.indention) = (false, false);
    }

    fn empty(&mut self, open: &str, close: &str) {
        self.indicator(open, true, true, false);
        self.indicator(close, false, false, false);
    }

    /// Adds text of one line that stands as it is; false where it has to be looked at more closely.
    fn add_line(&mut self, text: &str, allow_breaks: bool) -> bool {
        let fits = !allow_breaks || text.len() <= self.width.saturating_sub(self.column) || !text.contains(' ');
        if !fits || !text.is_ascii() {
            return false;
        }
        self.out.push_str(text);
        self.column += text.len();
        true
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
        const SPACES: &str = "                                                                ";
        while self.column < indent {
            let some = (indent - self.column).min(SPACES.len());
            self.out.push_str(&SPACES[..some]);
            self.column += some;
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

    fn string(&mut self, text: &str, analysis: &Analysis, context: Context) {
        let outer = self.indent;
        self.indent = if outer < 0 { 2 } else { outer + 2 };
        let simple_key = context == Context::SimpleKey;
        match style::of_string(text, analysis, simple_key) {
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
        if self.add_line(text, allow_breaks) {
            (self.whitespace, self.indention) = (false, false);
            return;
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
        let is_simple = !text.bytes().any(|byte| byte < 0x20 || byte == b'\'');
        if is_simple && self.add_line(text, allow_breaks) {
            self.indicator("'", false, false, false);
            return;
        }
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
        let is_simple = !text.bytes().any(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\' | 0x7f));
        if is_simple && self.add_line(text, allow_breaks) {
            self.indicator("\"", false, false, false);
            return;
        }
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
        if !text.bytes().any(|byte| matches!(byte, b'\r' | 0xC2 | 0xE2)) {
            return self.lines(text);
        }
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

    /// The lines of a literal in which only LF breaks lines.
    fn lines(&mut self, text: &str) {
        for line in text.split_inclusive('\n') {
            let content = line.strip_suffix('\n').unwrap_or(line);
            if !content.is_empty() {
                self.write_indent();
                self.out.push_str(content);
                self.column += content.len();
                self.indention = false;
            }
            if content.len() < line.len() {
                self.put_break();
                self.indention = true;
            }
        }
    }
}
