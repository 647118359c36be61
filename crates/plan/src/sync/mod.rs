//! The plan of a commit: what it asks for against what is, as creates, changes, replacements and deletes in order.

pub mod entry;
pub mod guard;
pub mod merge;
pub mod order;
pub mod plan;

#[cfg(test)]
mod tests;
