//! The functions that Helm gives to templates: sprig 3 and Helm's own, with Go's exact semantics.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod args;
mod cast;
mod codec;
mod crypto;
mod decimal;
mod equal;
mod funcs;
pub mod golang;
pub mod host;
mod letters;
pub mod regex;
pub mod semver;
mod signature;
pub mod table;
mod text;
pub mod time;
mod toml;
