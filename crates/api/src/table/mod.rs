//! Objects to the rows that `get` prints: columns, cells and their text.

pub mod age;
pub mod column;
pub mod document;
pub mod gateway;
pub mod job;
pub mod network;
pub mod objects;
pub mod pod;
pub mod release;
pub mod rows;
pub mod text;
