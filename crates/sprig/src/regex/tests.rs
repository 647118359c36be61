//! Patterns, matches and refusals against what Go's `regexp` gave for the same input.
