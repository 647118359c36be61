//! A TOML text to a map, with the errors of BurntSushi's parser.

use masthead_gotmpl::map::Map;
use masthead_gotmpl::quote::quote;
use masthead_gotmpl::value::Value;

use super::read::{Cursor, Fault, is_blank, is_break, quoted};
use super::scalar;
use super::tables::{self, Key, Members, Node, Tables};

/// How deep arrays and inline tables nest.
const DEPTH_MAX: usize = 500;

/// The map, or the error's text.
pub fn parse(text: &[u8]) -> Result<Map, String> {
    let text = match text {
        [0xFF, 0xFE, rest @ ..] | [0xFE, 0xFF, rest @ ..] | [0xEF, 0xBB, 0xBF, rest @ ..] => rest,
        _ => text,
    };
    if text[..text.len().min(6)].contains(&0) {
        return Err(
            "toml: line 1: files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8".into()
        );
    }
    let mut parser = Parser { cursor: Cursor::new(text), tables: Tables::default(), key: Vec::new(), depth: 0 };
    match parser.file() {
        Ok(()) => Ok(parser.tables.finish()),
        Err(fault) => Err(parser.describe(&fault)),
    }
}

pub(super) struct Parser<'t> {
    pub(super) cursor: Cursor<'t>,
    tables: Tables,
    /// The key whose value is being read.
    key: Vec<u8>,
    depth: usize,
}

