//! The contract between control plane and node agent: messages, their Rust types, the channel and its certificates.
//!
//! Knows nothing of stores, controllers or containers. Both sides share what must agree: what a
//! manifest is and how it is cut into messages, what an object's digest is, and who is trusted.

pub mod attachments;
pub mod channel;
pub mod convert;
pub mod limits;
pub mod listen;
pub mod manifest;
pub mod object;
pub mod parts;
pub mod pb;
pub mod pki;
pub mod report;
pub mod stream;
#[cfg(test)]
mod tests;
