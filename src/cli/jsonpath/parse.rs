//! The text of a template → its actions, after the grammar and in the words of Kubernetes' `util/jsonpath`.

/// Filters and unions within one another at most.
const NESTED_MAX: usize = 16;

/// What stands between braces, or the text between two such: steps from what is looked at to what is found.
pub type Action = Vec<Step>;

/// One step of an action.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A text, whatever was found before.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// A number with a fraction.
    Fraction(f64),
    /// `true` or `false`.
    Flag(bool),
    /// A word: `range`, `end`, and those that mean nothing.
    Word(String),
    /// A field of an object.
    Field(String),
    /// All fields, by `.*`.
    All,
    /// All that holds something, at any depth.
    Descend,
    /// Some elements of a list.
    Slice(Slice),
    /// The elements of a list that pass.
    Filter(Box<Filter>),
    /// What any of these finds.
    Union(Vec<Action>),
}

/// `[from:to:step]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The first element; negative ones from the end.
    pub from: Option<i64>,
    /// The one behind the last.
    pub to: Option<i64>,
    /// Whether `to` follows from `from`: there was one number alone.
    pub single: bool,
    /// Every so many.
    pub step: Option<i64>,
}

/// `[?(left operator right)]`; without an operator, whether `left` finds anything.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// What is looked at in each element.
    pub left: Action,
    /// The comparison with `right`.
    pub right: Option<(String, Action)>,
}

/// Reads a template.
///
/// # Errors
/// What is wrong with it.
pub fn parse(template: &str) -> Result<Vec<Action>, String> {
    parse_at(template, 0)
}

