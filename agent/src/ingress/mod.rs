//! Ingress on this node: Ingresses, Services, EndpointSlices and certificates → requests from outside, given to pods.

pub mod access;
pub mod alive;
pub mod backend;
pub mod body;
pub mod build;
pub mod class;
pub mod direct;
pub mod exchange;
pub mod follow;
pub mod gateway;
pub mod guard;
pub mod handle;
pub mod headers;
pub mod host;
pub mod layer;
pub mod live;
pub mod metrics;
pub mod objects;
pub mod opening;
pub mod options;
pub mod patience;
pub mod pool;
pub mod proxy_protocol;
pub mod refusal;
pub mod reply;
pub mod request;
pub mod route;
pub mod run;
pub mod scan;
pub mod send;
pub mod serve;
pub mod shared;
pub mod stall;
pub mod table;
pub mod tls;
pub mod upstream;
pub mod words;
pub mod worker;
pub mod workers;

#[cfg(test)]
mod tests;
