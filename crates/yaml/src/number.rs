//! Numbers as Go reads and prints them: prefixes, underscores, shortest floats.

/// An integer or a float.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// Fits a signed word.
    Int(i64),
    /// Fits an unsigned word only.
    Uint(u64),
    /// Anything else.
    Float(f64),
}

/// What goyaml reads from text that starts with a digit or a sign; `None` when it is no number.
pub fn parse(text: &str) -> Option<Number> {
    let stripped;
    let plain = if text.contains('_') {
        stripped = text.replace('_', "");
        stripped.as_str()
    } else {
        text
    };
    parse_int(plain, 0)
        .map(Number::Int)
        .or_else(|| parse_uint(plain, 0).map(Number::Uint))
        .or_else(|| is_float(plain).then(|| parse_float(plain)).flatten().map(Number::Float))
        .or_else(|| {
            // Go tries the digits after `0b` with their own sign; `0b-1` is -1 there.
            let digits = plain.strip_prefix("0b")?;
            parse_int(digits, 2).map(Number::Int)
        })
}

/// `strconv.ParseInt`; base 0 goes by the prefix.
fn parse_int(text: &str, base: u32) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = parse_uint(digits, base)?;
    match negative {
        true => 0i64.checked_sub_unsigned(magnitude),
        false => i64::try_from(magnitude).ok(),
    }
}

/// `strconv.ParseUint`; base 0 goes by the prefix.
fn parse_uint(text: &str, base: u32) -> Option<u64> {
    let (digits, base) = match text.as_bytes() {
        _ if base != 0 => (text, base),
        [b'0', b'x' | b'X', _, ..] => (&text[2..], 16),
        [b'0', b'b' | b'B', _, ..] => (&text[2..], 2),
        [b'0', b'o' | b'O', _, ..] => (&text[2..], 8),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    // Rust's own parser would let a sign pass.
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    u64::from_str_radix(digits, base).ok()
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let digits = |rest: &[u8]| rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let mut rest = text.as_bytes();
    if let [b'-' | b'+', tail @ ..] = rest {
        rest = tail;
    }
    let whole = digits(rest);
    rest = &rest[whole..];
    if let [b'.', tail @ ..] = rest {
        let fraction = digits(tail);
        if whole + fraction == 0 {
            return false;
        }
        rest = &tail[fraction..];
    } else if whole == 0 {
        return false;
    }
    if let [b'e' | b'E', tail @ ..] = rest {
        rest = tail;
        if let [b'-' | b'+', tail @ ..] = rest {
            rest = tail;
        }
        let exponent = digits(rest);
        if exponent == 0 {
            return false;
        }
        rest = &rest[exponent..];
    }
    rest.is_empty()
}

/// A float that is not out of range; Go calls an overflow an error and the text stays text.
fn parse_float(text: &str) -> Option<f64> {
    text.parse().ok().filter(|float: &f64| float.is_finite())
}

/// What goyaml reads from text that starts with a dot: `strconv.ParseFloat`, which lets `_` stand between digits.
pub fn parse_dotted(text: &str) -> Option<f64> {
    if !text.contains('_') {
        return is_float(text).then(|| parse_float(text)).flatten();
    }
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let between = |at: usize| at > 0 && is_digit(at - 1) && is_digit(at + 1);
    if !text.match_indices('_').all(|(at, _)| between(at)) {
        return None;
    }
    let plain = text.replace('_', "");
    is_float(&plain).then(|| parse_float(&plain)).flatten()
}

/// Below this all whole floats are exact, so that their digits are the shortest too.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The integer that a whole float's JSON text reads as; Go writes the shortest digits and zeros after them.
pub fn whole(float: f64) -> Option<Number> {
    if float.fract() != 0.0 || float.abs() >= 18_446_744_073_709_551_616.0 {
        return None;
    }
    if float.abs() < EXACT_MAX {
        return Some(Number::Int(float as i64));
    }
    let Digits { negative, digits, point } = Digits::of(serde_json::to_string(&float));
    let zeros = usize::try_from(point).unwrap_or(0).saturating_sub(digits.len());
    let text = format!("{}{digits}{}", if negative { "-" } else { "" }, "0".repeat(zeros));
    match text.parse() {
        Ok(int) => Some(Number::Int(int)),
        Err(_) => text.parse().ok().map(Number::Uint),
    }
}

/// `strconv.FormatFloat(float, 'g', -1, 64)`, with YAML's words for what is not finite.
pub fn format(float: f64) -> String {
    match float {
        _ if float.is_nan() => ".nan".to_owned(),
        f64::INFINITY => ".inf".to_owned(),
        f64::NEG_INFINITY => "-.inf".to_owned(),
        _ => Digits::of(serde_json::to_string(&float)).general(),
    }
}

/// `strconv.FormatFloat(float, 'g', -1, 32)`: how sigs.k8s.io/yaml writes a float that is a key.
pub fn format_key(float: f64) -> String {
    let narrow = float as f32;
    if narrow.is_finite() { Digits::of(serde_json::to_string(&narrow)).general() } else { format(f64::from(narrow)) }
}

/// The shortest digits that read back as a float, and where the decimal point stands in them.
struct Digits {
    negative: bool,
    digits: String,
    point: i32,
}

impl Digits {
    /// The digits as JSON text has them. Rust's own formatting rounds a tie up where Go and JSON take the even digit.
    fn of(json: serde_json::Result<String>) -> Self {
        // A finite float always has JSON text.
        let text = json.unwrap_or_default();
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let negative = mantissa.starts_with('-');
        let mantissa = mantissa.trim_start_matches('-');
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let leading = all.bytes().take_while(|b| *b == b'0').count();
        let digits = all[leading..].trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Digits { negative, digits: "0".to_owned(), point: 1 };
        }
        let exponent: i32 = exponent.parse().unwrap_or(0);
        Digits { negative, digits, point: exponent + whole.len() as i32 - leading as i32 }
    }

    /// Go's `%g`.
    fn general(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let (digits, exponent) = (&self.digits, self.point - 1);
        // With shortest digits Go writes an exponent below -4 and from 6 on.
        if !(-4..6).contains(&exponent) {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            let sign_of = if exponent < 0 { '-' } else { '+' };
            return format!("{sign}{first}{dot}{rest}e{sign_of}{:02}", exponent.abs());
        }
        let point = usize::try_from(self.point).unwrap_or(0);
        match digits.len() {
            _ if self.point <= 0 => format!("{sign}0.{}{digits}", "0".repeat(self.point.unsigned_abs() as usize)),
            len if len <= point => format!("{sign}{digits}{}", "0".repeat(point - len)),
            _ => format!("{sign}{}.{}", &digits[..point], &digits[point..]),
        }
    }
}
