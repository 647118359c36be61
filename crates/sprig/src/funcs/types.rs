//! What Go's reflection says about a value.

use masthead_gotmpl::function::{Function, Param};
use masthead_gotmpl::value::Value;

use crate::args::{at, text};
use crate::signature::fixed;

const S: Param = Param::Str;
const ANY: Param = Param::Any;

/// `typeOf`, `kindIs` and their kind.
pub static FUNCTIONS: [Function; 5] = [
    fixed("typeOf", &[ANY], |_, a| Ok(Value::from(at(a, 0).type_name()))),
    fixed("typeIs", &[S, ANY], |_, a| Ok(Value::Bool(text(a, 0) == at(a, 1).type_name().as_bytes()))),
    fixed("typeIsLike", &[S, ANY], |_, a| {
        let (target, name) = (text(a, 0), at(a, 1).type_name().as_bytes());
        Ok(Value::Bool(target == name || name.strip_prefix(b"*") == Some(target)))
    }),
    fixed("kindOf", &[ANY], |_, a| Ok(Value::from(at(a, 0).kind().name()))),
    fixed("kindIs", &[S, ANY], |_, a| Ok(Value::Bool(text(a, 0) == at(a, 1).kind().name().as_bytes()))),
];
