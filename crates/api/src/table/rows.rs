//! A kind to its columns, an object to its row.

use serde_json::Value;

use crate::admit::admitted::{Admitted, Visit};
use crate::admit::kinds;
use crate::kind::Kind;
use crate::meta::time::Time;
use crate::object::{Error, Object};
use crate::table::column::Column;

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
