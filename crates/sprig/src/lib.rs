//! The functions that Helm gives to templates: sprig 3 and Helm's own, with Go's exact semantics.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
