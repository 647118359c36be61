//! What the pod network of the embedded runtime is started with.

use std::path::PathBuf;

use crate::network::apply::Interrupt;

/// Namespaces kept ready, unless told otherwise: a burst of fifty pods finds one each.
const DEFAULT_POOL_SIZE: usize = 64;

/// What the network is started with.
#[derive(Clone)]
pub struct Options {
    /// The instance's data directory, absolute; files are kept in `node/` below it.
    pub data_dir: PathBuf,
    /// Namespaces kept ready; 0 for none.
    pub pool_size: usize,
    /// MTU of the pods' links; that of the node's default route when none.
    pub mtu: Option<u32>,
    /// For tests: asked before each step of an attach or detach.
    pub interrupt: Option<Interrupt>,
}

impl Options {
    /// The defaults for a data directory.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into(), pool_size: DEFAULT_POOL_SIZE, mtu: None, interrupt: None }
    }
}
