//! Runs every case on one store.

use crate::conformance::suite::{Case, Fixture};
use crate::conformance::{cases, leases, watches};

/// Runs all cases, one after another, and prints the name of each.
pub async fn run(fixture: &dyn Fixture) {
    for (name, case) in cases::ALL.iter().chain(watches::ALL).chain(leases::ALL) {
        println!("case {name}");
        case(&Case::new(fixture, name)).await;
    }
}
