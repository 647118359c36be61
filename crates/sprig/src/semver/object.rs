//! A version as templates see it: the fields and methods of `*semver.Version`.

use std::any::Any;
use std::cmp::Ordering;
use std::rc::Rc;

use masthead_gotmpl::function::{Call, Param, Signature};
use masthead_gotmpl::kind::{Kind, UintKind};
use masthead_gotmpl::object::Object;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;

use super::version::Version;

/// A version, as the pointer that `semver` gives or as the value that `IncMajor` gives.
pub struct VersionObject {
    version: Version,
    pointer: bool,
}

/// The name of the pointer's type.
const POINTER: &str = "*semver.Version";
const NONE: Signature = Signature { params: &[], variadic: None };
const OTHER: Signature = Signature { params: &[Param::Pointer(POINTER)], variadic: None };
const TEXT: Signature = Signature { params: &[Param::Str], variadic: None };

impl VersionObject {
    /// What `semver` gives.
    pub fn pointer(version: Version) -> Self {
        Self { version, pointer: true }
    }

    fn value(version: Version) -> Value {
        Value::Object(Rc::new(Self { version, pointer: false }))
    }
}

fn number(value: u64) -> Value {
    Value::Uint(UintKind::Uint64, value)
}

impl Object for VersionObject {
    fn type_name(&self) -> &str {
        if self.pointer { POINTER } else { "semver.Version" }
    }

    fn kind(&self) -> Kind {
        if self.pointer { Kind::Ptr } else { Kind::Struct }
    }

    fn method(&self, name: &str) -> Option<Signature> {
        match name {
            "Major" | "Minor" | "Patch" | "Prerelease" | "Metadata" | "String" | "IncMajor" | "IncMinor"
            | "IncPatch" | "MarshalJSON" | "MarshalText" | "Value" => Some(NONE),
            "SetPrerelease" | "SetMetadata" => Some(TEXT),
            "Original" if self.pointer => Some(NONE),
            "Compare" | "LessThan" | "LessThanEqual" | "GreaterThan" | "GreaterThanEqual" | "Equal" if self.pointer => {
                Some(OTHER)
            }
            _ => None,
        }
    }

    fn call(&self, _: &mut Call<'_>, method: &str, args: &[Value]) -> Result<Value, String> {
        let version = &self.version;
        let text = || crate::args::lossy(args, 0).into_owned();
        Ok(match method {
            "Major" => number(version.major),
            "Minor" => number(version.minor),
            "Patch" => number(version.patch),
            "Prerelease" => Value::from(version.prerelease.as_str()),
            "Metadata" => Value::from(version.metadata.as_str()),
            "Original" => Value::from(version.original.as_str()),
            "String" | "Value" => Value::from(version.to_string()),
            "MarshalText" => Value::Bytes(Str::from(version.to_string())),
            "MarshalJSON" => Value::Bytes(Str::from(format!("\"{version}\""))),
            "IncMajor" => Self::value(version.inc_major()?),
            "IncMinor" => Self::value(version.inc_minor()?),
            "IncPatch" => Self::value(version.inc_patch()?),
            "SetPrerelease" => Self::value(version.set_prerelease(&text()).map_err(|error| error.to_string())?),
            "SetMetadata" => Self::value(version.set_metadata(&text()).map_err(|error| error.to_string())?),
            _ => {
                let other = crate::args::at(args, 0);
                let Some(other) = other.downcast::<Self>() else {
                    return match method {
                        "Equal" => Ok(Value::Bool(false)),
                        _ => Err(crate::args::NIL_POINTER.to_owned()),
                    };
                };
                let order = version.compare(&other.version);
                match method {
                    "Compare" => Value::int(order as i64),
                    "LessThan" => Value::Bool(order == Ordering::Less),
                    "LessThanEqual" => Value::Bool(order != Ordering::Greater),
                    "GreaterThan" => Value::Bool(order == Ordering::Greater),
                    "GreaterThanEqual" => Value::Bool(order != Ordering::Less),
                    _ => Value::Bool(order == Ordering::Equal),
                }
            }
        })
    }

    fn string(&self) -> Option<String> {
        Some(self.version.to_string())
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        let version = &self.version;
        vec![
            ("major", number(version.major)),
            ("minor", number(version.minor)),
            ("patch", number(version.patch)),
            ("pre", Value::from(version.prerelease.as_str())),
            ("metadata", Value::from(version.metadata.as_str())),
            ("original", Value::from(version.original.as_str())),
        ]
    }

    fn to_json(&self) -> Result<serde_json::Value, String> {
        Ok(serde_json::Value::String(self.version.to_string()))
    }

    fn equals(&self, other: &dyn Object) -> Option<bool> {
        // Pointers are equal when they are one; what `==` asks of structs is equality of all fields.
        let other = other.as_any().downcast_ref::<Self>()?;
        if self.pointer { Some(std::ptr::eq(self, other)) } else { Some(self.version == other.version) }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
