//! Tests.
mod git;
