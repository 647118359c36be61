//! What agents say, as the control loop hears it.

use std::sync::Arc;

use bytes::Bytes;
use masthead_wire::manifest::Generation;
use masthead_wire::object::PodEntry;
use masthead_wire::report::{Applied, Heartbeat, Hello, PodGone, PodStatus, Problems};

/// What agents say, and what happens to their sessions. Of one node in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Which node; from its certificate.
    pub node: String,
    /// What.
    pub what: What,
}

/// What a [`Report`] says.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A token let the node in. Left out when the reports are full: [`What::Hello`] follows.
    Joined,
    /// A session began.
    Hello(Hello),
    /// A pod's newest status.
    PodStatus(PodStatus),
    /// A deleted pod is gone from the node: its object may be removed.
    PodGone(PodGone),
    /// The node lives: renew its lease.
    Heartbeat(Heartbeat),
    /// Kubernetes Events, each as JSON.
    Events {
        /// The events.
        events: Vec<Bytes>,
        /// How many were dropped before these.
        dropped: u64,
    },
    /// Pods that the node holds: answer to a recall.
    Recalled {
        /// The pods.
        pods: Vec<Arc<PodEntry>>,
        /// No more follow.
        last: bool,
    },
    /// The node holds all of the manifest.
    Holds(Generation),
    /// The node's tables are as a manifest says, or were tried.
    Applied(Applied),
    /// All that the node can't do.
    Problems(Problems),
    /// The node can't take its content; nothing is sent before there is other content.
    Rejected {
        /// Which manifest.
        generation: Generation,
        /// Why.
        why: String,
    },
    /// The node holds a manifest that is later than any this control plane sent, so it is sent
    /// nothing: our state was lost, or another leads. Whoever leads by the store's word raises
    /// its term above this one with `Handle::set_term`; another must stop.
    Ahead(Generation),
    /// Somebody came as this node and was turned away. Left out when the reports are full.
    Intruder {
        /// Why.
        why: String,
    },
    /// The session ended.
    Disconnected {
        /// Why.
        why: String,
    },
}
