//! Charts that are made to do harm: each is refused in clear words that say where, and takes bounded memory and time.
#![expect(clippy::disallowed_methods, reason = "the edge of the test makes folders and links")]

#[path = "../support/here.rs"]
mod here;

mod archives;
mod folders;
mod nested;
mod renders;
mod schemas;
mod support;
