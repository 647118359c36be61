//! A plan → what its reader gets: text for a terminal, Markdown for a pull request, JSON for programs.

pub mod json;
pub mod markdown;
pub mod text;

#[cfg(test)]
mod tests;
