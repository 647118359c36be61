//! Gateways on this node: resolved gateways and routes → tables, and what their rules do with requests and answers.

pub mod answer;
pub mod build;
pub mod copies;
pub mod cors;
pub mod deadline;
pub mod edit;
pub mod matches;
#[cfg(test)]
mod part_tests;
pub mod place;
pub mod serve;
pub mod share;
pub mod table;
#[cfg(test)]
mod tests;
