//! Choices by emptiness: `default`, `empty`, `coalesce`, `ternary`, `all`, `any`.

use masthead_gotmpl::function::{Function, Param};
use masthead_gotmpl::value::Value;

use crate::args::{at, boolean, is_empty};
use crate::signature::{fixed, many};

const ANY: Param = Param::Any;

/// `default` and its kind.
pub static FUNCTIONS: [Function; 6] = [
    many("default", &[ANY], ANY, |_, a| Ok(at(a, usize::from(!is_empty(at(a, 1)))).clone())),
    fixed("empty", &[ANY], |_, a| Ok(Value::Bool(is_empty(at(a, 0))))),
    many("coalesce", &[], ANY, |_, a| Ok(a.iter().find(|value| !is_empty(value)).cloned().unwrap_or_default())),
    many("all", &[], ANY, |_, a| Ok(Value::Bool(!a.iter().any(is_empty)))),
    many("any", &[], ANY, |_, a| Ok(Value::Bool(a.iter().any(|value| !is_empty(value))))),
    fixed("ternary", &[ANY, ANY, Param::Bool], |_, a| Ok(at(a, usize::from(!boolean(a, 2))).clone())),
];
