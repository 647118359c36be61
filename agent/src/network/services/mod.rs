//! Services in the kernel: what clients of a service's addresses and ports are led to, as one table of maps.

pub mod book;
pub mod conntrack;
pub mod decode;
pub mod element;
pub mod health;
pub mod model;
pub mod select;
pub mod table;
pub mod taken;
pub mod want;
