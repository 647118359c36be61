//! `masthead chart` as a process: on folders, against repositories and registries, with signatures, and on bad input.

mod archive;
mod commands;
mod hostile;
mod install;
mod lab;
mod registry;
mod repositories;
mod server;
mod signatures;
mod tls;
