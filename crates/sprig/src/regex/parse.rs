//! A pattern in Go's syntax (RE2 with Perl's extensions) to the automaton's expression, refusing what Go refuses.

use regex_syntax::hir::{Capture, Class, ClassUnicode, Dot, Hir, Look, Repetition};

use super::class;
use super::error::{self as code, Error};

/// Go's `maxHeight`.
const HEIGHT_MAX: u32 = 1000;
/// Go's `maxSize`: instructions of 40 bytes in 128 MiB.
const SIZE_MAX: u64 = (128 << 20) / 40;
/// The largest count in `x{n}`, nested ones multiplied.
const REPEAT_MAX: u32 = 1000;

/// A parsed pattern.
pub struct Parsed {
    /// What the automaton is built of.
    pub hir: Hir,
    /// By number; number 0 is the whole match.
    pub names: Vec<String>,
}

/// Parses a pattern as Go's `syntax.Parse` with its Perl flags does.
pub fn parse(pattern: &[u8]) -> Result<Parsed, Error> {
    let mut parser = Parser {
        whole: pattern,
        flags: Flags::default(),
        names: vec![String::new()],
        groups: Vec::new(),
        current: Level::default(),
    };
    parser.run()?;
    let node = parser.finish_level();
    if !parser.groups.is_empty() {
        return Err(Error::new(code::MISSING_PAREN, pattern));
    }
    Ok(Parsed { hir: node.hir, names: parser.names })
}

#[derive(Clone, Copy, Default)]
struct Flags {
    fold: bool,
    multi_line: bool,
    dot_newline: bool,
    non_greedy: bool,
}

/// A finished part, with what Go's limits ask about it.
struct Node {
    hir: Hir,
    height: u32,
    size: u64,
    /// The largest product of nested counts in it.
    copies: u32,
}

/// What is open between two parentheses: finished branches and the branch at hand.
#[derive(Default)]
struct Level {
    branches: Vec<Node>,
    items: Vec<Node>,
}

struct Group {
    outer: Level,
    flags: Flags,
    /// Its number; none for `(?:`.
    capture: Option<u32>,
}

struct Parser<'p> {
    whole: &'p [u8],
    flags: Flags,
    names: Vec<String>,
    groups: Vec<Group>,
    current: Level,
}

type Step<'p, T> = Result<(T, &'p [u8]), Error>;

impl<'p> Parser<'p> {
    fn run(&mut self) -> Result<(), Error> {
        let mut rest = self.whole;
        let mut last_repeat: &[u8] = &[];
        while let Some(&first) = rest.first() {
            let mut repeat: &[u8] = &[];
            match first {
                b'(' => rest = self.open(rest)?,
                b'|' => {
                    let branch = self.finish_branch();
                    self.current.branches.push(branch);
                    rest = &rest[1..];
                }
                b')' => {
                    self.close()?;
                    rest = &rest[1..];
                }
                b'^' => {
                    self.look(if self.flags.multi_line { Look::StartLF } else { Look::Start })?;
                    rest = &rest[1..];
                }
                b'$' => {
                    self.look(if self.flags.multi_line { Look::EndLF } else { Look::End })?;
                    rest = &rest[1..];
                }
                b'.' => {
                    let dot = if self.flags.dot_newline { Dot::AnyChar } else { Dot::AnyCharExceptLF };
                    self.push(leaf(Hir::dot(dot)))?;
                    rest = &rest[1..];
                }
                b'[' => rest = self.bracket(rest)?,
                b'*' | b'+' | b'?' => {
                    let (min, max) = match first {
                        b'*' => (0, None),
                        b'+' => (1, None),
                        _ => (0, Some(1)),
                    };
                    let after = self.repeat(min, max, false, rest, &rest[1..], last_repeat)?;
                    repeat = rest;
                    rest = after;
                }
                b'{' => match counts(rest) {
                    None => {
                        self.literal('{')?;
                        rest = &rest[1..];
                    }
                    Some((min, max, after)) => {
                        let text = &rest[..rest.len() - after.len()];
                        let wrong = min
                            .is_none_or(|min| min > REPEAT_MAX || max.is_some_and(|max| max > REPEAT_MAX || min > max));
                        let Some(min) = min.filter(|_| !wrong) else {
                            return Err(Error::new(code::REPEAT_SIZE, text));
                        };
                        let after = self.repeat(min, max, true, rest, after, last_repeat)?;
                        repeat = rest;
                        rest = after;
                    }
                },
                b'\\' => rest = self.backslash(rest)?,
                _ => {
                    let (c, after) = next(rest)?;
                    self.literal(c)?;
                    rest = after;
                }
            }
            last_repeat = repeat;
        }
        Ok(())
    }

