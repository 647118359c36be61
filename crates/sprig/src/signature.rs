//! A name, parameters and a body → a function of the table.

use masthead_gotmpl::function::{Body, Function, Param};
use masthead_gotmpl::kind::IntKind;

/// `int`
pub(crate) const INT: Param = Param::Int(IntKind::Int);

/// A function with fixed parameters.
pub(crate) const fn fixed(name: &'static str, params: &'static [Param], call: Body) -> Function {
    Function { name, params, variadic: None, call }
}

/// A function whose last parameter may be given any number of times.
pub(crate) const fn many(name: &'static str, params: &'static [Param], variadic: Param, call: Body) -> Function {
    Function { name, params, variadic: Some(variadic), call }
}
