//! The plan of a commit: what it asks for against what is, as creates, changes, replacements and deletes in order, and
//! the hooks of releases before and after them.

pub mod entry;
pub mod evidence;
pub mod guard;
pub mod hooks;
pub mod installed;
pub mod journal;
pub mod merge;
pub mod newborn;
pub mod order;
pub mod outcome;
pub mod plan;
pub mod release;
pub mod remake;
pub mod revision;
pub mod rollout;
pub mod scope;

#[cfg(test)]
mod hook_tests;
#[cfg(test)]
mod loss_tests;
#[cfg(test)]
mod scope_tests;
#[cfg(test)]
mod tests;