impl Parser<'_> {
    fn describe(&self, fault: &Fault) -> String {
        let context = tables::name(&self.tables.context);
        let key = String::from_utf8_lossy(&self.key);
        let last = match (context.is_empty(), key.is_empty()) {
            (_, true) => context,
            (true, false) => key.into_owned(),
            (false, false) => format!("{context}.{key}"),
        };
        if last.is_empty() {
            return format!("toml: line {}: {}", fault.line, fault.message);
        }
        format!("toml: line {} (last key {}): {}", fault.line, quote(last.as_bytes()), fault.message)
    }

    fn at<T>(&self, line: usize, result: Result<T, String>) -> Result<T, Fault> {
        result.map_err(|message| Fault { line, message })
    }

    fn file(&mut self) -> Result<(), Fault> {
        loop {
            self.cursor.skip(|c| is_blank(c) || is_break(c))?;
            match self.cursor.peek()? {
                None => return Ok(()),
                Some('#') => self.comment()?,
                Some('[') => {
                    self.cursor.next()?;
                    self.table()?;
                    self.line_end()?;
                }
                Some(_) => {
                    self.pair()?;
                    self.line_end()?;
                }
            }
        }
    }

    fn comment(&mut self) -> Result<(), Fault> {
        self.cursor.skip(|c| !is_break(c))
    }

    fn line_end(&mut self) -> Result<(), Fault> {
        self.cursor.skip(is_blank)?;
        match self.cursor.peek()? {
            None => Ok(()),
            Some('#') => self.comment(),
            Some(c) if is_break(c) => Ok(()),
            Some(c) => self.cursor.fault(format!(
                "expected a top-level item to end with a newline, comment, or EOF, but got {} instead",
                quoted(Some(c))
            )),
        }
    }

    fn table(&mut self) -> Result<(), Fault> {
        let array = self.cursor.accept('[')?;
        let mut key = Key::new();
        let mut line;
        loop {
            self.cursor.skip(is_blank)?;
            line = self.cursor.line;
            match self.cursor.peek()? {
                Some(']') | None => {
                    return self.cursor.fault("unexpected end of table name (table names cannot be empty)");
                }
                Some('.') => {
                    return self.cursor.fault("unexpected table separator (table names cannot be empty)");
                }
                _ => key.push(self.key_part()?),
            }
            self.cursor.skip(is_blank)?;
            match self.cursor.next()? {
                Some('.') => {}
                Some(']') => break,
                other => {
                    let message = format!("expected '.' or ']' to end table name, but got {} instead", quoted(other));
                    return self.cursor.fault_after(other, message);
                }
            }
        }
        if array {
            let next = self.cursor.next()?;
            if next != Some(']') {
                let message =
                    format!("expected end of table array name delimiter ']', but got {} instead", quoted(next));
                return self.cursor.fault_after(next, message);
            }
        }
        let entered = self.tables.enter(&key, array);
        self.at(line, entered)?;
        self.tables.set_array(b"", false);
        Ok(())
    }

    /// One part of a dotted key.
    fn key_part(&mut self) -> Result<Vec<u8>, Fault> {
        match self.cursor.peek()? {
            Some('"') => {
                self.cursor.next()?;
                self.string()
            }
            Some('\'') => {
                self.cursor.next()?;
                self.raw_string()
            }
            _ => {
                let start = self.cursor.at;
                self.cursor.skip(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))?;
                Ok(self.cursor.since(start).to_vec())
            }
        }
    }

    /// A key until behind its `=`, with the line it begins on.
    fn keys(&mut self) -> Result<(Key, usize), Fault> {
        self.cursor.skip(is_blank)?;
        match self.cursor.peek()? {
            Some('=') | None => return self.cursor.fault("unexpected '=': key name appears blank"),
            Some('.') => return self.cursor.fault("unexpected '.': keys cannot start with a '.'"),
            Some(_) => {}
        }
        let line = self.cursor.line;
        let mut key = Key::new();
        loop {
            self.cursor.skip(is_blank)?;
            match self.cursor.peek()? {
                Some('=') | None if !key.is_empty() => return self.cursor.fault("unexpected '='"),
                Some('.') => return self.cursor.fault("unexpected '.'"),
                _ => key.push(self.key_part()?),
            }
            self.cursor.skip(is_blank)?;
            match self.cursor.next()? {
                Some('.') => {}
                Some('=') => return Ok((key, line)),
                None => return self.cursor.fault("unexpected EOF; expected key separator '='"),
                Some('\n') => return self.cursor.fault_before("expected '.' or '=', but got '\\n' instead"),
                other => {
                    return self.cursor.fault(format!("expected '.' or '=', but got {} instead", quoted(other)));
                }
            }
        }
    }

    /// `key = value`.
    fn pair(&mut self) -> Result<(), Fault> {
        let outer = self.tables.context.clone();
        let (key, line) = self.keys()?;
        let Some((last, parents)) = key.split_last() else { return Ok(()) };
        self.key = last.clone();
        for part in parents {
            let entered = self.tables.enter_implicit(part);
            self.at(line, entered)?;
        }
        let (value, array) = self.value(false)?;
        let set = self.tables.set(last, value);
        self.at(line, set)?;
        self.tables.set_array(last, array);
        self.tables.context = outer;
        self.key.clear();
        Ok(())
    }

    /// A value, and whether it is an array in brackets.
    pub(super) fn value(&mut self, in_array: bool) -> Result<(Node, bool), Fault> {
        self.cursor.skip(is_blank)?;
        let done = |value: Value| Ok((Node::Value(value), false));
        match self.cursor.peek()? {
            Some('[') => {
                self.cursor.next()?;
                let items = self.deeper(Self::array)?;
                Ok((Node::Value(crate::args::any_list(items)), true))
            }
            Some('{') => {
                self.cursor.next()?;
                let members = self.deeper(|parser| parser.inline_table(in_array))?;
                Ok((Node::Table(members), false))
            }
            Some('"') => {
                self.cursor.next()?;
                if self.cursor.accept('"')? {
                    if !self.cursor.accept('"')? {
                        return done(Value::from(""));
                    }
                    return done(Value::str(self.multiline_string()?));
                }
                done(Value::str(self.string()?))
            }
            Some('\'') => {
                self.cursor.next()?;
                if self.cursor.accept('\'')? {
                    if !self.cursor.accept('\'')? {
                        return done(Value::from(""));
                    }
                    return done(Value::str(self.multiline_raw_string()?));
                }
                done(Value::str(self.raw_string()?))
            }
            _ => done(self.scalar()?),
        }
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth >= DEPTH_MAX {
            return self.cursor.fault(format!("more than {DEPTH_MAX} levels"));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn array(&mut self) -> Result<Vec<Value>, Fault> {
        let key = self.key.clone();
        self.tables.set_array(&key, true);
        let mut items = Vec::new();
        let mut due = true;
        loop {
            self.cursor.skip(|c| is_blank(c) || is_break(c))?;
            match self.cursor.peek()? {
                Some('#') => self.comment()?,
                Some(']') => {
                    self.cursor.next()?;
                    return Ok(items);
                }
                Some(',') if due => {
                    self.cursor.next()?;
                    return self.cursor.fault("unexpected comma");
                }
                Some(',') => {
                    self.cursor.next()?;
                    due = true;
                }
                _ if due => {
                    items.push(tables::value(self.value(true)?.0));
                    due = false;
                }
                other => {
                    return self.cursor.fault(format!(
                        "expected a comma (',') or array terminator (']'), but got {}",
                        name_of(other)
                    ));
                }
            }
        }
    }

    fn inline_table(&mut self, in_array: bool) -> Result<Members, Fault> {
        let (outer, outer_key) = (self.tables.context.clone(), std::mem::take(&mut self.key));
        let mut context = outer.clone();
        context.push(outer_key.clone());
        self.tables.add_implicit(&context);
        let line = self.cursor.line;
        let entered = self.tables.enter(&context, in_array);
        self.at(line, entered)?;
        let mut members = Members::new();
        let mut due = true;
        loop {
            self.cursor.skip(|c| is_blank(c) || is_break(c))?;
            match self.cursor.peek()? {
                Some('#') => self.comment()?,
                Some('}') => {
                    self.cursor.next()?;
                    break;
                }
                Some(',') if due => {
                    self.cursor.next()?;
                    return self.cursor.fault("unexpected comma");
                }
                Some(',') => {
                    self.cursor.next()?;
                    due = true;
                }
                _ if due => {
                    self.inline_pair(&mut members)?;
                    self.tables.context.clone_from(&context);
                    due = false;
                }
                other => {
                    return self.cursor.fault(format!(
                        "expected a comma or an inline table terminator '}}', but got {} instead",
                        name_of(other)
                    ));
                }
            }
        }
        self.tables.context = outer;
        self.key = outer_key;
        Ok(members)
    }

    fn inline_pair(&mut self, members: &mut Members) -> Result<(), Fault> {
        let (key, line) = self.keys()?;
        let Some((last, parents)) = key.split_last() else { return Ok(()) };
        self.key = last.clone();
        for part in parents {
            let entered = self.tables.enter_implicit(part);
            self.at(line, entered)?;
        }
        let (value, array) = self.value(false)?;
        // The value stands in the tables, for later keys to be refused, and in the inline table itself.
        let value = tables::value(value);
        let set = self.tables.set(last, Node::Value(value.clone()));
        self.at(line, set)?;
        self.tables.set_array(last, array);
        let mut at = members;
        for part in parents {
            at = match at.entry(part.clone()).or_insert_with(|| Node::Table(Members::new())) {
                Node::Table(table) => table,
                _ => {
                    let message = format!("{} is not a table", quote(tables::name(&self.tables.context).as_bytes()));
                    return Err(Fault { line, message });
                }
            };
        }
        at.insert(last.clone(), Node::Value(value));
        Ok(())
    }

    /// What stands bare: numbers, dates, booleans.
    fn scalar(&mut self) -> Result<Value, Fault> {
        let line = self.cursor.line;
        let start = self.cursor.at;
        let text = |parser: &Self| String::from_utf8_lossy(parser.cursor.since(start)).into_owned();
        match self.cursor.peek()? {
            Some(c) if c.is_ascii_digit() => {
                let kind = scalar::number(&mut self.cursor)?;
                let text = text(self);
                self.at(line, scalar::value(kind, &text))
            }
            Some('.') => {
                self.cursor.next()?;
                self.cursor.fault("floats must start with a digit, not '.'")
            }
            Some('-' | '+') => {
                let kind = scalar::signed(&mut self.cursor, start)?;
                let text = text(self);
                self.at(line, scalar::value(kind, &text))
            }
            Some('i' | 'n') => {
                self.cursor.next()?;
                let cursor = &mut self.cursor;
                if (cursor.accept('n')? && cursor.accept('f')?) || (cursor.accept('a')? && cursor.accept('n')?) {
                    let text = text(self);
                    return self.at(line, scalar::value(scalar::Kind::Float, &text));
                }
                // The library goes back by one letter only.
                self.cursor.at -= 1;
                let start = self.cursor.at;
                self.cursor.skip(crate::golang::unicode::is_letter)?;
                let word = quote(self.cursor.since(start));
                self.cursor.fault(format!("expected value but found {word} instead"))
            }
            Some(c) if crate::golang::unicode::is_letter(c) => {
                self.cursor.skip(crate::golang::unicode::is_letter)?;
                match text(self).as_str() {
                    "true" => Ok(Value::Bool(true)),
                    "false" => Ok(Value::Bool(false)),
                    word => self.cursor.fault(format!("expected value but found {} instead", quote(word.as_bytes()))),
                }
            }
            None => self.cursor.fault("unexpected EOF; expected value"),
            Some(c) => {
                self.cursor.next()?;
                let message = format!("expected value but found {} instead", quoted(Some(c)));
                if c == '\n' { self.cursor.fault_before(message) } else { self.cursor.fault(message) }
            }
        }
    }
}

fn name_of(c: Option<char>) -> String {
    c.map_or_else(|| "end of file".to_owned(), |c| format!("'{c}'"))
}
