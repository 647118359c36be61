//! The program `masthead`.
fn main() {}