    fn push(&mut self, node: Node) -> Result<(), Error> {
        if node.height > HEIGHT_MAX {
            return Err(Error::new(code::NESTING, self.whole));
        }
        if node.size > SIZE_MAX {
            return Err(Error::new(code::LARGE, self.whole));
        }
        self.current.items.push(node);
        Ok(())
    }

    fn look(&mut self, look: Look) -> Result<(), Error> {
        self.push(leaf(Hir::look(look)))
    }

    fn literal(&mut self, c: char) -> Result<(), Error> {
        if self.flags.fold {
            let mut set = class::range(c, c);
            set.case_fold_simple();
            return self.push(leaf(Hir::class(Class::Unicode(set))));
        }
        self.push(leaf(Hir::literal(c.encode_utf8(&mut [0; 4]).as_bytes())))
    }

    fn set(&mut self, set: ClassUnicode) -> Result<(), Error> {
        self.push(leaf(Hir::class(Class::Unicode(set))))
    }

    fn finish_branch(&mut self) -> Node {
        let mut items = std::mem::take(&mut self.current.items);
        match items.len() {
            0 => leaf(Hir::empty()),
            1 => items.remove(0),
            _ => join(items, Hir::concat, false),
        }
    }

    fn finish_level(&mut self) -> Node {
        let branch = self.finish_branch();
        let mut branches = std::mem::take(&mut self.current.branches);
        if branches.is_empty() {
            return branch;
        }
        branches.push(branch);
        join(branches, Hir::alternation, true)
    }

