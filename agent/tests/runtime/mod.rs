//! The embedded runtime on this machine, as root.
