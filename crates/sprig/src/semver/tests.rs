//! Versions and constraints against what Masterminds' semver gave for the same input.
