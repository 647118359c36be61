//! HTTP requests → what the cluster is: Kubernetes' own paths and JSON, and Masthead's own beside them.

pub mod api;
pub mod listen;
pub mod own;
pub mod status;
