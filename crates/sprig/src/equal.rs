//! Two values compared as `reflect.DeepEqual` compares them: same types, same contents.

use masthead_gotmpl::kind::Kind;
use masthead_gotmpl::value::Value;

/// How deep a comparison looks into nested values before it says no.
const DEPTH_MAX: u32 = 1000;

/// `reflect.DeepEqual`.
pub fn deep_equal(left: &Value, right: &Value) -> bool {
    equal(left, right, DEPTH_MAX)
}

fn equal(left: &Value, right: &Value, depth: u32) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match (left, right) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Int(kind, left), Value::Int(other, right)) => kind == other && left == right,
        (Value::Uint(kind, left), Value::Uint(other, right)) => kind == other && left == right,
        (Value::Float(left), Value::Float(right)) => left == right,
        (Value::Str(left), Value::Str(right))
        | (Value::Number(left), Value::Number(right))
        | (Value::Bytes(left), Value::Bytes(right)) => left == right,
        (Value::List(left), Value::List(right)) => {
            left.typ().same(right.typ())
                && left.is_nil() == right.is_nil()
                && (left.same(right)
                    || left.len() == right.len()
                        && left.as_slice().iter().zip(right.as_slice()).all(|(l, r)| equal(l, r, depth)))
        }
        (Value::Map(left), Value::Map(right)) => {
            if !left.typ().same(right.typ()) || left.is_nil() != right.is_nil() || left.len() != right.len() {
                return false;
            }
            let (entries, others) = (left.entries(), right.entries());
            left.same(right) || entries.iter().zip(others.iter()).all(|(l, r)| l.0 == r.0 && equal(&l.1, &r.1, depth))
        }
        (Value::Object(left), Value::Object(right)) => {
            if left.type_name() != right.type_name() {
                return false;
            }
            match left.equals(&**right) {
                // Pointers that are not the same one may point to what is.
                Some(equal) if equal || left.kind() != Kind::Ptr => equal,
                _ => match (left.underlying(), right.underlying()) {
                    (Some(left), Some(right)) => equal(&left, &right, depth),
                    _ => {
                        let (left, right) = (left.fields(), right.fields());
                        !left.is_empty()
                            && left.len() == right.len()
                            && left.iter().zip(&right).all(|(l, r)| l.0 == r.0 && equal(&l.1, &r.1, depth))
                    }
                },
            }
        }
        _ => false,
    }
}
