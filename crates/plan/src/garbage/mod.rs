//! What belongs to nothing any more, and what waits to go: owner references, finalizers, recovered pods.

pub mod finalize;
pub mod owners;
pub mod reconcile;
pub mod recovery;
#[cfg(test)]
mod tests;
