//! Tests.
mod git;
mod push;
