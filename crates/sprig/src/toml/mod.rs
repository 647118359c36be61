//! TOML as BurntSushi's library reads and writes it.

pub mod encode;
pub mod parse;
pub mod read;
pub mod scalar;
pub mod string;
pub mod tables;
