//! Go's `fmt`: values to text by verb and flag.
pub mod format;
pub mod print;
mod printf;
#[cfg(test)]
mod tests;
