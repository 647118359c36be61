//! `printf`: a format and its values, with Go's remarks in the text where the two don't fit.
use crate::fmt::format::Flags;
use crate::fmt::print::Printer;
use crate::quote;
use crate::value::Value;

/// A width or precision beyond this is refused, as in Go.
const NUMBER_MAX: i64 = 1_000_000;

/// Where the work on a format stands.
struct State<'f> {
    format: &'f [u8],
    at: usize,
    arg: usize,
    reordered: bool,
    good_arg: bool,
    /// The last thing read was an index like `[3]`.
    after_index: bool,
}

impl Printer<'_> {
    pub(crate) fn printf(&mut self, format: &[u8], args: &[Value]) {
        let mut state = State { format, at: 0, arg: 0, reordered: false, good_arg: true, after_index: false };
        while state.at < format.len() && self.goes_on() {
            let rest = &format[state.at..];
            let text = rest.iter().position(|byte| *byte == b'%').unwrap_or(rest.len());
            self.fmt.write(&rest[..text]);
            state.at += text;
            if state.at >= format.len() {
                break;
            }
            state.at += 1;
            if !self.directive(&mut state, args) {
                break;
            }
        }
        if !state.reordered && state.arg < args.len() {
            self.extra(&args[state.arg..]);
        }
    }

    /// One directive behind its `%`; false if the format ends in the midst of it.
    fn directive(&mut self, state: &mut State<'_>, args: &[Value]) -> bool {
        state.good_arg = true;
        *self.flags() = Flags::default();
        while let Some(&byte) = state.format.get(state.at) {
            match byte {
                b'#' => self.flags().sharp = true,
                b'0' => self.flags().zero = true,
                b'+' => self.flags().plus = true,
                b'-' => self.flags().minus = true,
                b' ' => self.flags().space = true,
                b'a'..=b'z' if state.arg < args.len() => {
                    state.at += 1;
                    self.verb(char::from(byte), state, args);
                    return true;
                }
                _ => break,
            }
            state.at += 1;
        }
        state.index(args.len());
        self.width(state, args);
        self.precision(state, args);
        if !state.after_index {
            state.index(args.len());
        }
        if state.at >= state.format.len() {
            self.fmt.write(b"%!(NOVERB)");
            return false;
        }
        let (code, size) = quote::decode(&state.format[state.at..]);
        state.at += size;
        let verb = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        match verb {
            '%' => self.fmt.write(b"%"),
            _ if !state.good_arg => self.remark(verb, b"(BADINDEX)"),
            _ if state.arg >= args.len() => self.remark(verb, b"(MISSING)"),
            _ => self.verb(verb, state, args),
        }
        true
    }

    fn verb(&mut self, verb: char, state: &mut State<'_>, args: &[Value]) {
        if matches!(verb, 'v' | 'w') {
            let flags = self.flags();
            flags.sharp_v = std::mem::take(&mut flags.sharp);
            flags.plus_v = std::mem::take(&mut flags.plus);
        }
        self.arg(&args[state.arg], verb);
        state.arg += 1;
    }

    fn remark(&mut self, verb: char, text: &[u8]) {
        self.fmt.write(b"%!");
        self.fmt.write(verb.encode_utf8(&mut [0; 4]).as_bytes());
        self.fmt.write(text);
    }

    fn width(&mut self, state: &mut State<'_>, args: &[Value]) {
        if state.peek() != Some(b'*') {
            self.flags().width = state.number();
            if state.after_index && self.flags().width.is_some() {
                state.good_arg = false;
            }
            return;
        }
        state.at += 1;
        let width = state.int_arg(args);
        if width.is_none() {
            self.fmt.write(b"%!(BADWIDTH)");
        }
        let flags = self.flags();
        flags.width = width.map(|width| width.unsigned_abs() as usize);
        if width.is_some_and(|width| width < 0) {
            flags.minus = true;
            flags.zero = false;
        }
        state.after_index = false;
    }

    fn precision(&mut self, state: &mut State<'_>, args: &[Value]) {
        if state.at + 1 >= state.format.len() || state.peek() != Some(b'.') {
            return;
        }
        state.at += 1;
        if state.after_index {
            state.good_arg = false;
        }
        state.index(args.len());
        if state.peek() != Some(b'*') {
            self.flags().precision = Some(state.number().unwrap_or(0));
            return;
        }
        state.at += 1;
        let precision = state.int_arg(args).filter(|precision| *precision >= 0);
        if precision.is_none() {
            self.fmt.write(b"%!(BADPREC)");
        }
        self.flags().precision = precision.map(|precision| precision as usize);
        state.after_index = false;
    }

    fn extra(&mut self, args: &[Value]) {
        *self.flags() = Flags::default();
        self.fmt.write(b"%!(EXTRA ");
        for (at, arg) in args.iter().enumerate() {
            if at > 0 {
                self.fmt.write(b", ");
            }
            if !arg.is_nil() {
                self.fmt.write(arg.type_name().as_bytes());
                self.fmt.write(b"=");
            }
            self.arg(arg, 'v');
        }
        self.fmt.write(b")");
    }
}

impl State<'_> {
    fn peek(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    /// Digits at the current place, if there are some and not too many.
    fn number(&mut self) -> Option<usize> {
        let (number, at) = parse_number(self.format, self.at, self.format.len());
        self.at = at;
        number
    }

    /// An index like `[3]` at the current place.
    fn index(&mut self, count: usize) {
        self.after_index = false;
        if self.peek() != Some(b'[') {
            return;
        }
        self.reordered = true;
        let rest = &self.format[self.at..];
        let close = rest.iter().position(|byte| *byte == b']').filter(|_| rest.len() >= 3);
        let Some(close) = close else {
            self.good_arg = false;
            self.at += 1;
            return;
        };
        let (number, end) = parse_number(rest, 1, close);
        let number = number.filter(|_| end == close);
        self.at += close + 1;
        // An index out of range counts as one that was found; a wrong one does not.
        self.after_index = number.is_some();
        match number.and_then(|number| number.checked_sub(1)).filter(|index| *index < count) {
            Some(index) => self.arg = index,
            None => self.good_arg = false,
        }
    }

    /// The value of a `*`.
    fn int_arg(&mut self, args: &[Value]) -> Option<i64> {
        let value = args.get(self.arg)?;
        self.arg += 1;
        let number = match value {
            Value::Int(_, int) => Some(*int),
            Value::Uint(_, int) => i64::try_from(*int).ok(),
            Value::Object(object) => match object.underlying() {
                Some(Value::Int(_, int)) => Some(int),
                _ => None,
            },
            _ => None,
        };
        number.filter(|number| (-NUMBER_MAX..=NUMBER_MAX).contains(number))
    }
}

/// Digits of `text[at..end]` and where they end; a number that is too large takes all and is none.
fn parse_number(text: &[u8], mut at: usize, end: usize) -> (Option<usize>, usize) {
    let mut number = None;
    while let Some(digit) = text[..end].get(at).filter(|byte| byte.is_ascii_digit()) {
        let so_far = number.unwrap_or(0);
        if so_far as i64 > NUMBER_MAX {
            return (None, end);
        }
        number = Some(so_far * 10 + usize::from(digit - b'0'));
        at += 1;
    }
    (number, at)
}
