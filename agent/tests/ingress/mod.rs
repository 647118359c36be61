//! The Ingress on real sockets of the loopback, with pods that the tests make.

mod access;
mod bed;
mod direct;
mod frames;
mod gateways;
mod life;
mod passes;
mod refuses;
mod stuck;
