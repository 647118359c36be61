//! `eq`, `lt` and their kin: which types may be compared, and how.
use crate::complex::Complex;
use crate::fmt::print;
use crate::kind::Kind;
use crate::string::lossy;
use crate::value::Value;

/// What a value is compared as.
enum Basic<'v> {
    None,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(&'v [u8]),
    Complex(Complex),
}

const BAD_TYPE: &str = "invalid type for comparison";
const NO_COMPARISON: &str = "missing argument for comparison";

/// A named number or string is compared as what it is made of.
fn inner(value: &Value) -> Option<Value> {
    match value {
        Value::Object(object) => object.underlying().filter(|inner| !inner.is_container()),
        _ => None,
    }
}

fn basic(value: &Value) -> Basic<'_> {
    match value {
        Value::Bool(value) => Basic::Bool(*value),
        Value::Int(_, value) => Basic::Int(*value),
        Value::Uint(_, value) => Basic::Uint(*value),
        Value::Float(value) => Basic::Float(*value),
        Value::Str(text) | Value::Number(text) => Basic::Text(text.as_bytes()),
        _ => value.downcast().map_or(Basic::None, |complex| Basic::Complex(*complex)),
    }
}

/// Is the first equal to one of the others?
pub(crate) fn eq<'v>(first: &Value, others: impl Iterator<Item = &'v Value>) -> Result<bool, String> {
    let first_inner = inner(first);
    let plain = first_inner.as_ref().unwrap_or(first);
    let mut none = true;
    for other in others {
        none = false;
        let other_inner = inner(other);
        let equal = match (basic(plain), basic(other_inner.as_ref().unwrap_or(other))) {
            (Basic::Bool(a), Basic::Bool(b)) => a == b,
            (Basic::Int(a), Basic::Int(b)) => a == b,
            (Basic::Uint(a), Basic::Uint(b)) => a == b,
            (Basic::Float(a), Basic::Float(b)) => a == b,
            (Basic::Text(a), Basic::Text(b)) => a == b,
            (Basic::Complex(a), Basic::Complex(b)) => a == b,
            (Basic::Int(a), Basic::Uint(b)) | (Basic::Uint(b), Basic::Int(a)) => u64::try_from(a) == Ok(b),
            (Basic::None, Basic::None) => eq_other(first, other)?,
            _ if first.is_nil() || other.is_nil() => false,
            _ => return Err(incompatible(first, other)),
        };
        if equal {
            return Ok(true);
        }
    }
    if none { Err(NO_COMPARISON.to_owned()) } else { Ok(false) }
}

fn incompatible(a: &Value, b: &Value) -> String {
    format!("incompatible types for comparison: {} and {}", a.type_name(), b.type_name())
}

/// Values of no basic kind: nil, lists, maps, objects.
fn eq_other(a: &Value, b: &Value) -> Result<bool, String> {
    if a.kind() != b.kind() && a.kind() != Kind::Invalid && b.kind() != Kind::Invalid {
        let (shown_a, shown_b) = (by_verb(a, b"%s")?, by_verb(b, b"%v")?);
        return Err(format!("non-comparable types {shown_a}: {}, {}: {shown_b}", a.type_name(), b.type_name()));
    }
    if is_nil(a) || is_nil(b) {
        return Ok(is_nil(a) == is_nil(b));
    }
    let comparable = match (a, b) {
        (Value::Object(x), Value::Object(y)) if x.type_name() == y.type_name() => x.equals(&**y),
        (Value::Object(_), Value::Object(_)) => Some(false),
        _ => None,
    };
    match comparable {
        Some(equal) => Ok(equal),
        None => Err(format!("non-comparable type {}: {}", by_verb(b, b"%s")?, b.type_name())),
    }
}

fn is_nil(value: &Value) -> bool {
    match value {
        Value::Nil => true,
        Value::List(list) => list.is_nil(),
        Value::Map(map) => map.is_nil(),
        _ => false,
    }
}

fn by_verb(value: &Value, format: &[u8]) -> Result<String, String> {
    let mut out = Vec::new();
    print::sprintf(&mut out, format, std::slice::from_ref(value))?;
    Ok(lossy(&out).into_owned())
}

/// Is the first less than the second?
pub(crate) fn lt(first: &Value, second: &Value) -> Result<bool, String> {
    let (a_inner, b_inner) = (inner(first), inner(second));
    let (a, b) = (basic(a_inner.as_ref().unwrap_or(first)), basic(b_inner.as_ref().unwrap_or(second)));
    match (a, b) {
        (Basic::None, _) | (_, Basic::None) => Err(BAD_TYPE.to_owned()),
        (Basic::Bool(_), Basic::Bool(_)) | (Basic::Complex(_), Basic::Complex(_)) => Err(BAD_TYPE.to_owned()),
        (Basic::Int(a), Basic::Int(b)) => Ok(a < b),
        (Basic::Uint(a), Basic::Uint(b)) => Ok(a < b),
        (Basic::Float(a), Basic::Float(b)) => Ok(a < b),
        (Basic::Text(a), Basic::Text(b)) => Ok(a < b),
        (Basic::Int(a), Basic::Uint(b)) => Ok(u64::try_from(a).is_ok_and(|a| a < b) || a < 0),
        (Basic::Uint(a), Basic::Int(b)) => Ok(u64::try_from(b).is_ok_and(|b| a < b)),
        _ => Err(incompatible(first, second)),
    }
}

/// Is the first less than or equal to the second?
pub(crate) fn le(first: &Value, second: &Value) -> Result<bool, String> {
    Ok(lt(first, second)? || eq(first, std::iter::once(second))?)
}
