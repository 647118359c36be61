//! Pods from the manifest to their statuses, on the embedded runtime of this machine, as root, and on one that only remembers.

mod bed;
mod crowd;
mod life;
mod order;
mod probes;
mod simulated;
mod streams;
mod volumes;
