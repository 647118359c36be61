//! Kinds of gateway.networking.k8s.io to faults, in the words of an API server that has their definitions.

pub mod class;
pub mod filter;
pub mod gateway;
pub mod grant;
pub mod grpc_route;
pub mod http_route;
pub mod route;
pub mod schema;
#[cfg(test)]
pub(crate) mod tests;
