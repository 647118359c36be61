//! Layouts, texts and durations against what Go's `time` gave for the same input.
