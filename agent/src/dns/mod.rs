//! The cluster's names on this node: Services, EndpointSlices and nodes → answers; every other name → the node's own resolvers.

pub mod answer;
pub mod cache;
pub mod exchange;
pub mod facts;
pub mod follow;
pub mod forward;
pub mod metrics;
pub mod name;
pub mod objects;
pub mod query;
pub mod records;
pub mod relay;
pub mod run;
pub mod serve;
pub mod site;
pub mod tcp;
pub mod upstream;
pub mod zone;

#[cfg(test)]
mod tests;
