//! Values to text by a verb: `print`, `println` and what each directive of `printf` does with its value.
use crate::complex::Complex;
use crate::fmt::format::{Base, Flags, Formatter, decimal};
use crate::kind::{Elem, Kind, UintKind};
use crate::object::Object;
use crate::string::Str;
use crate::value::Value;

/// Deeper than this a value is refused: a map that contains itself has no end.
const DEPTH_MAX: u32 = 1000;
/// A directive may not make a value's text longer; keeps a render's memory bounded.
pub const BYTES_MAX: usize = 256 << 20;

/// The address that every pointer prints: Go's differ at each run, and charts that print a whole dot by accident (a key
/// too many in a `dict`) do without them.
const ADDRESS: u64 = 0xc0_0010_0000;

/// Prints values behind what is there already.
pub(crate) struct Printer<'o> {
    pub(crate) fmt: Formatter<'o>,
    /// Guards against methods while a wrong verb is reported.
    erroring: bool,
    /// What stopped the printing: no text is right then.
    pub(crate) fault: Option<String>,
}

/// What is printed, with what is known of its static type.
#[derive(Clone, Copy)]
enum Arg<'v> {
    Value(&'v Value),
    Key(&'v Str),
}

/// Appends what `fmt.Fprint(out, value)` writes.
pub fn append(out: &mut Vec<u8>, value: &Value) -> Result<(), String> {
    match value {
        Value::Str(text) | Value::Number(text) => out.extend_from_slice(text.as_bytes()),
        Value::Int(_, int) if *int >= 0 => decimal(out, *int as u64),
        Value::Uint(_, int) => decimal(out, *int),
        Value::Float(float) if float.fract() == 0.0 && (1.0..1e6).contains(float) => decimal(out, *float as u64),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        _ => return sprint(out, std::slice::from_ref(value)),
    }
    Ok(())
}

/// `append` of what a pointer points to, where no method says how the pointer prints: what an action shows.
pub(crate) fn append_pointed(out: &mut Vec<u8>, value: &Value) -> Result<(), String> {
    let start = out.len();
    append(out, value)?;
    unpoint(out, start, value);
    Ok(())
}

/// Takes the mark of a pointer from what was printed behind a place.
fn unpoint(out: &mut Vec<u8>, start: usize, value: &Value) {
    let marked = matches!(value, Value::Object(object) if object.kind() == Kind::Ptr && object.string().is_none());
    if marked && out.get(start) == Some(&b'&') {
        out.remove(start);
    }
}

/// `fmt.Sprint(value)`, which is `fmt.Sprintf("%v", value)`. Fails on what has no stable text: cycles and pointers.
pub fn display(value: &Value) -> Result<Str, String> {
    match value {
        Value::Str(text) | Value::Number(text) => Ok(text.clone()),
        _ => {
            let mut out = Vec::new();
            append(&mut out, value)?;
            Ok(Str::from(out))
        }
    }
}

/// Appends what `fmt.Sprint(args...)` gives: spaces between two values of which none is a string.
pub fn sprint(out: &mut Vec<u8>, args: &[Value]) -> Result<(), String> {
    sprint_as(out, args, |_, _, _| {})
}

/// `sprint` of what pointers point to: what escapers show.
pub(crate) fn sprint_pointed(out: &mut Vec<u8>, args: &[Value]) -> Result<(), String> {
    sprint_as(out, args, unpoint)
}

/// `sprint` with a change to what each value printed.
fn sprint_as(out: &mut Vec<u8>, args: &[Value], change: fn(&mut Vec<u8>, usize, &Value)) -> Result<(), String> {
    let mut printer = Printer::new(out);
    let mut after_string = false;
    for (at, arg) in args.iter().enumerate() {
        let is_string = arg.kind() == Kind::String;
        if at > 0 && !is_string && !after_string {
            printer.fmt.write(b" ");
        }
        let start = printer.fmt.out.len();
        printer.arg(arg, 'v');
        change(printer.fmt.out, start, arg);
        after_string = is_string;
    }
    printer.finish()
}

/// Appends what `fmt.Sprintln(args...)` gives.
pub fn sprintln(out: &mut Vec<u8>, args: &[Value]) -> Result<(), String> {
    let mut printer = Printer::new(out);
    for (at, arg) in args.iter().enumerate() {
        if at > 0 {
            printer.fmt.write(b" ");
        }
        printer.arg(arg, 'v');
    }
    printer.fmt.write(b"\n");
    printer.finish()
}

/// Appends what `fmt.Sprintf(format, args...)` gives. `%p`, and pointers inside of other values, print `ADDRESS`.
pub fn sprintf(out: &mut Vec<u8>, format: &[u8], args: &[Value]) -> Result<(), String> {
    let mut printer = Printer::new(out);
    printer.printf(format, args);
    printer.finish()
}

impl<'o> Printer<'o> {
    fn new(out: &'o mut Vec<u8>) -> Printer<'o> {
        Printer { fmt: Formatter { out, flags: Flags::default() }, erroring: false, fault: None }
    }

    fn finish(self) -> Result<(), String> {
        self.fault.map_or(Ok(()), Err)
    }

    pub(crate) fn flags(&mut self) -> &mut Flags {
        &mut self.fmt.flags
    }

    /// One value by one verb.
    pub(crate) fn arg(&mut self, value: &Value, verb: char) {
        match (value, verb) {
            (Value::Nil, 'T' | 'v') => self.fmt.pad(b"<nil>"),
            (_, 'T') => {
                let name = value.type_name().to_owned();
                self.fmt.string(name.as_bytes());
            }
            (Value::List(_) | Value::Map(_) | Value::Bytes(_), 'p') => self.pointer(value.type_name(), verb),
            (Value::Object(object), 'p') if object.kind() == Kind::Ptr => self.pointer(object.type_name(), verb),
            (_, 'p') | (Value::Nil, _) => self.bad_verb(verb, Arg::Value(value)),
            _ => self.value(value, verb, 0),
        }
    }

    fn stop(&mut self, text: &str) {
        self.fault.get_or_insert_with(|| text.to_owned());
    }

    /// Is the output still within bounds?
    pub(crate) fn goes_on(&mut self) -> bool {
        if self.fmt.out.len() > BYTES_MAX {
            self.stop("a formatted text is longer than 256 MiB: not supported");
        }
        self.fault.is_none()
    }

    fn bad_verb(&mut self, verb: char, arg: Arg<'_>) {
        let outer = std::mem::replace(&mut self.erroring, true);
        self.fmt.write(b"%!");
        self.fmt.write(verb.encode_utf8(&mut [0; 4]).as_bytes());
        self.fmt.write(b"(");
        match arg {
            Arg::Value(Value::Nil) => self.fmt.write(b"<nil>"),
            Arg::Value(value) => {
                self.fmt.write(value.type_name().as_bytes());
                self.fmt.write(b"=");
                self.value(value, 'v', 0);
            }
            Arg::Key(key) => {
                self.fmt.write(b"string=");
                self.string(key.as_bytes(), 'v', arg);
            }
        }
        self.fmt.write(b")");
        self.erroring = outer;
    }

    fn value(&mut self, value: &Value, verb: char, depth: u32) {
        if depth > DEPTH_MAX {
            return self.stop("a value nests deeper than 1000: not supported");
        }
        let arg = Arg::Value(value);
        match value {
            Value::Nil => {}
            Value::Bool(value) => match verb {
                't' | 'v' => self.fmt.boolean(*value),
                _ => self.bad_verb(verb, arg),
            },
            Value::Int(_, int) => self.integer(int.unsigned_abs(), *int as u64, *int < 0, verb, true, arg),
            Value::Uint(_, int) => self.integer(*int, *int, false, verb, false, arg),
            Value::Float(float) => self.float(*float, verb, arg),
            Value::Str(text) => self.string(text.as_bytes(), verb, arg),
            Value::Number(text) => match verb {
                'w' => self.bad_verb(verb, arg),
                _ => self.string(text.as_bytes(), verb, arg),
            },
            Value::Bytes(bytes) => self.bytes(bytes.as_bytes(), verb, depth, arg),
            Value::List(_) | Value::Map(_) if verb == 'w' => self.bad_verb(verb, arg),
            Value::List(list) => {
                let open = self.open(value.type_name(), list.is_nil(), b"[");
                if let Some(close) = open {
                    let elem = list.typ().elem;
                    self.elements(list.as_slice(), elem, verb, depth);
                    self.fmt.write(close);
                }
            }
            Value::Map(map) => {
                if let Some(close) = self.open(value.type_name(), map.is_nil(), b"map[") {
                    let elem = map.typ().elem;
                    for (at, (key, value)) in map.entries().iter().enumerate() {
                        self.separator(at);
                        self.string(key.as_bytes(), verb, Arg::Key(key));
                        self.fmt.write(b":");
                        self.element(value, elem, verb, depth);
                        if !self.goes_on() {
                            return;
                        }
                    }
                    self.fmt.write(close);
                }
            }
            Value::Object(object) => self.object(&**object, verb, depth, arg),
        }
    }

    /// Opens a composite; gives what closes it, or nothing if it is written already.
    fn open(&mut self, name: &str, is_nil: bool, plain: &[u8]) -> Option<&'static [u8]> {
        if !self.fmt.flags.sharp_v {
            self.fmt.write(plain);
            return Some(b"]");
        }
        self.fmt.write(name.as_bytes());
        if is_nil {
            self.fmt.write(b"(nil)");
            return None;
        }
        self.fmt.write(b"{");
        Some(b"}")
    }

    fn separator(&mut self, at: usize) {
        if at > 0 {
            self.fmt.write(if self.fmt.flags.sharp_v { b", " } else { b" " });
        }
    }

    fn elements(&mut self, items: &[Value], elem: Elem, verb: char, depth: u32) {
        for (at, item) in items.iter().enumerate() {
            self.separator(at);
            self.element(item, elem, verb, depth);
            if !self.goes_on() {
                return;
            }
        }
    }

    fn element(&mut self, value: &Value, elem: Elem, verb: char, depth: u32) {
        if !value.is_nil() {
            if depth.is_multiple_of(32) {
                return stacker::maybe_grow(64 << 10, 1 << 20, || self.value(value, verb, depth + 1));
            }
            return self.value(value, verb, depth + 1);
        }
        match elem {
            _ if !self.fmt.flags.sharp_v => self.fmt.write(b"<nil>"),
            Elem::Any => self.fmt.write(b"interface {}(nil)"),
            elem => {
                self.fmt.write(b"(");
                self.fmt.write(elem.name().as_bytes());
                self.fmt.write(b")(nil)");
            }
        }
    }

    fn integer(&mut self, magnitude: u64, bits: u64, negative: bool, verb: char, signed: bool, arg: Arg<'_>) {
        let base = |radix| Base { radix, upper: false, octal_prefix: false };
        match verb {
            'v' if self.fmt.flags.sharp_v && !signed => self.fmt.hex(magnitude, true),
            'v' | 'd' => self.fmt.integer(magnitude, negative, Base::DECIMAL),
            'b' => self.fmt.integer(magnitude, negative, base(2)),
            'o' => self.fmt.integer(magnitude, negative, base(8)),
            'O' => self.fmt.integer(magnitude, negative, Base { octal_prefix: true, ..base(8) }),
            'x' => self.fmt.integer(magnitude, negative, base(16)),
            'X' => self.fmt.integer(magnitude, negative, Base { upper: true, ..base(16) }),
            'c' => self.fmt.character(bits),
            'q' => self.fmt.quoted_character(bits),
            'U' => self.fmt.unicode(bits),
            _ => self.bad_verb(verb, arg),
        }
    }

    fn float(&mut self, value: f64, verb: char, arg: Arg<'_>) {
        match verb {
            'v' => self.fmt.float(value, b'g', None),
            'b' | 'g' | 'G' | 'x' | 'X' => self.fmt.float(value, verb as u8, None),
            'f' | 'e' | 'E' => self.fmt.float(value, verb as u8, Some(6)),
            'F' => self.fmt.float(value, b'f', Some(6)),
            _ => self.bad_verb(verb, arg),
        }
    }

    fn complex(&mut self, value: Complex, verb: char, arg: Arg<'_>) {
        if !matches!(verb, 'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E') {
            return self.bad_verb(verb, arg);
        }
        self.fmt.write(b"(");
        self.float(value.real, verb, arg);
        let plus = std::mem::replace(&mut self.fmt.flags.plus, true);
        self.float(value.imaginary, verb, arg);
        self.fmt.flags.plus = plus;
        self.fmt.write(b"i)");
    }

    fn string(&mut self, text: &[u8], verb: char, arg: Arg<'_>) {
        match verb {
            'v' if self.fmt.flags.sharp_v => self.fmt.quoted(text),
            'v' | 's' => self.fmt.string(text),
            'x' | 'X' => self.fmt.hex_bytes(text, verb == 'X'),
            'q' => self.fmt.quoted(text),
            _ => self.bad_verb(verb, arg),
        }
    }

    /// At the top Go sees `[]byte`; inside of other values a list of `uint8`, which only four verbs treat as bytes.
    fn bytes(&mut self, bytes: &[u8], verb: char, depth: u32, arg: Arg<'_>) {
        match verb {
            's' => self.fmt.string(bytes),
            'x' | 'X' => self.fmt.hex_bytes(bytes, verb == 'X'),
            'q' => self.fmt.quoted(bytes),
            'w' if depth > 0 => self.bad_verb(verb, arg),
            _ => {
                let name = if depth == 0 && matches!(verb, 'v' | 'd') { "[]byte" } else { "[]uint8" };
                let Some(close) = self.open(name, false, b"[") else { return };
                for (at, byte) in bytes.iter().enumerate() {
                    self.separator(at);
                    let value = Value::Uint(UintKind::Uint8, u64::from(*byte));
                    self.value(&value, verb, depth + 1);
                    if !self.goes_on() {
                        return;
                    }
                }
                self.fmt.write(close);
            }
        }
    }

    fn object(&mut self, object: &dyn Object, verb: char, depth: u32, arg: Arg<'_>) {
        if verb == 'w' && !self.erroring {
            return self.bad_verb(verb, arg);
        }
        if let Some(complex) = object.as_any().downcast_ref::<Complex>() {
            return self.complex(*complex, verb, arg);
        }
        if self.fmt.flags.sharp_v
            && !self.erroring
            && let Some(text) = object.go_string()
        {
            return self.fmt.string(text.as_bytes());
        }
        let wants_text = !self.erroring && !self.fmt.flags.sharp_v && matches!(verb, 'v' | 's' | 'x' | 'X' | 'q');
        if let Some(text) = wants_text.then(|| object.string()).flatten() {
            return self.string(text.as_bytes(), verb, arg);
        }
        if let Some(inner) = object.underlying() {
            return self.underlying(object, &inner, verb, depth, arg);
        }
        if object.kind() == Kind::Ptr {
            match verb {
                _ if depth == 0 => {}
                'v' | 'b' | 'o' | 'd' | 'x' | 'X' => return self.pointer(object.type_name(), verb),
                _ => return self.bad_verb(verb, arg),
            }
            self.fmt.write(b"&");
        }
        if self.fmt.flags.sharp_v {
            self.fmt.write(object.type_name().trim_start_matches('*').as_bytes());
        }
        self.fmt.write(b"{");
        for (at, (name, value)) in object.fields().iter().enumerate() {
            self.separator(at);
            if self.fmt.flags.plus_v || self.fmt.flags.sharp_v {
                self.fmt.write(name.as_bytes());
                self.fmt.write(b":");
            }
            self.element(value, Elem::Any, verb, depth);
            if !self.goes_on() {
                return;
            }
        }
        self.fmt.write(b"}");
    }

    /// Go's `fmtPointer`.
    fn pointer(&mut self, name: &str, verb: char) {
        match verb {
            'v' if self.fmt.flags.sharp_v => {
                self.fmt.write(b"(");
                self.fmt.write(name.as_bytes());
                self.fmt.write(b")(");
                self.fmt.hex(ADDRESS, true);
                self.fmt.write(b")");
            }
            'v' | 'p' => {
                let prefix = !self.fmt.flags.sharp;
                self.fmt.hex(ADDRESS, prefix);
            }
            _ => self.value(&Value::Uint(UintKind::Uint64, ADDRESS), verb, 1),
        }
    }

    /// A named map, list or number prints as what it is made of, but for its name under `%#v` and where a verb is wrong.
    fn underlying(&mut self, object: &dyn Object, inner: &Value, verb: char, depth: u32, arg: Arg<'_>) {
        if let Value::Int(_, int) = inner {
            return self.integer(int.unsigned_abs(), *int as u64, *int < 0, verb, true, arg);
        }
        if self.fmt.flags.sharp_v && inner.is_container() {
            let start = self.fmt.out.len();
            self.value(inner, verb, depth + 1);
            let (from, to) = (inner.type_name().as_bytes(), object.type_name().as_bytes());
            if self.fmt.out[start..].starts_with(from) {
                self.fmt.out.splice(start..start + from.len(), to.iter().copied());
            }
            return;
        }
        self.value(inner, verb, depth + 1);
    }
}
