//! Options → a running control plane (and node): opens the data directory, joins the parts, and takes them down.

pub mod data;
pub mod lacking;
pub mod network;
pub mod options;
pub mod preflight;
pub mod ready;
pub mod repository;
pub mod serve;
pub mod tokens;
