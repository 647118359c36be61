//! `--set` lines to values: Helm's own little language of keys, indices, lists and escapes, with its errors.

use masthead_gotmpl::fmt::print;
use masthead_gotmpl::list::List;
use masthead_gotmpl::quote::quote;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;
use masthead_sprig::golang::number;
use masthead_sprig::golang::unicode;

use crate::tree::{Table, Tree};

/// The largest index of a list. Helm's bound.
pub const INDEX_MAX: i64 = 65_536;

/// How many dots a name may have. Helm's bound.
pub const DOTS_MAX: usize = 30;

/// How many indices may follow one another: `a[0][0]` has two. Helm has no bound.
pub const INDICES_MAX: usize = 100;

/// How many places of lists one line may add that it gives no value. Helm has no bound: eight bytes of a line are half
/// a megabyte there.
pub const GAPS_MAX: usize = 1 << 20;

/// What stands after the `=`.
pub enum Kind<'a> {
    /// `--set`: booleans, null, integers, text and `{a,b}`.
    Typed,
    /// `--set-string`: text and lists of it.
    Text,
    /// `--set-json`
    Json,
    /// `--set-file`: the name of a file, whose text is the value.
    File(&'a mut dyn FnMut(&str) -> Result<Vec<u8>, String>),
    /// `--set-literal`: the rest of the line, without escapes or lists.
    Literal,
}

/// Why reading stopped.
enum Stop {
    /// The line is over; so far all is well.
    End,
    Fault(String),
}

impl Stop {
    fn wrap(self, words: &str) -> Stop {
        match self {
            Stop::End => Stop::Fault(format!("{words}: EOF")),
            Stop::Fault(text) => Stop::Fault(format!("{words}: {text}")),
        }
    }
}

type Done<T> = Result<T, Stop>;

/// Reads a line into `dest`, over what is there.
///
/// # Errors
/// Helm's own words, without the name of the flag.
pub fn parse_into(line: &str, dest: &mut Table, kind: Kind<'_>) -> Result<(), String> {
    let mut parser = Parser { rest: line, kind, gaps: 0 };
    loop {
        match parser.key(dest, 0) {
            Ok(()) => {}
            Err(Stop::End) => return Ok(()),
            Err(Stop::Fault(text)) => return Err(text),
        }
    }
}

struct Parser<'l, 'k> {
    rest: &'l str,
    kind: Kind<'k>,
    /// Places of lists that were added without a value so far.
    gaps: usize,
}

/// What ended a run of characters: one that was looked for, or the end of the line.
type Run = (String, Option<char>);

