//! Bad pushes of every sort: each is refused or noted in clear words, and nothing changes.

mod good;
mod lab;
mod objects;
mod refs;
mod text;
mod trees;
