//! Bytes and values to text and back: base64, base32, JSON, YAML, as Go's `encoding` packages do it.

pub mod base32;
pub mod base64;
pub mod json_read;
pub mod json_write;
pub mod yaml_plain;
pub mod yaml_write;
