//! Many nodes on one machine: what was asked for → namespaces with an agent in each, kept running.

pub mod agent;
pub mod config;
pub mod handle;
pub mod ports;
pub mod record;
pub mod routes;
pub mod run;
