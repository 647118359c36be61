//! values.schema.json to what it demands of values: JSON Schema of drafts 4 to 2020-12, with the messages Helm shows.
//!
//! References stay within the file or lead to the drafts' own schemas; what lies elsewhere is refused.

mod compare;
pub mod compile;
pub mod decimal;
pub mod draft;
pub mod fault;
pub mod format;
pub mod node;
pub mod pointer;
mod quick;
pub mod resources;
pub mod validate;

pub use compile::Schema;
