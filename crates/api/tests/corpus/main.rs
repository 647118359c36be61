//! Holds the crate against what a real API server answered.

mod read;
mod types;
