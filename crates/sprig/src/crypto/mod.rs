//! Keys, certificates, passwords and the random bytes they come from.

pub mod rng;
