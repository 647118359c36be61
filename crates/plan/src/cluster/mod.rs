//! The cluster as all deciders see it: every live object, what git last asked for, and the indexes over both.

pub mod counted;
pub mod edit;
pub mod event;
pub mod index;
pub mod read;
pub mod shard;
#[cfg(test)]
mod tests;
pub mod view;
