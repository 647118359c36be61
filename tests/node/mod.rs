//! The whole program on this machine with real containers: what a user does, and what must hold when things go wrong.

mod disk;
mod kills;
mod load;
mod loss;
mod site;
mod walk;
