//! The state of the cluster → what the controllers, the scheduler and the nodes make of it, as one loop.

pub mod clock;
pub mod common;
pub mod dispatch;
pub mod events;
pub mod heard;
pub mod leaving;
pub mod problems;
pub mod record;
pub mod references;
pub mod report;
pub mod run;
pub mod state;
pub mod view;