    fn open(&mut self, rest: &'p [u8]) -> Result<&'p [u8], Error> {
        if rest.get(1) == Some(&b'?') {
            return self.perl_flags(rest);
        }
        self.open_group(true, None);
        Ok(&rest[1..])
    }

    fn open_group(&mut self, captures: bool, name: Option<String>) {
        let capture = captures.then(|| {
            self.names.push(name.unwrap_or_default());
            u32::try_from(self.names.len() - 1).unwrap_or(u32::MAX)
        });
        let outer = std::mem::take(&mut self.current);
        self.groups.push(Group { outer, flags: self.flags, capture });
    }

    fn close(&mut self) -> Result<(), Error> {
        let inner = self.finish_level();
        let Some(group) = self.groups.pop() else {
            return Err(Error::new(code::UNEXPECTED_PAREN, self.whole));
        };
        self.flags = group.flags;
        self.current = group.outer;
        let node = match group.capture {
            None => inner,
            Some(index) => Node {
                height: inner.height + 1,
                size: inner.size + 2,
                copies: inner.copies,
                hir: Hir::capture(Capture { index, name: None, sub: Box::new(inner.hir) }),
            },
        };
        self.push(node)
    }

    /// `(?i)`, `(?:`, `(?P<name>` and their kind.
    fn perl_flags(&mut self, text: &'p [u8]) -> Result<&'p [u8], Error> {
        let name_at = match text {
            [_, _, b'P', b'<', _, ..] => Some(4),
            [_, _, b'<', _, ..] => Some(3),
            _ => None,
        };
        if let Some(start) = name_at {
            return self.named(text, start);
        }
        let mut flags = self.flags;
        let mut rest = &text[2..];
        let (mut on, mut seen) = (true, false);
        while !rest.is_empty() {
            let (c, after) = next(rest)?;
            rest = after;
            match c {
                'i' => flags.fold = on,
                'm' => flags.multi_line = on,
                's' => flags.dot_newline = on,
                'U' => flags.non_greedy = on,
                '-' if on => {
                    on = false;
                    seen = false;
                    continue;
                }
                ':' | ')' if on || seen => {
                    if c == ':' {
                        self.open_group(false, None);
                    }
                    self.flags = flags;
                    return Ok(rest);
                }
                _ => break,
            }
            seen = true;
        }
        Err(Error::new(code::PERL_OP, &text[..text.len() - rest.len()]))
    }

    fn named(&mut self, text: &'p [u8], start: usize) -> Result<&'p [u8], Error> {
        let Some(end) = text.iter().position(|&b| b == b'>') else {
            check_utf8(text)?;
            return Err(Error::new(code::NAMED_CAPTURE, text));
        };
        let name = text.get(start..end).unwrap_or(&[]);
        check_utf8(name)?;
        if name.is_empty() || !name.iter().all(|&b| b == b'_' || b.is_ascii_alphanumeric()) {
            return Err(Error::new(code::NAMED_CAPTURE, &text[..=end]));
        }
        self.open_group(true, Some(String::from_utf8_lossy(name).into_owned()));
        Ok(&text[end + 1..])
    }

    fn repeat(
        &mut self,
        min: u32,
        max: Option<u32>,
        counted: bool,
        before: &'p [u8],
        after: &'p [u8],
        last: &'p [u8],
    ) -> Result<&'p [u8], Error> {
        let mut after = after;
        let mut greedy = !self.flags.non_greedy;
        if let Some(rest) = after.strip_prefix(b"?") {
            after = rest;
            greedy = !greedy;
        }
        if !last.is_empty() {
            return Err(Error::new(code::REPEAT_OP, &last[..last.len() - after.len()]));
        }
        let text = &before[..before.len() - after.len()];
        let Some(sub) = self.current.items.pop() else {
            return Err(Error::new(code::MISSING_ARGUMENT, text));
        };
        let mut copies = sub.copies;
        if counted {
            // Go's `repeatIsValid`: a count of 0 hides what it repeats.
            let times = max.unwrap_or(min);
            copies = match (max, times) {
                (Some(0), _) => 1,
                (_, 0) => sub.copies,
                _ => times.saturating_mul(sub.copies),
            };
            if (min >= 2 || max.is_some_and(|max| max >= 2)) && copies > REPEAT_MAX {
                return Err(Error::new(code::REPEAT_SIZE, text));
            }
        }
        let size = match max {
            None if min == 0 => sub.size + 2,
            None => 1 + u64::from(min) * sub.size,
            Some(1) if min == 0 => sub.size + 1,
            Some(max) => u64::from(max) * sub.size + u64::from(max.saturating_sub(min)),
        };
        let node = Node {
            height: sub.height + 1,
            size: size.max(1),
            copies,
            hir: Hir::repetition(Repetition { min, max, greedy, sub: Box::new(sub.hir) }),
        };
        self.push(node)?;
        Ok(after)
    }

    fn backslash(&mut self, text: &'p [u8]) -> Result<&'p [u8], Error> {
        let look = match text.get(1) {
            Some(b'A') => Some(Look::Start),
            Some(b'b') => Some(Look::WordAscii),
            Some(b'B') => Some(Look::WordAsciiNegate),
            Some(b'z') => Some(Look::End),
            _ => None,
        };
        if let Some(look) = look {
            self.look(look)?;
            return Ok(&text[2..]);
        }
        match text.get(1) {
            Some(b'C') => Err(Error::new(code::ESCAPE, &text[..2])),
            Some(b'Q') => self.quoted(&text[2..]),
            Some(b'p' | b'P') => {
                let (set, rest) = self.unicode_class(text)?;
                self.set(set)?;
                Ok(rest)
            }
            Some(&letter) if class::perl(letter).is_some() => {
                if let Some((set, negated)) = class::perl(letter) {
                    let set = self.oriented(set, negated);
                    self.set(set)?;
                }
                Ok(&text[2..])
            }
            _ => {
                let (c, rest) = escape(text)?;
                match c {
                    Some(c) => self.literal(c)?,
                    // A surrogate: a code point that no text holds.
                    None => self.push(leaf(Hir::fail()))?,
                }
                Ok(rest)
            }
        }
    }

    fn quoted(&mut self, text: &'p [u8]) -> Result<&'p [u8], Error> {
        let end = text.windows(2).position(|pair| pair == br"\E");
        let (mut literal, rest) = match end {
            Some(end) => (&text[..end], &text[end + 2..]),
            None => (text, &text[text.len()..]),
        };
        while !literal.is_empty() {
            let (c, after) = next(literal)?;
            self.literal(c)?;
            literal = after;
        }
        Ok(rest)
    }

    /// Folds case where that is on, then negates.
    fn oriented(&self, mut set: ClassUnicode, negated: bool) -> ClassUnicode {
        if self.flags.fold {
            set.case_fold_simple();
        }
        if negated {
            set.negate();
        }
        set
    }

    fn unicode_class(&self, text: &'p [u8]) -> Step<'p, ClassUnicode> {
        let mut negated = text[1] == b'P';
        // Go reads on after a `\p` that ends the text and finds no name.
        if text.len() == 2 {
            return Err(Error::new(code::CHAR_RANGE, text));
        }
        let (c, after) = next(&text[2..])?;
        let (name, whole, rest) = if c == '{' {
            let Some(end) = text.iter().position(|&b| b == b'}') else {
                check_utf8(text)?;
                return Err(Error::new(code::CHAR_RANGE, text));
            };
            (&text[3..end], &text[..=end], &text[end + 1..])
        } else {
            let end = text.len() - after.len();
            (&text[2..end], &text[..end], after)
        };
        check_utf8(name)?;
        let name = match name.strip_prefix(b"^") {
            Some(name) => {
                negated = !negated;
                name
            }
            None => name,
        };
        let set = std::str::from_utf8(name).ok().and_then(class::unicode);
        let Some(set) = set else { return Err(Error::new(code::CHAR_RANGE, whole)) };
        Ok((self.oriented(set, negated), rest))
    }

    fn bracket(&mut self, text: &'p [u8]) -> Result<&'p [u8], Error> {
        let mut rest = &text[1..];
        let negated = rest.first() == Some(&b'^');
        if negated {
            rest = &rest[1..];
        }
        let mut set = ClassUnicode::empty();
        let mut first = true;
        while first || rest.first() != Some(&b']') {
            first = false;
            if let Some((part, after)) = self.class_group(rest)? {
                set.union(&part);
                rest = after;
                continue;
            }
            let begin = rest;
            let (low, after) = class_char(rest, text)?;
            rest = after;
            let mut high = low;
            if rest.len() >= 2 && rest[0] == b'-' && rest[1] != b']' {
                let (to, after) = class_char(&rest[1..], text)?;
                (high, rest) = (to, after);
                if high < low {
                    return Err(Error::new(code::CHAR_RANGE, &begin[..begin.len() - rest.len()]));
                }
            }
            if let Some(part) = between(low, high) {
                set.union(&self.oriented(part, false));
            }
        }
        if negated {
            set.negate();
        }
        self.set(set)?;
        Ok(&rest[1..])
    }

    /// `[:alpha:]`, `\pN` or `\d` inside of brackets.
    fn class_group(&self, text: &'p [u8]) -> Result<Option<(ClassUnicode, &'p [u8])>, Error> {
        match text {
            [b'[', b':', inner @ ..] if !inner.is_empty() => {
                let Some(end) = inner.windows(2).position(|pair| pair == b":]") else { return Ok(None) };
                let Some((set, negated)) = class::posix(&inner[..end]) else {
                    return Err(Error::new(code::CHAR_RANGE, &text[..end + 4]));
                };
                Ok(Some((self.oriented(set, negated), &inner[end + 2..])))
            }
            [b'\\', b'p' | b'P', ..] => self.unicode_class(text).map(Some),
            [b'\\', letter, rest @ ..] => {
                Ok(class::perl(*letter).map(|(set, negated)| (self.oriented(set, negated), rest)))
            }
            _ => Ok(None),
        }
    }
}

fn leaf(hir: Hir) -> Node {
    Node { hir, height: 1, size: 1, copies: 1 }
}

fn join(parts: Vec<Node>, build: fn(Vec<Hir>) -> Hir, branches: bool) -> Node {
    let height = 1 + parts.iter().map(|part| part.height).max().unwrap_or(0);
    let jumps = if branches { parts.len() as u64 - 1 } else { 0 };
    let size = parts.iter().map(|part| part.size).sum::<u64>() + jumps;
    let copies = parts.iter().map(|part| part.copies).max().unwrap_or(1);
    Node { hir: build(parts.into_iter().map(|part| part.hir).collect()), height, size, copies }
}

/// A range of code points; none where it holds surrogates only.
fn between(low: u32, high: u32) -> Option<ClassUnicode> {
    let low = char::from_u32(low).or_else(|| char::from_u32(0xE000))?;
    let high = char::from_u32(high).or_else(|| char::from_u32(0xD7FF))?;
    (low <= high).then(|| class::range(low, high))
}

/// The next code point; at the end of the text, as in Go, a replacement character of no width.
fn next(text: &[u8]) -> Step<'_, char> {
    if text.is_empty() {
        return Ok((char::REPLACEMENT_CHARACTER, text));
    }
    let width = text.first().map_or(0, |&b| match b {
        0..0x80 => 1,
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        _ => 4,
    });
    let c = text.get(..width).and_then(|head| std::str::from_utf8(head).ok()).and_then(|head| head.chars().next());
    match c {
        Some(c) => Ok((c, &text[width..])),
        None => Err(Error::new(code::UTF8, text)),
    }
}

fn check_utf8(text: &[u8]) -> Result<(), Error> {
    match std::str::from_utf8(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::new(code::UTF8, &text[error.valid_up_to()..])),
    }
}

fn class_char<'p>(text: &'p [u8], whole: &[u8]) -> Step<'p, u32> {
    match text.first() {
        None => Err(Error::new(code::MISSING_BRACKET, whole)),
        Some(b'\\') => escape_code(text),
        Some(_) => next(text).map(|(c, rest)| (c as u32, rest)),
    }
}

fn escape(text: &[u8]) -> Step<'_, Option<char>> {
    escape_code(text).map(|(point, rest)| (char::from_u32(point), rest))
}

/// The code point of an escape such as `\n`, `\x{10FFFF}`, `\123`.
fn escape_code(text: &[u8]) -> Step<'_, u32> {
    let rest = &text[1..];
    if rest.is_empty() {
        return Err(Error::new(code::TRAILING_BACKSLASH, &[]));
    }
    let (c, rest) = next(rest)?;
    let wrong = |rest: &[u8]| Err(Error::new(code::ESCAPE, &text[..text.len() - rest.len()]));
    let point = match c {
        '1'..='7' if !matches!(rest.first(), Some(b'0'..=b'7')) => return wrong(rest),
        '0'..='7' => {
            let digits = rest.iter().take(2).take_while(|b| matches!(b, b'0'..=b'7')).count();
            let value = rest[..digits].iter().fold(c as u32 - 48, |value, b| value * 8 + u32::from(b - b'0'));
            return Ok((value, &rest[digits..]));
        }
        'x' => return hexadecimal(text, rest),
        'a' => 7,
        'f' => 12,
        'n' => 10,
        'r' => 13,
        't' => 9,
        'v' => 11,
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => c as u32,
        _ => return wrong(rest),
    };
    Ok((point, rest))
}

