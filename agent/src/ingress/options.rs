//! How the Ingress of a node is set up.

use std::net::IpAddr;
use std::time::Duration;

use crate::dns::facts::Range;

/// Settings. Every bound has a default that suits a small node.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; none is every address of the node.
    pub addresses: Vec<IpAddr>,
    /// The port for HTTP; none: it is not served.
    pub http_port: Option<u16>,
    /// The port for HTTPS; none: it is not served.
    pub https_port: Option<u16>,
    /// The port of HTTPS that clients are sent to, where another machine stands before.
    pub public_https_port: u16,
    /// Threads, each with its own sockets and connections.
    pub workers: usize,
    /// Every connection begins with a PROXY header, version 1 or 2.
    pub proxy_protocol: bool,
    /// Clients whose forwarding headers are believed.
    pub trusted: Vec<Range>,
    /// One line for each request.
    pub access_log: bool,
    /// Connections at a time, of all workers.
    pub connections_max: usize,
    /// Bytes of a request's head.
    pub head_bytes_max: usize,
    /// How long a connection may be silent before and between requests.
    pub idle: Duration,
    /// How long a connection to a pod may take.
    pub connect: Duration,
    /// How long a pod may take until it begins to answer.
    pub response: Duration,
    /// How long a body may stand still in either direction.
    pub stall: Duration,
    /// How long a connection to a pod is kept without use.
    pub keep_alive: Duration,
    /// Unused connections kept for one endpoint, of one worker.
    pub keep_alive_max: usize,
    /// How long requests that are under way may take at the end.
    pub drain: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            http_port: Some(80),
            https_port: Some(443),
            public_https_port: 443,
            workers: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            proxy_protocol: false,
            trusted: Vec::new(),
            access_log: true,
            connections_max: 16_384,
            head_bytes_max: 64 << 10,
            // nginx' keepalive_timeout; its proxy_connect_timeout is 60 s, far more than a pod of one's own needs.
            idle: Duration::from_secs(75),
            connect: Duration::from_secs(3),
            // nginx' proxy_read_timeout.
            response: Duration::from_secs(60),
            stall: Duration::from_secs(60),
            keep_alive: Duration::from_secs(60),
            keep_alive_max: 128,
            drain: Duration::from_secs(30),
        }
    }
}
