//! Helm charts to manifests, exactly as Helm v3.21.4 renders them: files in, manifests, hooks and notes out.
//!
//! The crate does no I/O: files, flags, time and entropy are handed in. A [`chart::Chart`] is loaded once
//! ([`load::files`], [`archive::files`]) and shared between threads; [`render::render`] takes it with values and a release;
//! [`command::template`] is all of `helm template` between its arguments and its output.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod ahead;
pub mod archive;
pub mod capabilities;
pub mod chart;
mod checks;
mod coalesce;
pub mod command;
pub mod create;
pub mod decode;
mod deep_copy;
pub mod dependencies;
mod deprecated;
pub mod disk;
mod engine;
pub mod error;
mod file_glob;
pub mod flags;
pub mod glob;
mod go_format;
pub mod head;
pub mod head_fast;
pub mod hook;
pub mod ignore;
mod instance;
mod json_scan;
pub mod kinds;
pub mod line_origin;
pub mod lint;
mod lint_stream;
pub mod listing;
pub mod load;
pub mod lock;
pub mod manifest;
pub mod manifests;
pub mod metadata;
mod objects;
mod origins;
pub mod package;
mod parsed;
pub mod render;
pub mod schema;
pub mod show;
pub mod step;
pub mod strvals;
mod table_fast;
pub mod tree;
mod value_path;
pub mod values;
mod values_methods;
