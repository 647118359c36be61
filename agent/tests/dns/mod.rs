//! The name server on real sockets of the loopback, with other name servers made for the test.

mod bed;
mod elsewhere;
mod serves;
