//! Kinds of gateway.networking.k8s.io to faults, in the words of an API server that has their definitions.

pub mod class;
pub mod filter;
#[expect(clippy::module_inception, reason = "the group and its first kind have one name")]
pub mod gateway;
pub mod grant;
pub mod grpc_route;
pub mod http_route;
pub mod route;
pub mod schema;
#[cfg(test)]
pub(crate) mod tests;
