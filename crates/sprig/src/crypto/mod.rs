//! Keys, certificates, passwords and the random bytes they come from.

pub mod certificate;
pub mod cipher;
pub mod curve;
pub mod der;
pub mod dsa;
pub mod key;
pub mod montgomery;
pub mod password;
pub mod pem;
pub mod prime;
pub mod rng;
