//! Tests.
mod git;
mod push;
mod tidy;
