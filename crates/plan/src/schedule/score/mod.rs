//! Scores of possible nodes, plugin by plugin, as Kubernetes' default profile gives them.

pub mod image;
pub mod near;
pub mod resources;
pub mod scale;
pub mod spread;
pub mod total;