fn parse_at(template: &str, depth: usize) -> Result<Vec<Action>, String> {
    if depth > NESTED_MAX {
        return Err(format!("more than {NESTED_MAX} filters or unions within one another"));
    }
    let mut parser = Parser { rest: template, depth };
    let mut out = Vec::new();
    while !parser.rest.is_empty() {
        let (text, action) = parser.rest.split_at(parser.rest.find('{').unwrap_or(parser.rest.len()));
        if !text.is_empty() {
            out.push(vec![Step::Text(text.to_owned())]);
        }
        parser.rest = action;
        if parser.take('{') {
            out.push(parser.action()?);
        }
    }
    Ok(out)
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn ends(c: char) -> bool {
    " \t\r\n.,[]$@{}".contains(c)
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn take(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// What comes before the first sign that is so, which stays.
    fn until(&mut self, is_end: impl Fn(char) -> bool) -> &'t str {
        let (taken, rest) = self.rest.split_at(self.rest.find(is_end).unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// Up to the closing brace.
    fn action(&mut self) -> Result<Action, String> {
        let mut out = Vec::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix("[?(") {
                self.rest = rest;
                out.push(self.filter()?);
                continue;
            }
            if let Some(rest) = self.rest.strip_prefix("..") {
                if out.last() == Some(&Step::Descend) {
                    return Err("invalid multiple recursive descent".to_owned());
                }
                self.rest = rest;
                out.push(Step::Descend);
                if rest.starts_with(is_word) {
                    out.push(self.field());
                }
                continue;
            }
            let next = self.rest.chars().next();
            match next {
                None | Some('\r' | '\n') => return Err("unclosed action".to_owned()),
                Some(c @ ('"' | '\'')) => out.push(Step::Text(self.quoted(c)?)),
                Some(c) if matches!(c, '+' | '-') || c.is_numeric() => out.push(self.number()?),
                Some(c) if is_word(c) => out.push(match self.until(ends) {
                    "true" => Step::Flag(true),
                    "false" => Step::Flag(false),
                    word => Step::Word(word.to_owned()),
                }),
                Some(c) => {
                    self.rest = &self.rest[c.len_utf8()..];
                    match c {
                        '}' => return Ok(out),
                        ' ' | '@' | '$' => {}
                        '.' => out.push(self.field()),
                        '[' => self.list(&mut out)?,
                        c => return Err(format!("unrecognized character in action: U+{:04X} '{c}'", u32::from(c))),
                    }
                }
            }
        }
    }

    /// A name, in which a backslash takes what follows as it is.
    fn field(&mut self) -> Step {
        let mut name = String::new();
        while let Some(c) = self.rest.chars().next().filter(|c| !ends(*c)) {
            self.rest = &self.rest[c.len_utf8()..];
            if c != '\\' {
                name.push(c);
            } else if let Some(c) = self.rest.chars().next() {
                self.rest = &self.rest[c.len_utf8()..];
                name.extend(Some(c).filter(|c| *c != '\\'));
            }
        }
        if name == "*" { Step::All } else { Step::Field(name) }
    }

    fn number(&mut self) -> Result<Step, String> {
        let sign = usize::from(self.rest.starts_with(['+', '-']));
        let digits = self.rest[sign..].find(|c: char| c != '.' && !c.is_numeric());
        let (text, rest) = self.rest.split_at(digits.map_or(self.rest.len(), |end| sign + end));
        self.rest = rest;
        match (text.parse(), text.parse()) {
            (Ok(whole), _) => Ok(Step::Whole(whole)),
            (_, Ok(number)) => Ok(Step::Fraction(number)),
            _ => Err(format!("cannot parse number {text}")),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let mut before = quote;
        let end = self.rest.char_indices().skip(1).find(|(_, c)| {
            let is_end = *c == '\n' || *c == quote && before != '\\';
            before = *c;
            is_end
        });
        let Some((end, _)) = end.filter(|(_, c)| *c == quote) else {
            return Err("unterminated quoted string".to_owned());
        };
        let (text, rest) = (&self.rest[1..end], &self.rest[end + 1..]);
        self.rest = rest;
        unquoted(text, quote).ok_or_else(|| format!("unquote string {quote}{text}{quote} error invalid syntax"))
    }

    /// What stands in brackets behind the opening one.
    fn list(&mut self, out: &mut Action) -> Result<(), String> {
        let text = self.until(|c| c == ']' || c == '\n');
        if !self.take(']') {
            return Err("unterminated array".to_owned());
        }
        if text.contains(',') {
            let one = |part: &str| self.within(&format!("[{}]", part.trim_matches(' ')));
            out.push(Step::Union(text.split(',').map(one).collect::<Result<_, _>>()?));
            return Ok(());
        }
        let name = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).filter(|name| !name.contains('\''));
        match name {
            Some(name) => out.extend(self.within(&format!(".{name}"))?),
            None => out.push(Step::Slice(slice(if text == "*" { ":" } else { text })?)),
        }
        Ok(())
    }

    /// The steps of an action within this one.
    fn within(&self, text: &str) -> Result<Action, String> {
        let actions = parse_at(&format!("{{{text}}}"), self.depth + 1)?;
        Ok(actions.into_iter().next().unwrap_or_default())
    }

    /// `left operator right)]`.
    fn filter(&mut self) -> Result<Step, String> {
        let (mut before, mut quote, mut is_closed) = ('(', None, false);
        let end = self.rest.char_indices().find(|(_, c)| {
            match (*c, quote) {
                ('\n', _) => return true,
                (')', None) => return true,
                (')', Some(_)) if is_closed => return true,
                ('"' | '\'', None) => quote = Some(*c),
                (c, Some(open)) if c == open && before != '\\' => is_closed = true,
                _ => {}
            }
            before = *c;
            false
        });
        let Some((end, _)) = end.filter(|(_, c)| *c == ')') else { return Err("unterminated filter".to_owned()) };
        let (text, rest) = (&self.rest[..end], &self.rest[end + 1..]);
        self.rest = rest;
        if !self.take(']') {
            return Err("unclosed array expect ]".to_owned());
        }
        let is_operator = |c: char| "!<>=".contains(c);
        let start = text.find(is_operator).filter(|start| *start > 0);
        let split = start.and_then(|start| {
            let behind = text[start..].find(|c| !is_operator(c)).map_or(text.len(), |length| start + length);
            // Something must stand to its right.
            let behind = if behind == text.len() { behind - 1 } else { behind };
            (behind > start).then_some((start, behind))
        });
        let (left, right) = match split {
            None => (text, None),
            Some((start, end)) => (&text[..start], Some((text[start..end].to_owned(), self.within(&text[end..])?))),
        };
        Ok(Step::Filter(Box::new(Filter { left: self.within(left)?, right })))
    }
}

fn slice(text: &str) -> Result<Slice, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let is_part = |part: &&str| part.strip_prefix('-').unwrap_or(part).chars().all(|c| c.is_ascii_digit());
    if parts.len() > 3 || !parts.iter().all(is_part) {
        return Err(format!("invalid array index {text}"));
    }
    let number = |at: usize| match parts.get(at).copied().unwrap_or_default() {
        "" => Ok(None),
        part => part.parse::<i64>().map(Some).map_err(|_| format!("array index {part} is not a number")),
    };
    let single = parts.len() == 1;
    let from = number(0)?;
    let to = if single { Some(from.unwrap_or(0).saturating_add(1)) } else { number(1)? };
    Ok(Slice { from, to, single, step: number(2)? })
}

/// A text without its backslashes, as Go reads it; `None` where one makes no sense.
fn unquoted(text: &str, quote: char) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match rest.next()? {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' => '\\',
            c if c == quote => c,
            'x' => numbered(rest.by_ref().take(2), 2, 16)?,
            'u' => numbered(rest.by_ref().take(4), 4, 16)?,
            'U' => numbered(rest.by_ref().take(8), 8, 16)?,
            first @ '0'..='7' => numbered(std::iter::once(first).chain(rest.by_ref().take(2)), 3, 8)?,
            _ => return None,
        });
    }
    Some(out)
}

