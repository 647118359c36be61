//! The static description of a struct: its fields, their shapes and how lists merge.

/// What a JSON value of a field must look like.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A JSON string.
    String,
    /// A JSON boolean.
    Bool,
    /// A JSON number without fraction, 32 bits.
    I32,
    /// A JSON number without fraction, 64 bits.
    I64,
    /// A JSON number.
    F64,
    /// A base64 string.
    Bytes,
    /// A quantity: a string or a number.
    Quantity,
    /// A string or a 32-bit number.
    IntOrString,
    /// An RFC 3339 time, whole seconds.
    Time,
    /// An RFC 3339 time with microseconds.
    MicroTime,
    /// Any JSON value, kept as it is.
    Any,
    /// An object with the fields of a schema.
    Struct(&'static Schema),
    /// A JSON array.
    List(&'static Shape),
    /// A JSON object with free keys.
    Map(&'static Shape),
}

/// How the elements of a list are told apart (`x-kubernetes-list-type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListType {
    /// No statement: the list is replaced as a whole.
    Unset,
    /// Replaced as a whole, by statement.
    Atomic,
    /// Each value at most once.
    Set,
    /// Elements are told apart by these keys.
    Map(&'static [&'static str]),
}

/// What a strategic merge patch does with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchStrategy {
    /// Maps merge, lists and scalars are replaced.
    Unset,
    /// A list of objects merges by this key; an empty key means a list of scalars.
    Merge(&'static str),
    /// As `Merge`, and keys absent from the patch go ("retainKeys"); an empty key for an object.
    MergeRetainKeys(&'static str),
    /// An object of which only the keys of the patch stay.
    RetainKeys,
    /// Replaced as a whole.
    Replace,
}

/// One field of a struct.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Name in JSON.
    pub json: &'static str,
    /// Number in protobuf.
    pub number: u32,
    /// Shape of the value.
    pub shape: Shape,
    /// Whether the Go type is a pointer, so that absent and zero differ.
    pub pointer: bool,
    /// Left out of JSON when empty.
    pub omitempty: bool,
    /// OpenAPI lists it as required.
    pub required: bool,
    /// What a strategic merge patch does.
    pub patch: PatchStrategy,
    /// How elements of a list are told apart.
    pub list: ListType,
    /// The object is replaced as a whole (`x-kubernetes-map-type: atomic`).
    pub atomic: bool,
    /// Number of the embedded message that holds the field in protobuf; 0 when it is the struct's own. Go embeds that
    /// message, so that in JSON its fields stand beside the others.
    pub within: u32,
    /// Go's name of the type where the shape does not tell it: named strings, as in `v1.Protocol`, and named maps.
    pub go: Option<&'static str>,
}

impl Field {
    /// A field that is always written and required, before its flags.
    pub const fn new(json: &'static str, number: u32, shape: Shape, pointer: bool) -> Self {
        Self {
            json,
            number,
            shape,
            pointer,
            omitempty: false,
            required: true,
            patch: PatchStrategy::Unset,
            list: ListType::Unset,
            atomic: false,
            within: 0,
            go: None,
        }
    }

    /// Go's `omitempty`; such a field is never required.
    pub const fn omitempty(mut self) -> Self {
        self.omitempty = true;
        self.required = false;
        self
    }

    /// Always written, yet not required.
    pub const fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    /// Required although left out when empty.
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Go's name of the type.
    pub const fn go(mut self, name: &'static str) -> Self {
        self.go = Some(name);
        self
    }

    /// In protobuf, a field of the embedded message of this number.
    pub const fn within(mut self, number: u32) -> Self {
        self.within = number;
        self
    }

    /// Elements are told apart by these keys.
    pub const fn list_map(mut self, keys: &'static [&'static str]) -> Self {
        self.list = ListType::Map(keys);
        self
    }

    /// Each value at most once.
    pub const fn list_set(mut self) -> Self {
        self.list = ListType::Set;
        self
    }

    /// The list is replaced as a whole.
    pub const fn list_atomic(mut self) -> Self {
        self.list = ListType::Atomic;
        self
    }

    /// The object is replaced as a whole.
    pub const fn atomic(mut self) -> Self {
        self.atomic = true;
        self
    }

    /// A strategic merge patch merges by this key.
    pub const fn merge(mut self, key: &'static str) -> Self {
        self.patch = PatchStrategy::Merge(key);
        self
    }

    /// A strategic merge patch merges by this key and honours `$retainKeys`.
    pub const fn merge_retain_keys(mut self, key: &'static str) -> Self {
        self.patch = PatchStrategy::MergeRetainKeys(key);
        self
    }

    /// A strategic merge patch honours `$retainKeys`.
    pub const fn retain_keys(mut self) -> Self {
        self.patch = PatchStrategy::RetainKeys;
        self
    }

    /// A strategic merge patch replaces the whole.
    pub const fn replace(mut self) -> Self {
        self.patch = PatchStrategy::Replace;
        self
    }
}

/// A struct: its Go name and its fields in Go's order.
#[derive(Debug)]
pub struct Schema {
    /// Name of the type, as in `Container`.
    pub name: &'static str,
    /// Fields in the order in which they are written.
    pub fields: &'static [Field],
}

impl Schema {
    /// The field of this JSON name.
    pub fn field(&self, json: &str) -> Option<&'static Field> {
        self.fields.iter().find(|f| f.json == json)
    }
}
