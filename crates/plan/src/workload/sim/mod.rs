//! A whole cluster in a test: a store, a control loop, a scheduler and node agents, on a clock that only jumps.

mod corpus;
mod failures;
pub(crate) mod manifest;
mod properties;
mod recovery;
pub(crate) mod world;
