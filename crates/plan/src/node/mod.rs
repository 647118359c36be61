//! What node agents report → writes: nodes and their leases, pod statuses, and what is done when a node falls silent.

pub mod beat;
pub mod facts;
pub mod health;
pub mod import;
pub mod pod;
pub mod register;
pub mod taints;
