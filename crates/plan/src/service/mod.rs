//! Services and what follows from them: addresses and ports, slices, Endpoints, addresses of balancers and ingresses.

pub mod affected;
pub mod allocate;
pub mod balancer;
pub mod check;
pub mod claims;
pub mod clash;
pub mod endpoint;
pub mod ingress;
pub mod legacy;
pub mod mirror;
pub mod node_addresses;
pub mod probe;
pub mod reconcile;
pub mod relations;
pub mod slices;
pub mod system;
#[cfg(test)]
mod tests;
pub mod told;
