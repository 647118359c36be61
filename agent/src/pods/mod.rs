//! The pods of this node: from what the manifest says to running containers and their statuses.
//!
//! `observe.rs` turns what the runtime lists into facts, `plan.rs` decides, `apply.rs` does one
//! step, `worker.rs` loops over the three for one pod, `run.rs` keeps a worker for each pod.

pub mod apply;
pub mod backoff;
pub mod clock;
pub mod convert;
pub mod events;
pub mod fake;
pub mod files;
pub mod hooks;
pub mod housekeeping;
pub mod kept;
pub mod links;
pub mod local;
pub mod metrics;
pub mod observe;
pub mod plan;
#[cfg(test)]
mod plan_tests;
pub mod probe;
pub mod pull;
pub mod references;
pub mod run;
pub mod signal;
pub mod site;
pub mod slots;
pub mod start;
pub mod status;
pub mod status_container;
pub mod status_input;
#[cfg(test)]
mod status_tests;
pub mod stop;
pub mod streams;
#[cfg(test)]
mod testing;
pub mod usage;
pub mod volumes;
pub mod worker;
