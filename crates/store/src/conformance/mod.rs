//! The contract as cases that every store passes; who writes another store runs them on it.
//!
//! A case panics where the store does not hold to the contract.

pub mod cases;
pub mod leases;
pub mod model;
pub mod run;
#[cfg(test)]
mod runs;
pub mod suite;
pub mod watches;
