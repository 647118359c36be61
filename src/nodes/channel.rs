//! The channel to the nodes as the control loop sees it: of real sessions, or of simulated ones.

use std::sync::Arc;

use masthead_wire::manifest::NodeContent;

use super::dispatcher::{Error, Handle};
use super::plan::Tables;

/// How often a node is asked for its pods in one session; each time it has a while to take the question.
const RECALLS_MAX: usize = 6;

/// What the control loop asks of whoever talks to the nodes. None of it waits.
pub trait Channel: Send + Sync {
    /// Says what a node should hold now ([`Handle::set_node`]).
    fn set_node(&self, node: &str, content: Arc<NodeContent>);
    /// Forgets a node without a session; false where it has one ([`Handle::forget_node`]).
    fn forget_node(&self, node: &str) -> bool;
    /// Raises the term of this control plane ([`Handle::set_term`]).
    fn set_term(&self, term: u64);
    /// Asks a node for pods that it holds; they come as a report.
    fn recall(&self, node: &str, uids: Vec<String>);
    /// What the tables of the connected nodes say ([`Handle::tables`]).
    fn tables(&self) -> Vec<Tables>;
}

impl Channel for Handle {
    fn set_node(&self, node: &str, content: Arc<NodeContent>) {
        Handle::set_node(self, node, content);
    }

    fn forget_node(&self, node: &str) -> bool {
        Handle::forget_node(self, node)
    }

    fn set_term(&self, term: u64) {
        Handle::set_term(self, term);
    }

    fn recall(&self, node: &str, uids: Vec<String>) {
        let (nodes, node) = (self.clone(), node.to_owned());
        // It ends with the session at the latest: a node that is back says hello, and is asked anew.
        tokio::spawn(async move {
            for _ in 0..RECALLS_MAX {
                match nodes.recall(&node, uids.clone()).await {
                    Ok(()) | Err(Error::NotConnected(_)) => return,
                    Err(error) => tracing::warn!(node, %error, "the node was asked for its pods"),
                }
            }
            nodes.end_session(&node, "the node takes no messages");
        });
    }

    fn tables(&self) -> Vec<Tables> {
        Handle::tables(self)
    }
}
