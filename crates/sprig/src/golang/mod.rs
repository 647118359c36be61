//! Pieces of Go's standard library that functions show through: numbers, paths, URLs, code points.

pub mod float;
pub mod number;
pub mod path;
pub mod runes;
pub mod unicode;
pub mod url;
