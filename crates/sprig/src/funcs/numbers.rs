//! Arithmetic: whole numbers of 64 bits that wrap, floats through exact decimals, ranges.

use masthead_gotmpl::function::{Call, Function, Param};
use masthead_gotmpl::kind::{IntKind, LIST_INT};
use masthead_gotmpl::list::List;
use masthead_gotmpl::value::Value;

use crate::args::{at, int};
use crate::cast::{to_float64, to_int64};
use crate::decimal::Decimal;
use crate::golang::number;
use crate::signature::{INT, fixed, many};
use crate::text::display;

const ANY: Param = Param::Any;
const BY_ZERO: &str = "runtime error: integer divide by zero";

/// `add`, `divf`, `max`, `round`, `until`, `seq` and their kind.
pub static FUNCTIONS: [Function; 26] = [
    fixed("int", &[ANY], |_, a| Ok(Value::int(to_int64(at(a, 0))))),
    fixed("int64", &[ANY], |_, a| int64(to_int64(at(a, 0)))),
    fixed("float64", &[ANY], |_, a| Ok(Value::Float(to_float64(at(a, 0))))),
    fixed("toDecimal", &[ANY], |_, a| int64(number::parse_int(display(at(a, 0))?.as_bytes(), 8).unwrap_or(0))),
    fixed("add1", &[ANY], |_, a| int64(to_int64(at(a, 0)).wrapping_add(1))),
    many("add", &[], ANY, |_, a| int64(a.iter().fold(0, |sum: i64, value| sum.wrapping_add(to_int64(value))))),
    fixed("sub", &[ANY, ANY], |_, a| int64(to_int64(at(a, 0)).wrapping_sub(to_int64(at(a, 1))))),
    fixed("div", &[ANY, ANY], |_, a| match to_int64(at(a, 1)) {
        0 => Err(BY_ZERO.to_owned()),
        divisor => int64(to_int64(at(a, 0)).wrapping_div(divisor)),
    }),
    fixed("mod", &[ANY, ANY], |_, a| match to_int64(at(a, 1)) {
        0 => Err(BY_ZERO.to_owned()),
        divisor => int64(to_int64(at(a, 0)).wrapping_rem(divisor)),
    }),
    many("mul", &[ANY], ANY, |_, a| int64(a.iter().fold(1, |product: i64, v| product.wrapping_mul(to_int64(v))))),
    fixed("add1f", &[ANY], |_, a| exact(to_float64(at(a, 0)), &[Value::int(1)], |left, right| Ok(left.add(right)))),
    many("addf", &[], ANY, |_, a| exact(0.0, a, |left, right| Ok(left.add(right)))),
    many("subf", &[ANY], ANY, |_, a| exact(to_float64(at(a, 0)), tail(a), |left, right| Ok(left.sub(right)))),
    many("divf", &[ANY], ANY, |_, a| exact(to_float64(at(a, 0)), tail(a), Decimal::div)),
    many("mulf", &[ANY], ANY, |_, a| exact(to_float64(at(a, 0)), tail(a), |left, right| Ok(left.mul(right)))),
    many("max", &[ANY], ANY, |_, a| int64(a.iter().map(to_int64).max().unwrap_or(0))),
    many("biggest", &[ANY], ANY, |_, a| int64(a.iter().map(to_int64).max().unwrap_or(0))),
    many("min", &[ANY], ANY, |_, a| int64(a.iter().map(to_int64).min().unwrap_or(0))),
    many("maxf", &[ANY], ANY, |_, a| extreme(a, f64::INFINITY, f64::max)),
    many("minf", &[ANY], ANY, |_, a| extreme(a, f64::NEG_INFINITY, f64::min)),
    fixed("ceil", &[ANY], |_, a| Ok(Value::Float(to_float64(at(a, 0)).ceil()))),
    fixed("floor", &[ANY], |_, a| Ok(Value::Float(to_float64(at(a, 0)).floor()))),
    many("round", &[ANY, INT], Param::Float, round),
    fixed("until", &[INT], |call, a| {
        let count = int(a, 0);
        numbers(steps(call, 0, count, if count < 0 { -1 } else { 1 })?)
    }),
    fixed("untilStep", &[INT, INT, INT], |call, a| numbers(steps(call, int(a, 0), int(a, 1), int(a, 2))?)),
    many("seq", &[], INT, seq),
];

