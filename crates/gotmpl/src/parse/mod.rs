//! Text of templates to parsed templates.
pub(crate) mod build;
pub mod item;
pub mod lex;
pub mod number;
pub mod parser;
mod show;
pub mod tree;
