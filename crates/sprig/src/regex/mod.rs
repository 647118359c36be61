//! Go's `regexp`: patterns in RE2's syntax, matched leftmost first over bytes.

pub mod class;
pub mod error;
pub mod expand;
pub mod parse;
pub mod program;
#[cfg(test)]
mod tests;
