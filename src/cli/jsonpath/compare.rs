//! Two values of a filter and an operator → whether the filter lets the element pass, as Go's templates compare.

use std::cmp::Ordering;

use serde_json::Value;

const TYPES: &str = "incompatible types for comparison";
const TYPE: &str = "invalid type for comparison";

/// Whether `left operator right`.
///
/// # Errors
/// The two cannot be compared so, or there is no such operator.
pub fn compare(operator: &str, left: &Value, right: &Value) -> Result<bool, String> {
    match operator {
        "==" => equal(left, right),
        "!=" => equal(left, right).map(|is_equal| !is_equal),
        "<" => less(left, right),
        "<=" => Ok(less(left, right)? || equal(left, right)?),
        ">" => Ok(!less(left, right)? && !equal(left, right)?),
        ">=" => less(left, right).map(|is_less| !is_less),
        other => return Err(format!("unrecognized filter operator {other}")),
    }
    .map_err(str::to_owned)
}

fn equal(left: &Value, right: &Value) -> Result<bool, &'static str> {
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => Ok(left == right),
        _ => order(left, right).map(|order| order == Some(Ordering::Equal)),
    }
}

fn less(left: &Value, right: &Value) -> Result<bool, &'static str> {
    order(left, right).map(|order| order == Some(Ordering::Less))
}

/// The order of two texts or of two numbers of one kind; `None` for those that have none.
fn order(left: &Value, right: &Value) -> Result<Option<Ordering>, &'static str> {
    let is_basic = |value: &Value| value.is_boolean() || value.is_number() || value.is_string();
    match (left, right) {
        (Value::String(left), Value::String(right)) => Ok(Some(left.cmp(right))),
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Ok(Some(left.cmp(&right))),
            (None, None) => Ok(left.as_f64().partial_cmp(&right.as_f64())),
            _ => Err(TYPES),
        },
        (Value::Bool(_), Value::Bool(_)) => Err(TYPE),
        _ if !is_basic(left) || !is_basic(right) => Err(TYPE),
        _ => Err(TYPES),
    }
}
