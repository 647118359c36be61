//! Parsed templates and values to text.
mod builtin;
mod call;
mod compare;
mod convert;
mod escape;
mod eval;
pub mod execution;
mod field;
mod index;
pub mod limits;
mod runtime;
pub mod trace;
mod walk;
mod zero;
