//! One declaration of a struct becomes the Rust type, its JSON form and a static description of it.

pub mod field;
pub mod object;
pub mod wire;