/// The sign of a number of so many digits.
fn numbered(digits: impl Iterator<Item = char>, count: usize, radix: u32) -> Option<char> {
    let digits: String = digits.filter(|c| c.is_digit(radix)).collect();
    let number = u32::from_str_radix(&digits, radix).ok().filter(|_| digits.len() == count)?;
    char::from_u32(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_read() {
        let field = |name: &str| Step::Field(name.to_owned());
        let slice = |from, to, single, step| Step::Slice(Slice { from, to, single, step });
        let check = |text: &str, expect: &[Action]| assert_eq!(parse(text).as_deref(), Ok(expect), "{text}");
        check("", &[]);
        check("a b", &[vec![Step::Text("a b".to_owned())]]);
        check("x{.a}y", &[vec![Step::Text("x".to_owned())], vec![field("a")], vec![Step::Text("y".to_owned())]]);
        check("{$.a.b}", &[vec![field("a"), field("b")]]);
        check("{.a['b.c'][*]}", &[vec![field("a"), field("b"), field("c"), slice(None, None, false, None)]]);
        check(r"{.a\.b}", &[vec![field("a.b")]]);
        check("{.*}", &[vec![Step::All]]);
        check("{..a}", &[vec![Step::Descend, field("a")]]);
        check("{[-1]}", &[vec![slice(Some(-1), Some(0), true, None)]]);
        check("{[1:3:2]}", &[vec![slice(Some(1), Some(3), false, Some(2))]]);
        check("{range .a}", &[vec![Step::Word("range".to_owned()), field("a")]]);
        check(r#"{"a\t\x41\u00e9\101"}"#, &[vec![Step::Text("a\tA\u{e9}A".to_owned())]]);
        check("{'it''s'}", &[vec![Step::Text("it".to_owned()), Step::Text("s".to_owned())]]);
        check("{-1}{2.5}{true}", &[vec![Step::Whole(-1)], vec![Step::Fraction(2.5)], vec![Step::Flag(true)]]);
        let union = Step::Union(vec![vec![slice(Some(0), Some(1), true, None)], vec![field("b")]]);
        check("{[0, 'b']}", &[vec![union]]);
        let filter = |left: Action, right| Step::Filter(Box::new(Filter { left, right }));
        let is = |text: &str| Some(("==".to_owned(), vec![Step::Text(text.to_owned())]));
        check("{[?(@.a==\"x)\")]}", &[vec![filter(vec![field("a")], is("x)"))]]);
        check("{[?(@.a)]}", &[vec![filter(vec![field("a")], None)]]);
        check("{[?(@.a >= 1)]}", &[vec![filter(vec![field("a")], Some((">=".to_owned(), vec![Step::Whole(1)])))]]);
    }

    #[test]
    fn faults_are_told_in_the_words_of_kubernetes() {
        for (text, expect) in [
            ("{.a", "unclosed action"),
            ("{.a[0}", "unterminated array"),
            ("{.a[x]}", "invalid array index x"),
            ("{.a[1:2:3:4]}", "invalid array index 1:2:3:4"),
            ("{.a[-]}", "array index - is not a number"),
            ("{#}", "unrecognized character in action: U+0023 '#'"),
            ("{....a}", "invalid multiple recursive descent"),
            ("{\"a}", "unterminated quoted string"),
            ("{[?(@.a}", "unterminated filter"),
            ("{[?(@.a)}", "unclosed array expect ]"),
            ("{1.2.3}", "cannot parse number 1.2.3"),
            (r#"{"\q"}"#, r#"unquote string "\q" error invalid syntax"#),
        ] {
            assert_eq!(parse(text).unwrap_err(), expect, "{text}");
        }
        let deep = "[?(".repeat(40) + "@" + &")]".repeat(40);
        assert!(parse(&format!("{{{deep}}}")).is_err());
    }
}
