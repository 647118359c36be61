//! What is built on leases.

pub mod leader;
