//! The real kubectl, and our own command line beside it, against a control plane's API over a store in memory.

mod compare;
mod objects;
mod recorded;
mod requests;
mod server;
mod streams;
mod verbs;
mod writes;