impl Parser<'_, '_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn until(&mut self, stops: &[char]) -> Run {
        let mut run = String::new();
        let literal = matches!(self.kind, Kind::Literal);
        while let Some(c) = self.next() {
            if stops.contains(&c) {
                return (run, Some(c));
            }
            if c == '\\' && !literal {
                match self.next() {
                    Some(escaped) => run.push(escaped),
                    None => return (run, None),
                }
            } else {
                run.push(c);
            }
        }
        (run, None)
    }

    fn key(&mut self, data: &mut Table, mut dots: usize) -> Done<()> {
        let stops: &[char] = if matches!(self.kind, Kind::Literal) { &['=', '[', '.'] } else { &['=', '[', ',', '.'] };
        let (name, last) = self.until(stops);
        match last {
            None if name.is_empty() => Err(Stop::End),
            None => fault(format!("key {} has no value", quoted(&name))),
            Some('[') => self.indexed(data, &name, dots),
            Some('=') => self.assign(data, &name),
            Some(',') => {
                set(data, &name, Tree::str(""));
                fault(format!("key {} has no value (cannot end with ,)", quoted(&name)))
            }
            Some(_) => {
                dots += 1;
                if dots > DOTS_MAX {
                    return fault(format!(
                        "value name nested level is greater than maximum supported nested level of {DOTS_MAX}"
                    ));
                }
                self.nested(data, &name, dots)
            }
        }
    }

    /// `name.` was read: the rest is a key of the mapping there.
    fn nested(&mut self, data: &mut Table, name: &str, dots: usize) -> Done<()> {
        if let Some(there) = data.get_mut(name.as_bytes()) {
            let Tree::Map(inner) = there else { return fault(unlike(there, "map[string]interface {}")) };
            let done = self.key(inner, dots);
            return match done {
                Ok(()) if inner.is_empty() => fault(format!("key map {} has no value", quoted(name))),
                done => done,
            };
        }
        let mut inner = Table::new();
        let done = self.key(&mut inner, dots);
        if done.is_ok() && inner.is_empty() {
            return fault(format!("key map {} has no value", quoted(name)));
        }
        if !inner.is_empty() {
            set(data, name, Tree::Map(inner));
        }
        done
    }

    /// `name[` was read.
    fn indexed(&mut self, data: &mut Table, name: &str, dots: usize) -> Done<()> {
        let index = self.index()?;
        let mut list = match data.get_mut(name.as_bytes()) {
            None => Vec::new(),
            Some(Tree::List(list)) => std::mem::take(list),
            Some(other) => return fault(unlike(other, "[]interface {}")),
        };
        let done = self.item(&mut list, index, dots, 1);
        set(data, name, Tree::List(list));
        done
    }

    /// A number up to the `]`.
    fn index(&mut self) -> Done<i64> {
        let (digits, last) = self.until(&[']']);
        let read = match last {
            None => Err(Stop::End),
            Some(_) => number::parse_int(digits.as_bytes(), 10)
                .map_err(|error| Stop::Fault(atoi_fault(&digits, &error.to_string()))),
        };
        read.map_err(|stop| stop.wrap("error parsing index"))
    }

    /// `name=` was read.
    fn assign(&mut self, data: &mut Table, name: &str) -> Done<()> {
        match self.kind {
            Kind::Literal => {
                let rest = std::mem::take(&mut self.rest);
                set(data, name, Tree::str(rest));
                Ok(())
            }
            Kind::Json => {
                let value = self.json()?;
                set(data, name, value);
                Ok(())
            }
            _ => match self.list()? {
                Listed::List(items) => {
                    set(data, name, Tree::List(items));
                    Ok(())
                }
                Listed::End => {
                    set(data, name, Tree::str(""));
                    Err(Stop::End)
                }
                Listed::Not => {
                    let (text, _) = self.until(&[',']);
                    let value = self.value(text)?;
                    set(data, name, value);
                    Ok(())
                }
            },
        }
    }

    /// `[i]` was read: what follows it is for that place of the list.
    fn item(&mut self, list: &mut Vec<Tree>, index: i64, dots: usize, indices: usize) -> Done<()> {
        if index < 0 {
            return fault(format!("negative {index} index not allowed"));
        }
        if indices > INDICES_MAX {
            return fault(format!("more than {INDICES_MAX} indices follow one another"));
        }
        let (name, last) = self.until(&['[', '.', '=']);
        if !name.is_empty() {
            return fault(format!("unexpected data at end of array index: {}", quoted_runes(&name)));
        }
        match last {
            None => Err(Stop::End),
            Some('=') => {
                let value = match self.kind {
                    Kind::Literal => Tree::str(std::mem::take(&mut self.rest)),
                    Kind::Json => self.json()?,
                    _ => match self.list()? {
                        Listed::List(items) => Tree::List(items),
                        Listed::End => Tree::str(""),
                        Listed::Not => {
                            let (text, _) = self.until(&[',']);
                            self.value(text)?
                        }
                    },
                };
                self.set_index(list, index, value)
            }
            Some('[') => {
                let next = self.index()?;
                let mut inner = match list.get_mut(index as usize) {
                    None | Some(Tree::Nil) => Vec::new(),
                    Some(Tree::List(inner)) => std::mem::take(inner),
                    Some(other) => return fault(unlike(other, "[]interface {}")),
                };
                self.item(&mut inner, next, dots, indices + 1)?;
                self.set_index(list, index, Tree::List(inner))
            }
            Some(_) => {
                let mut inner = match list.get_mut(index as usize) {
                    Some(Tree::Map(inner)) => std::mem::take(inner),
                    _ => Table::new(),
                };
                self.key(&mut inner, dots)?;
                self.set_index(list, index, Tree::Map(inner))
            }
        }
    }

    fn set_index(&mut self, list: &mut Vec<Tree>, index: i64, value: Tree) -> Done<()> {
        if index > INDEX_MAX {
            return fault(format!("index of {index} is greater than maximum supported index of {INDEX_MAX}"));
        }
        let at = index as usize;
        if list.len() <= at {
            self.gaps += at - list.len();
            if self.gaps > GAPS_MAX {
                return fault(format!("more than {GAPS_MAX} places of lists are left without a value"));
            }
            list.resize(at + 1, Tree::Nil);
        }
        list[at] = value;
        Ok(())
    }

    /// Passes blanks and a comma; whether nothing else was there.
    fn is_blank(&mut self) -> bool {
        while let Some(c) = self.rest.chars().next() {
            if c != ',' && !unicode::is_space(c) {
                return false;
            }
            self.next();
            if c == ',' {
                return true;
            }
        }
        true
    }

    fn json(&mut self) -> Done<Tree> {
        if self.is_blank() {
            return Ok(Tree::Nil);
        }
        let mut stream = serde_json::Deserializer::from_str(self.rest).into_iter::<serde_json::Value>();
        let value = match stream.next() {
            Some(Ok(value)) => Tree::from_json(value),
            Some(Err(error)) => return fault(error.to_string()),
            None => return Err(Stop::End),
        };
        let read = stream.byte_offset();
        self.rest = &self.rest[read..];
        self.is_blank();
        Ok(value)
    }

    fn list(&mut self) -> Done<Listed> {
        match self.rest.chars().next() {
            None => return Ok(Listed::End),
            Some('{') => self.next(),
            Some(_) => return Ok(Listed::Not),
        };
        let mut items = Vec::new();
        loop {
            let (text, last) = self.until(&[',', '}']);
            match last {
                None => return fault("list must terminate with '}'".to_owned()),
                Some('}') => {
                    if self.rest.starts_with(',') {
                        self.next();
                    }
                    items.push(self.value(text)?);
                    return Ok(Listed::List(items));
                }
                Some(_) => items.push(self.value(text)?),
            }
        }
    }

    fn value(&mut self, text: String) -> Done<Tree> {
        match &mut self.kind {
            Kind::Typed => Ok(typed(text)),
            Kind::File(read) => read(&text).map(Tree::str).map_err(Stop::Fault),
            Kind::Text | Kind::Json | Kind::Literal => Ok(Tree::str(text)),
        }
    }
}

