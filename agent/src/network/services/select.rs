//! Endpoints of a service's port → those that its traffic may go to, in the cluster and on this node.
//!
//! As kube-proxy chooses (`pkg/proxy/topology.go`): ready ones; those that end but still serve where none is ready
//! (KEP-1669); among ready ones those that hints set aside for this node or its zone, when every one has a hint.

use std::net::IpAddr;

use crate::network::services::model::{Endpoint, Hint};

/// Where a packet goes.
pub type Target = (IpAddr, u16);

/// What was chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Of all nodes; sorted, without doubles.
    pub cluster: Vec<Target>,
    /// Of this node; the same.
    pub local: Vec<Target>,
    /// Whether any node has one.
    pub is_any: bool,
    /// Of all these, those on this node.
    pub near: Vec<IpAddr>,
    /// How many ready ones this node has.
    pub ready_here: usize,
}

/// Chooses among a port's endpoints.
pub fn choose(all: &[(Endpoint, u16)]) -> Chosen {
    let ready = |e: &Endpoint| e.is_ready;
    let ending = |e: &Endpoint| e.is_serving && e.is_terminating;
    let wanted = preference(all);
    let pick = |keep: &dyn Fn(&Endpoint) -> bool| {
        let mut picked: Vec<Target> = all.iter().filter(|(e, _)| keep(e)).map(|(e, port)| (e.ip, *port)).collect();
        picked.sort_unstable();
        picked.dedup();
        picked
    };
    let or = |first: Vec<Target>, second: &dyn Fn(&Endpoint) -> bool| {
        if first.is_empty() { pick(second) } else { first }
    };
    let cluster = or(pick(&|e| ready(e) && wanted.admits(e)), &ending);
    let local = or(pick(&|e| ready(e) && e.is_local), &|e| ending(e) && e.is_local);
    let here = all.iter().filter(|(e, _)| e.is_local).map(|(e, port)| (e.ip, *port));
    let mut near: Vec<IpAddr> =
        here.filter(|t| cluster.binary_search(t).is_ok() || local.binary_search(t).is_ok()).map(|(ip, _)| ip).collect();
    near.sort_unstable();
    near.dedup();
    let ready_here = pick(&|e| ready(e) && e.is_local).len();
    let is_any = all.iter().any(|(e, _)| ready(e) || ending(e));
    Chosen { cluster, local, is_any, near, ready_here }
}

/// Which hints count.
#[derive(Clone, Copy)]
enum Preference {
    None,
    Node,
    Zone,
}

impl Preference {
    fn admits(self, endpoint: &Endpoint) -> bool {
        match self {
            Self::None => true,
            Self::Node => endpoint.node == Hint::Here,
            Self::Zone => endpoint.zone == Hint::Here,
        }
    }
}

/// Hints count when each ready endpoint has one and one of them is for here.
fn preference(all: &[(Endpoint, u16)]) -> Preference {
    let hints = |of: fn(&Endpoint) -> Hint| {
        let mut ready = all.iter().filter(|(e, _)| e.is_ready).map(|(e, _)| of(e)).peekable();
        let mut is_here = false;
        ready.peek().is_some()
            && ready.all(|hint| {
                is_here |= hint == Hint::Here;
                hint != Hint::None
            })
            && is_here
    };
    if hints(|e| e.node) {
        Preference::Node
    } else if hints(|e| e.zone) {
        Preference::Zone
    } else {
        Preference::None
    }
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;
