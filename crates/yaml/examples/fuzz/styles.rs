//! A value to YAML text in styles that are drawn: block and flow, plain, single, double, literal, comments, anchors.
use serde_json::Value;

use crate::harness::Random;

/// A text that reads as the value.
pub fn write(random: &mut Random, value: &Value) -> String {
    let mut writer = Writer { random, out: String::new(), anchors: 0, after_literal: false };
    if writer.random.one_in(4) {
        writer.out.push_str(["---\n", "# c\n---\n", "%YAML 1.1\n---\n"][writer.random.below(3)]);
    }
    writer.block(value, 0, true);
    if !writer.out.ends_with('\n') {
        writer.out.push('\n');
    }
    if writer.random.one_in(6) {
        writer.out.push_str(["...\n", "# end\n", "\n\n"][writer.random.below(3)]);
    }
    writer.out
}

struct Writer<'r> {
    random: &'r mut Random,
    out: String,
    anchors: usize,
    /// A comment would be part of the literal.
    after_literal: bool,
}

impl Writer<'_> {
    /// A value where a block collection may stand: at the start of a line that is indented already, or behind a key.
    fn block(&mut self, value: &Value, indent: usize, at_start: bool) {
        if !self.random.one_in(4) {
            match value {
                Value::Array(items) if !items.is_empty() => return self.sequence(items, indent, at_start),
                Value::Object(fields) if !fields.is_empty() => return self.mapping(fields, indent, at_start),
                Value::String(text) if is_literal(text) && self.random.one_in(2) => return self.literal(text, indent),
                _ => {}
            }
        }
        if !at_start {
            self.out.push(' ');
        }
        if self.random.one_in(12) {
            self.anchors += 1;
            self.out.push_str(&format!("&n{} ", self.anchors));
        }
        self.flow(value);
        if self.random.one_in(8) {
            self.out.push_str(" # c");
        }
    }

    fn line(&mut self, indent: usize) {
        if !std::mem::take(&mut self.after_literal) && self.random.one_in(10) {
            self.out.push_str(["\n", "\n# c", "\n   # c"][self.random.below(3)]);
        }
        self.out.push('\n');
        self.out.push_str(&" ".repeat(indent));
    }

    fn sequence(&mut self, items: &[Value], indent: usize, at_start: bool) {
        for (at, item) in items.iter().enumerate() {
            if at > 0 || !at_start {
                self.line(indent);
            }
            self.out.push('-');
            if matches!(item, Value::Array(_) | Value::Object(_)) {
                self.block(item, indent + 2, false);
            } else {
                self.out.push(' ');
                self.block(item, indent + 1, true);
            }
        }
    }

    fn mapping(&mut self, fields: &serde_json::Map<String, Value>, indent: usize, at_start: bool) {
        for (at, (key, value)) in fields.iter().enumerate() {
            if at > 0 || !at_start {
                self.line(indent);
            }
            self.scalar(key);
            self.out.push(':');
            let deeper = 1 + self.random.below(4);
            self.block(value, indent + deeper, false);
        }
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.out.push_str(match text.ends_with('\n') {
            true => " |\n",
            false => " |-\n",
        });
        let indent = indent + 1;
        let lines: Vec<String> =
            text.trim_end_matches('\n').split('\n').map(|line| format!("{}{line}", " ".repeat(indent))).collect();
        self.out.push_str(&lines.join("\n"));
        self.after_literal = true;
    }

    fn flow(&mut self, value: &Value) {
        match value {
            Value::Array(items) => {
                self.out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        self.out.push_str(", ");
                    }
                    self.flow(item);
                }
                self.out.push_str(if self.random.one_in(4) && !items.is_empty() { ", ]" } else { "]" });
            }
            Value::Object(fields) => {
                self.out.push('{');
                for (at, (key, value)) in fields.iter().enumerate() {
                    if at > 0 {
                        self.out.push_str(", ");
                    }
                    self.scalar(key);
                    self.out.push_str(": ");
                    self.flow(value);
                }
                self.out.push('}');
            }
            Value::String(text) => self.scalar(text),
            Value::Null => self.out.push_str(["null", "~", "Null"][self.random.below(3)]),
            Value::Bool(true) => self.out.push_str(["true", "yes", "On"][self.random.below(3)]),
            Value::Bool(false) => self.out.push_str(["false", "no", "OFF"][self.random.below(3)]),
            Value::Number(number) => self.out.push_str(&number.to_string()),
        }
    }

    fn scalar(&mut self, text: &str) {
        let is_word = text.len() > 5 && text.bytes().all(|byte| byte.is_ascii_lowercase());
        let is_single = text.chars().all(|c| c == '\'' || (' '..='~').contains(&c));
        match self.random.below(3) {
            0 if is_word => self.out.push_str(text),
            0 | 1 if is_single => {
                self.out.push('\'');
                self.out.push_str(&text.replace('\'', "''"));
                self.out.push('\'');
            }
            _ => self.double(text),
        }
    }

    fn double(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' | '\\' => {
                    self.out.push('\\');
                    self.out.push(c);
                }
                '\n' => self.out.push_str("\\n"),
                '\t' => self.out.push_str(if self.random.one_in(2) { "\\t" } else { "\\x09" }),
                ' '..='~' => self.out.push(c),
                c if u32::from(c) < 0x1_0000 => self.out.push_str(&format!("\\u{:04X}", u32::from(c))),
                c => self.out.push_str(&format!("\\U{:08x}", u32::from(c))),
            }
        }
        self.out.push('"');
    }
}

/// May a text stand as a literal with its indentation found by its first line?
fn is_literal(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    !body.is_empty()
        && !body.starts_with([' ', '\n', '\t'])
        && !body.ends_with('\n')
        && body.split('\n').all(|line| !line.is_empty() && line.chars().all(|c| (' '..='~').contains(&c)))
}
