//! What the data path is started with, and how far it is.

use std::path::PathBuf;

use masthead_wire::manifest::Generation;
use masthead_wire::report::Problem;

/// What the data path is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The instance's data directory, from which the names of its tables are made.
    pub data_dir: PathBuf,
    /// The node's name.
    pub node: String,
    /// Whether the pods' links are of our own network; with a runtime that brings its own, routes between nodes are
    /// the runtime's, and so are loopback addresses.
    pub is_routed: bool,
}

/// How far it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The last manifest that is in the kernel.
    pub applied: Option<Generation>,
    /// How many services are in the table.
    pub services: usize,
    /// How many endpoints are in its lists.
    pub endpoints: usize,
    /// The last manifest, when the kernel did not take all of it, and why; it is tried again.
    pub refused: Option<(Generation, String)>,
    /// What is not done, and why.
    pub problems: Vec<Problem>,
}
