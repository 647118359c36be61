//! Go's text/template: source to parsed templates, values to text, with Go's own semantics and error messages.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod complex;
pub mod exec;
pub mod float;
pub mod fmt;
pub mod function;
pub mod hash;
pub mod json;
pub mod kind;
pub mod list;
pub mod map;
pub mod object;
pub mod parse;
pub mod quote;
pub mod set;
pub mod string;
pub mod unicode;
pub mod value;
