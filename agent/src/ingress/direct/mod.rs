//! Plain requests of HTTP/1.1 → pods that speak it, in one task and four system calls each; all else is left to hyper.

pub mod answer;
pub mod chunks;
pub mod clock;
pub mod connection;
pub mod head;
pub mod lines;
pub mod relay;
pub mod rewind;

#[cfg(test)]
mod tests;
