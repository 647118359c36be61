//! Values to numbers, as spf13/cast does it for sprig: what does not convert is 0.

use masthead_gotmpl::value::Value;

use crate::golang::{float, number};

/// `cast.ToInt64`, which is `cast.ToInt` too: an int has 64 bits.
pub fn to_int64(value: &Value) -> i64 {
    match value {
        Value::Int(_, value) => *value,
        Value::Uint(_, value) => value.cast_signed(),
        Value::Float(value) => truncate(*value),
        Value::Str(text) | Value::Number(text) => number::parse_int(trim_zero_decimal(text.as_bytes()), 0).unwrap_or(0),
        Value::Bool(value) => i64::from(*value),
        Value::Object(object) if matches!(object.type_name(), "time.Month" | "time.Weekday") => {
            object.underlying().map_or(0, |inner| to_int64(&inner))
        }
        _ => 0,
    }
}

/// `cast.ToFloat64`.
pub fn to_float64(value: &Value) -> f64 {
    match value {
        Value::Float(value) => *value,
        Value::Uint(_, value) => *value as f64,
        Value::Str(text) | Value::Number(text) => float::parse(text.as_bytes()).unwrap_or(0.0),
        _ => to_int64(value) as f64,
    }
}

/// Go's `int64(f)` as amd64 computes it: out of range is the smallest number.
pub fn truncate(value: f64) -> i64 {
    const RANGE: std::ops::Range<f64> = -9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0;
    if RANGE.contains(&value) { value as i64 } else { i64::MIN }
}

/// `1.00` without its `.00`.
fn trim_zero_decimal(text: &[u8]) -> &[u8] {
    let zeros = text.iter().rev().take_while(|&&b| b == b'0').count();
    let dot = text.len() - zeros;
    if zeros > 0 && dot > 0 && text[dot - 1] == b'.' { &text[..dot - 1] } else { text }
}

#[cfg(test)]
mod tests {
    use super::{to_float64, to_int64, truncate};
    use masthead_gotmpl::value::Value;

    #[test]
    fn texts_become_numbers_as_in_go() {
        let table = [("1", 1), ("1.00", 1), ("1.5", 0), ("0x1F", 31), ("010", 8), ("08", 0), ("1_000", 1000), ("", 0)];
        for (text, number) in table {
            assert_eq!(to_int64(&Value::from(text)), number, "{text}");
        }
        assert_eq!(to_float64(&Value::from("0x1p-2")), 0.25);
        assert_eq!(to_float64(&Value::from("1e400")), 0.0);
        assert_eq!(truncate(f64::NAN), i64::MIN);
        assert_eq!(truncate(-1.9), -1);
    }
}
