//! SPDY/3.1 as Kubernetes' clients and servers speak it: streams that are opened, carry bytes and end, without windows.
//!
//! `frame.rs` and `headers.rs` are what goes over the wire, `serve.rs` is the side that streams are opened to, `ports.rs` what
//! it does with those of port-forward, `tunnel.rs` a WebSocket that carries it all.

pub mod frame;
pub mod headers;
pub mod ports;
pub mod serve;
pub mod tunnel;
