//! The runtime in this program: a shim process per container, overlayfs, and no daemon beside us.
