//! Namespaces on their way out: their content goes, then they do.

pub mod conditions;
pub mod reconcile;
