//! Typed objects to everything that is wrong with them, in Kubernetes' order and words.

#[cfg(test)]
mod answer_tests;
pub mod claim;
pub mod config;
pub mod diff;
pub mod endpoints;
pub mod error;
pub mod gateway;
pub mod ingress;
pub mod internal;
pub mod ip;
pub mod job;
pub mod meta;
pub mod name;
pub mod network_policy;
pub mod node;
pub mod path;
pub mod pod;
pub mod quote;
pub mod record;
pub mod release;
pub mod resource;
pub mod selector;
pub mod service;
#[cfg(test)]
mod tests;
pub mod workload;
