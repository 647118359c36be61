//! The whole program with several nodes on this machine: services, names and Ingress as a user sees them, and under load.

mod dual;
mod gateways;
mod lab;
mod load;
mod long;
mod manifests;
mod whole;
