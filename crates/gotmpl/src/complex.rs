//! Go's `complex128`, which a template can only write down, print and ask for its type.
use crate::float;
use crate::kind::Kind;
use crate::object::Object;
use crate::value::Value;
use std::any::Any;
use std::rc::Rc;

/// A complex number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Complex {
    /// The real part.
    pub real: f64,
    /// The imaginary part.
    pub imaginary: f64,
}

impl Complex {
    /// A value of it.
    pub fn value(self) -> Value {
        Value::Object(Rc::new(self))
    }
}

impl Object for Complex {
    fn type_name(&self) -> &str {
        "complex128"
    }

    fn kind(&self) -> Kind {
        Kind::Complex128
    }

    fn string(&self) -> Option<String> {
        let sign = if self.imaginary.is_sign_negative() { "" } else { "+" };
        Some(format!("({}{sign}{}i)", float::shortest(self.real), float::shortest(self.imaginary)))
    }

    fn to_json(&self) -> Result<serde_json::Value, String> {
        Err("json: unsupported type: complex128".to_owned())
    }

    fn equals(&self, other: &dyn Object) -> Option<bool> {
        Some(other.as_any().downcast_ref::<Complex>() == Some(self))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
