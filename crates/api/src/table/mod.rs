//! Objects to the rows that `get` prints: columns, cells and their text.

use serde_json::Value;

use crate::admit::{Admitted, Visit, kinds};
use crate::kind::Kind;
use crate::meta::time::Time;
use crate::object::{Error, Object};

pub mod age;
pub mod document;
pub mod gateway;
pub mod job;
pub mod network;
pub mod objects;
pub mod pod;
pub mod release;
pub mod text;

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

const fn column(name: &'static str, description: &'static str) -> Column {
    Column { name, type_: "string", format: "", priority: 0, description }
}

const fn number(name: &'static str, description: &'static str) -> Column {
    Column { type_: "integer", ..column(name, description) }
}

const fn wide(name: &'static str, description: &'static str) -> Column {
    Column { priority: 1, ..column(name, description) }
}

const NAME: Column =
    Column { format: "name", ..column("Name", "The object's name, unique for its kind in its namespace.") };
const AGE: Column = column("Age", "How long ago the object was created.");
const CONTAINERS: Column = wide("Containers", "Names of the template's containers.");
const IMAGES: Column = wide("Images", "Images of the template's containers.");

/// The columns of a kind.
pub fn columns(kind: Kind) -> &'static [Column] {
    struct Columns;
    impl Visit for Columns {
        type Out = &'static [Column];
        fn visit<T: Admitted>(self) -> Self::Out {
            T::COLUMNS
        }
    }
    kinds::with(kind, Columns)
}

/// The cells of an object at this time: one for each of its kind's columns, those of `-o wide` included.
///
/// # Errors
/// The object does not fit its kind.
pub fn row(object: &Object, now: Time) -> Result<Vec<Value>, Error> {
    struct Cells<'a>(&'a Object, Time);
    impl Visit for Cells<'_> {
        type Out = Result<Vec<Value>, Error>;
        fn visit<T: Admitted>(self) -> Self::Out {
            Ok(self.0.typed::<T>()?.cells(self.1))
        }
    }
    kinds::with(object.kind(), Cells(object, now))
}

/// The cells of an object of this kind, at this time; all columns, those of `-o wide` included.
///
/// # Errors
/// The object does not fit its kind.
pub fn cells(kind: Kind, object: &Value, now: Time) -> Result<Vec<Value>, serde_json::Error> {
    struct Cells<'a>(&'a Value, Time);
    impl Visit for Cells<'_> {
        type Out = Result<Vec<Value>, serde_json::Error>;
        fn visit<T: Admitted>(self) -> Self::Out {
            Ok(T::from_json_value(self.0.clone())?.cells(self.1))
        }
    }
    kinds::with(kind, Cells(object, now))
}

/// Text, or `<none>` for nothing.
fn or_none(text: &str) -> Value {
    if text.is_empty() { "<none>".into() } else { text.into() }
}