/// What stands where a list may.
enum Listed {
    List(Vec<Tree>),
    /// Nothing.
    End,
    /// Something that is no list.
    Not,
}

fn fault<T>(text: String) -> Done<T> {
    Err(Stop::Fault(text))
}

fn quoted(text: &str) -> String {
    quote(text.as_bytes())
}

/// Go's `%q` of `[]rune`, which Helm has here where it has a string elsewhere.
fn quoted_runes(text: &str) -> String {
    let runes = text.chars().map(|c| Value::int(i64::from(u32::from(c)))).collect();
    let mut out = Vec::new();
    match print::sprintf(&mut out, b"%q", &[Value::List(List::any(runes))]) {
        Ok(()) => String::from_utf8_lossy(&out).into_owned(),
        Err(words) => words,
    }
}

/// Go's words where Helm takes a value for a mapping or a list that it is not.
fn unlike(value: &Tree, wanted: &str) -> String {
    format!("unable to parse key: interface conversion: interface {{}} is {}, not {wanted}", value.type_name())
}

/// `strconv.Atoi` reports under its own name.
fn atoi_fault(digits: &str, error: &str) -> String {
    let why = error.rsplit(": ").next().unwrap_or(error);
    format!("strconv.Atoi: parsing {}: {why}", quoted(digits))
}

fn set(data: &mut Table, name: &str, value: Tree) {
    if !name.is_empty() {
        data.insert(Str::from(name), value);
    }
}

fn typed(text: String) -> Tree {
    match text.as_str() {
        _ if text.eq_ignore_ascii_case("true") => Tree::Bool(true),
        _ if text.eq_ignore_ascii_case("false") => Tree::Bool(false),
        _ if text.eq_ignore_ascii_case("null") => Tree::Nil,
        "0" => Tree::Int(0),
        _ if text.starts_with('0') => Tree::str(text),
        _ => match number::parse_int(text.as_bytes(), 10) {
            Ok(int) => Tree::Int(int),
            Err(_) => Tree::str(text),
        },
    }
}

#[cfg(test)]
#[path = "strvals_tests.rs"]
mod tests;
