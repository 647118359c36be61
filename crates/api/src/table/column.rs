//! A column of what `get` prints, and what a kind has of them.

use serde_json::Value;

use crate::meta::time::Time;

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// As in `Nominated Node`; printed in capitals.
    pub name: &'static str,
    /// `string` or `integer`.
    pub type_: &'static str,
    /// `name` for the object's name, else empty.
    pub format: &'static str,
    /// Above zero only with `-o wide`.
    pub priority: i32,
    /// What its cells say.
    pub description: &'static str,
}

/// A kind that has columns of its own.
pub trait Printed {
    /// Its columns.
    const COLUMNS: &'static [Column];

    /// One cell for each column, at this time.
    fn cells(&self, now: Time) -> Vec<Value>;
}

pub(super) const fn column(name: &'static str, description: &'static str) -> Column {
    Column { name, type_: "string", format: "", priority: 0, description }
}

pub(super) const fn number(name: &'static str, description: &'static str) -> Column {
    Column { type_: "integer", ..column(name, description) }
}

pub(super) const fn wide(name: &'static str, description: &'static str) -> Column {
    Column { priority: 1, ..column(name, description) }
}

pub(super) const NAME: Column =
    Column { format: "name", ..column("Name", "The object's name, unique for its kind in its namespace.") };

pub(super) const AGE: Column = column("Age", "How long ago the object was created.");

pub(super) const CONTAINERS: Column = wide("Containers", "Names of the template's containers.");

pub(super) const IMAGES: Column = wide("Images", "Images of the template's containers.");

/// Text, or `<none>` for nothing.
pub(super) fn or_none(text: &str) -> Value {
    if text.is_empty() { "<none>".into() } else { text.into() }
}
