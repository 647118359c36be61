//! The packet rules of a node: its own nftables table, and a way through others' firewalls.

pub mod apply;
pub mod contents;
pub mod forward;
pub mod ports;
pub mod table;
pub mod watch;
