//! Templates of paths such as `{range .items[*]}{.metadata.name}{"\n"}{end}` and objects → text, as kubectl's `-o jsonpath`.

pub mod compare;
pub mod eval;
pub mod parse;
pub mod print;
