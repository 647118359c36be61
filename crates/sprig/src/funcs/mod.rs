//! The functions by subject: each file turns arguments into a result in the way of sprig's or Helm's file.

pub mod ciphers;
pub mod dates;
pub mod defaults;
pub mod dicts;
pub mod encodings;
pub mod helm;
pub mod lists;
pub mod merge;
pub mod numbers;
pub mod patterns;
pub mod places;
pub mod randoms;
pub mod strings;
pub mod types;
pub mod words;
