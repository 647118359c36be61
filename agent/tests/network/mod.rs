//! The pod network on a real kernel, each test in a network and mount namespace of its own.

mod bed;
mod cluster;
mod crash;
mod dual;
mod firewall;
mod life;
mod nodes;
mod policies;
mod ports;
mod problems;
mod services;
mod talk;
