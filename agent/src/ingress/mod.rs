//! Ingress on this node: Ingresses, Services, EndpointSlices and certificates → requests from outside, given to pods.

pub mod access;
pub mod backend;
pub mod body;
pub mod build;
pub mod class;
pub mod direct;
pub mod follow;
pub mod gateway;
pub mod guard;
pub mod handle;
pub mod headers;
pub mod layer;
pub mod live;
pub mod metrics;
pub mod objects;
pub mod options;
pub mod pool;
pub mod proxy_protocol;
pub mod reply;
pub mod run;
pub mod scan;
pub mod serve;
pub mod table;
pub mod tls;
pub mod upstream;
pub mod worker;

#[cfg(test)]
mod tests;
