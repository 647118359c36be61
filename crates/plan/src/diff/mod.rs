//! Two states of one object → a unified diff that a person reads, without what no one wrote and without secrets.

pub mod clean;
pub mod unified;
