//! Containers' logs in CRI's format: lines parsed, files read from the end or the beginning, and followed.

pub mod line;
pub mod read;
pub mod rotate;
pub mod tail;
