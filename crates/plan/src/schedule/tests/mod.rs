//! What a real scheduler answered, and tables of what each of its plugins does.

mod corpus;
mod filters;
mod preemption;
mod queue;
mod scores;
mod world;
