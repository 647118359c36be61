//! The whole program on this machine with real containers: what a user does, and what must hold when things go wrong.

mod clock;
mod containerd;
mod disk;
mod faults;
mod hooks;
mod kills;
mod load;
mod loss;
mod machine;
mod parts;
pub mod site;
mod walk;
