//! What is read and written, beside Go's answers and under hostile and random input, in one binary.

mod bounds;
mod fuzz;
mod read;
mod write;
