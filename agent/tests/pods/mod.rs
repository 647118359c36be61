//! Pods from the manifest to their statuses, on the embedded runtime of this machine, as root.

mod bed;
mod life;