fn hexadecimal<'p>(text: &'p [u8], rest: &'p [u8]) -> Step<'p, u32> {
    let wrong = |rest: &[u8]| Err(Error::new(code::ESCAPE, &text[..text.len() - rest.len()]));
    if rest.is_empty() {
        return wrong(rest);
    }
    let (c, mut rest) = next(rest)?;
    if c != '{' {
        let high = c.to_digit(16);
        let (c, rest) = next(rest)?;
        return match (high, c.to_digit(16)) {
            (Some(high), Some(low)) => Ok((high * 16 + low, rest)),
            _ => wrong(rest),
        };
    }
    let (mut value, mut digits) = (0u32, 0);
    while !rest.is_empty() {
        let (c, after) = next(rest)?;
        rest = after;
        if c == '}' {
            return if digits == 0 { wrong(rest) } else { Ok((value, rest)) };
        }
        let Some(digit) = c.to_digit(16) else { return wrong(rest) };
        value = value * 16 + digit;
        if value > 0x10FFFF {
            return wrong(rest);
        }
        digits += 1;
    }
    wrong(rest)
}

/// `{2}`, `{2,}` or `{2,5}`: least, most and what follows; a least of none is a number too big.
fn counts(text: &[u8]) -> Option<(Option<u32>, Option<u32>, &[u8])> {
    let (min, rest) = integer(&text[1..])?;
    let (min, max, rest) = match rest.first()? {
        b',' => match rest.get(1)? {
            b'}' => (min, None, &rest[1..]),
            _ => {
                let (max, rest) = integer(&rest[1..])?;
                (min.filter(|_| max.is_some()), max, rest)
            }
        },
        _ => (min, min, rest),
    };
    (rest.first() == Some(&b'}')).then(|| (min, max, &rest[1..]))
}

/// A number without leading zeros; none inside for one above 10⁸.
fn integer(text: &[u8]) -> Option<(Option<u32>, &[u8])> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 || digits > 1 && text[0] == b'0' {
        return None;
    }
    let mut value = Some(0u32);
    for digit in &text[..digits] {
        value = value.filter(|&value| value < 100_000_000).map(|value| value * 10 + u32::from(digit - b'0'));
    }
    Some((value, &text[digits..]))
}
