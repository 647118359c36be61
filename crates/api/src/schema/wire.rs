//! What the JSON form of a struct needs to know of each field's type: its shape and when it is empty.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::schema::field::{Schema, Shape};

/// A type that can stand in a declared field.
pub trait Wire: Default + Serialize + DeserializeOwned {
    /// Shape of its JSON.
    const SHAPE: Shape;
    /// Whether Go holds it by pointer.
    const POINTER: bool = false;

    /// Whether Go's `omitempty` leaves it out; never for a struct.
    fn is_zero(&self) -> bool {
        false
    }

    /// Writes the value; a nil list or map is `null`, as in Go.
    fn emit<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }
}

macro_rules! scalar {
    ($($ty:ty => $shape:ident, $zero:expr;)*) => {$(
        impl Wire for $ty {
            const SHAPE: Shape = Shape::$shape;
            fn is_zero(&self) -> bool {
                *self == $zero
            }
        }
    )*};
}

scalar! {
    bool => Bool, false;
    i32 => I32, 0;
    i64 => I64, 0;
    f64 => F64, 0.0;
}

impl Wire for String {
    const SHAPE: Shape = Shape::String;
    fn is_zero(&self) -> bool {
        self.is_empty()
    }
}

impl Wire for serde_json::Value {
    const SHAPE: Shape = Shape::Any;
    fn is_zero(&self) -> bool {
        self.is_null()
    }
}

impl<T: Wire> Wire for Option<T> {
    const SHAPE: Shape = T::SHAPE;
    const POINTER: bool = true;
    fn is_zero(&self) -> bool {
        self.is_none()
    }
}

impl<T: Wire> Wire for Vec<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE);
    fn is_zero(&self) -> bool {
        self.is_empty()
    }
    fn emit<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_empty() { serializer.serialize_none() } else { self.serialize(serializer) }
    }
}

impl<T: Wire> Wire for BTreeMap<String, T> {
    const SHAPE: Shape = Shape::Map(&T::SHAPE);
    fn is_zero(&self) -> bool {
        self.is_empty()
    }
    fn emit<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_empty() { serializer.serialize_none() } else { self.serialize(serializer) }
    }
}

/// Serialises through [`Wire::emit`].
pub struct Emit<'a, T>(pub &'a T);

impl<T: Wire> Serialize for Emit<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.emit(serializer)
    }
}

/// Reads a key of a JSON object as the index of a schema's field, without allocating.
pub struct FieldIndex(pub &'static Schema);

impl<'de> DeserializeSeed<'de> for FieldIndex {
    type Value = Option<usize>;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_identifier(self)
    }
}

impl Visitor<'_> for FieldIndex {
    type Value = Option<usize>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a field of {}", self.0.name)
    }
    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.fields.iter().position(|field| field.json == key))
    }
}
