//! The engine from outside: against Go's answers, at its limits, with origins, and fed with random input.
mod bounds;
mod fuzz;
mod golden;
mod origins;
mod support;
