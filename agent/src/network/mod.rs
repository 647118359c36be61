//! The node's pod network: a namespace with an address of its own for each pod, and the rules around it.

pub mod apply;
pub mod call;
pub mod cidr;
pub mod contract;
pub mod datapath;
pub mod destroy;
pub mod error;
pub mod host;
pub mod ipam;
pub mod kernel;
pub mod local_address;
pub mod names;
pub mod netns;
pub mod observe;
pub mod options;
pub mod plan;
pub mod pod_ports;
pub mod policy;
pub mod pool;
pub mod records;
pub mod reserve;
pub mod routed;
pub mod routes;
pub mod rules;
pub mod run;
pub mod services;
