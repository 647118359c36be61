//! Go's kinds and the static types of lists and maps, under the names that Go's reflection prints.
use crate::function::Method;

/// The sized signed integers of Go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntKind {
    /// `int`
    Int,
    /// `int8`
    Int8,
    /// `int16`
    Int16,
    /// `int32`
    Int32,
    /// `int64`
    Int64,
}

/// The sized unsigned integers of Go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UintKind {
    /// `uint`
    Uint,
    /// `uint8`, also called `byte`
    Uint8,
    /// `uint16`
    Uint16,
    /// `uint32`
    Uint32,
    /// `uint64`
    Uint64,
    /// `uintptr`
    Uintptr,
}

/// What `reflect.Kind` tells, as far as templates meet it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The untyped nil.
    Invalid,
    /// `bool`
    Bool,
    /// Signed integers.
    Int(IntKind),
    /// Unsigned integers.
    Uint(UintKind),
    /// `float64`
    Float64,
    /// `complex128`
    Complex128,
    /// `string`
    String,
    /// `slice`
    Slice,
    /// `map`
    Map,
    /// `struct`
    Struct,
    /// `ptr`
    Ptr,
    /// `func`
    Func,
    /// `interface`, only as the static type of an element.
    Interface,
}

impl IntKind {
    /// The type's name in Go.
    pub fn name(self) -> &'static str {
        match self {
            IntKind::Int => "int",
            IntKind::Int8 => "int8",
            IntKind::Int16 => "int16",
            IntKind::Int32 => "int32",
            IntKind::Int64 => "int64",
        }
    }
}

impl UintKind {
    /// The type's name in Go.
    pub fn name(self) -> &'static str {
        match self {
            UintKind::Uint => "uint",
            UintKind::Uint8 => "uint8",
            UintKind::Uint16 => "uint16",
            UintKind::Uint32 => "uint32",
            UintKind::Uint64 => "uint64",
            UintKind::Uintptr => "uintptr",
        }
    }
}

impl Kind {
    /// The name that `reflect.Kind.String` gives.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Invalid => "invalid",
            Kind::Bool => "bool",
            Kind::Int(kind) => kind.name(),
            Kind::Uint(kind) => kind.name(),
            Kind::Float64 => "float64",
            Kind::Complex128 => "complex128",
            Kind::String => "string",
            Kind::Slice => "slice",
            Kind::Map => "map",
            Kind::Struct => "struct",
            Kind::Ptr => "ptr",
            Kind::Func => "func",
            Kind::Interface => "interface",
        }
    }
}

/// The static type of what a list or a map holds.
#[derive(Clone, Copy)]
pub enum Elem {
    /// `interface {}`
    Any,
    /// `bool`
    Bool,
    /// `string`
    Str,
    /// A signed integer.
    Int(IntKind),
    /// An unsigned integer.
    Uint(UintKind),
    /// `float64`
    Float,
    /// `[]uint8`
    Bytes,
    /// A list.
    List(&'static ListType),
    /// A map with string keys.
    Map(&'static MapType),
    /// A struct or a pointer, by the name of its type.
    Object(&'static str),
}

impl Elem {
    /// The type's name in Go.
    pub fn name(self) -> &'static str {
        match self {
            Elem::Any => "interface {}",
            Elem::Bool => "bool",
            Elem::Str => "string",
            Elem::Int(kind) => kind.name(),
            Elem::Uint(kind) => kind.name(),
            Elem::Float => "float64",
            Elem::Bytes => "[]uint8",
            Elem::List(typ) => typ.name,
            Elem::Map(typ) => typ.name,
            Elem::Object(name) => name,
        }
    }
}

/// The type of a list: its name in Go, its elements and, where the type is a named one, its methods.
pub struct ListType {
    /// As `%T` prints it.
    pub name: &'static str,
    /// What it holds.
    pub elem: Elem,
    /// Methods of a named type; empty for `[]T`.
    pub methods: &'static [&'static Method],
}

/// The type of a map with string keys: its name in Go, its elements and, where the type is a named one, its methods.
pub struct MapType {
    /// As `%T` prints it.
    pub name: &'static str,
    /// What it holds.
    pub elem: Elem,
    /// Methods of a named type; empty for `map[string]T`.
    pub methods: &'static [&'static Method],
}

impl ListType {
    /// Is it the same type?
    pub fn same(&self, other: &ListType) -> bool {
        std::ptr::eq(self, other) || self.name == other.name
    }
}

impl MapType {
    /// Is it the same type?
    pub fn same(&self, other: &MapType) -> bool {
        std::ptr::eq(self, other) || self.name == other.name
    }
}

/// `[]interface {}`
pub static LIST_ANY: ListType = ListType { name: "[]interface {}", elem: Elem::Any, methods: &[] };
/// `[]string`
pub static LIST_STR: ListType = ListType { name: "[]string", elem: Elem::Str, methods: &[] };
/// `[]int`
pub static LIST_INT: ListType = ListType { name: "[]int", elem: Elem::Int(IntKind::Int), methods: &[] };
/// `[]map[string]interface {}`
pub static LIST_MAP: ListType = ListType { name: "[]map[string]interface {}", elem: Elem::Map(&MAP_ANY), methods: &[] };
/// `[][]interface {}`
pub static LIST_LIST: ListType = ListType { name: "[][]interface {}", elem: Elem::List(&LIST_ANY), methods: &[] };
/// `map[string]interface {}`
pub static MAP_ANY: MapType = MapType { name: "map[string]interface {}", elem: Elem::Any, methods: &[] };
/// `map[string]string`
pub static MAP_STR: MapType = MapType { name: "map[string]string", elem: Elem::Str, methods: &[] };
