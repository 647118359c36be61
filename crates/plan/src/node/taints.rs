//! The taints that say how a node is.

/// The taints that a silent or unready node gets.
pub const SILENT_TAINTS: [&str; 2] = [UNREACHABLE, "node.kubernetes.io/not-ready"];

/// The taint of a silent node.
pub const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
