//! Text by letters and words: what sprig takes from goutils and xstrings.

pub mod abbreviate;
pub mod case;
pub mod parts;
pub mod wrap;
