//! Functions beside Helm's answers and under random input, in one binary.

mod expressions;
mod fuzz;
