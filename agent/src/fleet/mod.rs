//! Several nodes on one machine: each a network namespace of its own on a common segment, with a real agent inside.
//!
//! The segment is a bridge in a namespace that nobody else uses, so that the firewalls of the machine never see what
//! nodes say to one another. The machine itself is on the segment with the first address, and is the nodes' way out.

pub mod apply;
pub mod enter;
pub mod plan;
pub mod power;
