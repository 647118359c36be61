//! The embedded runtime on this machine, as root.

mod bed;
mod confine;
mod crash;
mod life;
mod logs;
mod pods;
mod streams;
