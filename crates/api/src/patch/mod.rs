//! A live object and a patch to the object that is asked for, in the three forms of Kubernetes: JSON patch, merge patch
//! and strategic merge patch.

pub mod apply;
mod element;
pub mod error;
pub mod go_value;
mod merge;
mod operations;
mod order;
mod restore;
mod strategic;
#[cfg(test)]
mod tests;