fn int64(value: i64) -> Result<Value, String> {
    Ok(Value::Int(IntKind::Int64, value))
}

fn tail(a: &[Value]) -> &[Value] {
    a.get(1..).unwrap_or(&[])
}

/// sprig's `execDecimalOp`: floats made decimals, computed exactly, and back.
fn exact(
    first: f64,
    rest: &[Value],
    operation: impl Fn(&Decimal, &Decimal) -> Result<Decimal, String>,
) -> Result<Value, String> {
    let mut result = Decimal::from_float(first)?;
    for value in rest {
        result = operation(&result, &Decimal::from_float(to_float64(value))?)?;
    }
    Ok(Value::Float(result.to_float()))
}

/// Go's `math.Max` or `math.Min`: an infinity on that side wins over NaN, NaN over numbers, and -0 is below 0.
fn extreme(a: &[Value], side: f64, pick: fn(f64, f64) -> f64) -> Result<Value, String> {
    let result = a.iter().map(to_float64).reduce(|left, right| {
        if left == side || right == side {
            side
        } else if left.is_nan() || right.is_nan() {
            f64::NAN
        } else if left == 0.0 && right == 0.0 {
            let negative = left.is_sign_negative() || right.is_sign_negative();
            let both = left.is_sign_negative() && right.is_sign_negative();
            if (side < 0.0 && negative) || both { -0.0 } else { 0.0 }
        } else {
            pick(left, right)
        }
    });
    Ok(Value::Float(result.unwrap_or(0.0)))
}

fn round(_: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let threshold = match a.get(2) {
        Some(Value::Float(threshold)) => *threshold,
        _ => 0.5,
    };
    let power = power_of_ten(int(a, 1));
    let digit = power * to_float64(at(a, 0));
    let fraction = digit - digit.trunc();
    let rounded = if fraction >= threshold { digit.ceil() } else { digit.floor() };
    Ok(Value::Float(rounded / power))
}

/// `math.Pow(10, n)` with Go's way of rounding: products of squares, inverted for negative powers.
fn power_of_ten(places: i64) -> f64 {
    if places > 308 {
        return f64::INFINITY;
    }
    if places < -330 {
        return 0.0;
    }
    // Fraction and exponent are kept apart, so that no product is out of range.
    let (mut result, mut exponent) = (1.0f64, 0i32);
    let (mut square, mut square_exponent) = (10.0f64 / 16.0, 4i32);
    let mut bits = places.unsigned_abs();
    while bits != 0 {
        if bits & 1 == 1 {
            result *= square;
            exponent += square_exponent;
        }
        square *= square;
        square_exponent <<= 1;
        if square < 0.5 {
            square += square;
            square_exponent -= 1;
        }
        bits >>= 1;
    }
    if places < 0 {
        result = 1.0 / result;
        exponent = -exponent;
    }
    let half = exponent / 2;
    result * 2f64.powi(half) * 2f64.powi(exponent - half)
}

/// The numbers from `start` until before `stop`, their count accounted for.
fn steps(call: &mut Call<'_>, start: i64, stop: i64, step: i64) -> Result<impl Iterator<Item = i64> + use<>, String> {
    let runs = step != 0 && (stop < start) == (step < 0);
    let distance = start.abs_diff(stop);
    let count = if runs { distance.div_ceil(step.unsigned_abs()) } else { 0 };
    call.spend(count, count.saturating_mul(24))?;
    Ok((0..count).map(move |index| start.wrapping_add(step.wrapping_mul(index.cast_signed()))))
}

fn numbers(steps: impl Iterator<Item = i64>) -> Result<Value, String> {
    Ok(Value::List(List::new(&LIST_INT, steps.map(Value::int).collect())))
}

fn seq(call: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let bound = |start: i64, end: i64| end.wrapping_add(if end < start { -1 } else { 1 });
    let (start, end, step) = match a.len() {
        1 => (1, int(a, 0), if int(a, 0) < 1 { -1 } else { 1 }),
        2 => (int(a, 0), int(a, 1), if int(a, 1) < int(a, 0) { -1 } else { 1 }),
        3 if int(a, 2) < int(a, 0) && int(a, 1) > 0 => return Ok(Value::from("")),
        3 => (int(a, 0), int(a, 2), int(a, 1)),
        _ => return Ok(Value::from("")),
    };
    let mut out = String::new();
    for number in steps(call, start, bound(start, end), step)? {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&number.to_string());
    }
    Ok(Value::from(out))
}
