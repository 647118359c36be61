//! Holds the crate against what a real API server answered.

mod defaults;
mod describe;
mod patches;
mod raw;
mod read;
mod refuse;
mod tables;
mod types;
