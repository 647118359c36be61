//! A snapshot of a commit → the objects it asks for, or everything that is wrong with it, all at once.

pub mod asks;
pub mod chart;
pub mod desire;
pub mod releases;
pub mod render;
pub mod served;
pub mod trace;
pub mod tree;
pub mod words;

#[cfg(test)]
mod chart_tests;
#[cfg(test)]
mod tests;
