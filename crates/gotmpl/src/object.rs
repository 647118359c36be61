//! What a Go struct, pointer or named type must tell about itself to be used in a template.
use crate::function::{Call, Signature};
use crate::kind::Kind;
use crate::value::Value;
use std::any::Any;

/// A value with fields and methods: `.Files`, `.Capabilities`, `time.Time`, `*semver.Version`, a certificate.
pub trait Object {
    /// As `%T` prints it: `*semver.Version`.
    fn type_name(&self) -> &str;

    /// `Kind::Struct`, `Kind::Ptr`, or the kind of what `underlying` gives.
    fn kind(&self) -> Kind;

    /// An exported field.
    fn field(&self, name: &str) -> Option<Value> {
        let _ = name;
        None
    }

    /// The parameters of a method, if there is one of the name. The engine checks the arguments against it.
    fn method(&self, name: &str) -> Option<Signature> {
        let _ = name;
        None
    }

    /// Calls a method that `method` knows, with arguments of its parameters' types.
    fn call(&self, call: &mut Call<'_>, method: &str, args: &[Value]) -> Result<Value, String> {
        let _ = (call, args);
        Err(format!("no method {method} in type {}", self.type_name()))
    }

    /// What its `String` or `Error` method gives, where it has one.
    fn string(&self) -> Option<String> {
        None
    }

    /// What an action prints of a struct whose pointer has a `String` or `Error` method, while it stands where it was made.
    fn printed_in_place(&self) -> Option<String> {
        None
    }

    /// The copy of such a struct, which is what functions get: it has no pointer.
    fn copied(&self) -> Option<Value> {
        None
    }

    /// What its `GoString` method gives, where it has one.
    fn go_string(&self) -> Option<String> {
        None
    }

    /// Another number of a named number's type, for loops over one.
    fn renumbered(&self, number: i64) -> Option<Value> {
        let _ = number;
        None
    }

    /// All fields in the order of the struct, with their names, for printing.
    fn fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    /// The field that is an embedded struct.
    fn embedded(&self) -> Option<&'static str> {
        None
    }

    /// The members as goyaml writes them by the tags of the struct; `None` where the fields' names in small letters are
    /// all there is to it.
    fn yaml_fields(&self) -> Option<Vec<(&'static str, Value)>> {
        None
    }

    /// The map, list, string or number that a named type is made of.
    fn underlying(&self) -> Option<Value> {
        None
    }

    /// What JSON it becomes.
    fn to_json(&self) -> Result<serde_json::Value, String>;

    /// The members of that JSON in the order in which encoding/json writes a struct's; `None` where keys are sorted.
    fn json_fields(&self) -> Option<Vec<(&'static str, Value)>> {
        None
    }

    /// Go's `==` on two values of the same type; `None` where the type can't be compared.
    fn equals(&self, other: &dyn Object) -> Option<bool> {
        let _ = other;
        None
    }

    /// For those who know the type.
    fn as_any(&self) -> &dyn Any;
}
