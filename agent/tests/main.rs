//! Everything of the agent that needs root, sockets or time, in one binary with a module per room.

mod cri;
mod dns;
mod images;
mod ingress;
mod network;
mod pods;
mod runtime;
