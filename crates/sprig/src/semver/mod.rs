//! Versions and constraints as Masterminds' semver v3.5 (which Helm uses) reads them.

pub mod check;
pub mod constraint;
pub mod object;
#[cfg(test)]
mod tests;
pub mod version;
