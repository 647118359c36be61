//! Charts to manifests beside Helm's answers, in one binary.
#![expect(clippy::disallowed_methods, reason = "the edge of the tests reads and writes files")]

mod causes;
mod corpus;
#[path = "support/here.rs"]
mod here;
mod origins;
