//! The command line's side of the API: requests, streams and WebSockets to a control plane.

pub mod error;
pub mod locate;
pub mod rest;
pub mod socket;
