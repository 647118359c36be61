//! Chart files and values to manifests, hooks and notes, as Helm renders them.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
