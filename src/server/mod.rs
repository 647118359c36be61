//! HTTP requests → what the cluster is: Kubernetes' own paths and JSON, and Masthead's own beside them.

pub mod api;
pub mod channel;
pub mod containers;
pub mod discovery;
pub mod dispatch;
pub mod exec;
pub mod fleet;
pub mod forward;
pub mod listen;
pub mod logs;
pub mod metrics;
pub mod negotiate;
pub mod own;
pub mod path;
pub mod probes;
pub mod query;
pub mod read;
pub mod release;
pub mod selector;
pub mod state;
pub mod status;
pub mod streams;
pub mod table;
pub mod watch;
pub mod write;
