//! YAML text to JSON values and back, as Kubernetes' and Helm's YAML library reads and writes it.
//!
//! Reading follows goyaml v2 (YAML 1.1 typing, libyaml's grammar) with the conversion to JSON that
//! sigs.k8s.io/yaml adds; writing follows the same library byte for byte. The crate does no I/O.
//!
//! Where reading is not Go's, on purpose: a byte order mark is passed at the start of any line; `[]` or `{}` in front of a
//! `:` is an error (Go stops reading there without a word); two keys that become the same string are refused together
//! with other duplicates; a document's faults are reported together; aliases are bounded by counts, not by a ratio.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod chars;
pub mod compose;
pub mod emit;
pub mod error;
pub mod events;
pub mod go_words;
pub mod input;
pub mod json;
pub mod json_scan;
pub mod limits;
pub mod number;
pub mod order;
pub mod parse;
pub mod plain;
pub mod plain_tree;
pub mod positions;
pub mod resolve;
pub mod scalar;
pub mod scan;
pub mod split;
pub mod style;
pub mod tags;
pub mod timestamp;
pub mod token;
pub mod writer;
