//! Go's package `time`: moments in zones, layouts, durations.

pub mod civil;
pub mod duration;
pub mod format;
pub mod layout;
pub mod moment;
pub mod object;
pub mod parse;
pub mod quote;
#[cfg(test)]
mod tests;
pub mod zone;
