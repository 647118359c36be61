//! The embedded runtime on this machine, as root.

pub mod bed;
mod confine;
mod crash;
mod life;
mod logs;
mod pods;
mod streams;
