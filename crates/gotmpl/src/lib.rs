//! Go's text/template: source to parsed templates, values to text, with Go's own semantics and error messages.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
