//! Text of templates to parsed templates.
pub(crate) mod build;
mod common;
mod item;
mod lex;
pub mod number;
pub mod parser;
mod show;
pub mod tree;
