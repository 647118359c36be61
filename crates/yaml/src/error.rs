//! A fault in a YAML or JSON text, with its place and in the words Go's library uses.

use thiserror::Error as ThisError;

/// What is wrong and where; displays as Go does: `yaml: line 3: did not find expected key`.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("yaml: line {line}: {fault}")]
pub struct Error {
    /// Line of the fault, from 1. (Go counts some faults one line too low; this one does not.)
    pub line: usize,
    /// Column of the fault in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub fault: Fault,
    /// The line that Go's message names, which is not always the one above; `None` when it names none.
    pub go_line: Option<usize>,
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum Fault {
    /// The grammar is broken.
    #[error("{0}")]
    Syntax(&'static str),
    /// The bytes are not UTF-8 or UTF-16 text, or hold a control character.
    #[error("{0}")]
    Encoding(&'static str),
    /// An alias names an anchor that the document has not set.
    #[error("unknown anchor '{0}' referenced")]
    UnknownAnchor(String),
    /// An alias stands inside the node its anchor names.
    #[error("anchor '{0}' value contains itself")]
    AnchorLoop(String),
    /// A mapping sets one key twice.
    #[error("key {0:?} already set in map")]
    DuplicateKey(String),
    /// A mapping or a sequence stands where a key is due.
    #[error("invalid map key: a {0} cannot be a key")]
    InvalidKey(&'static str),
    /// A key of a type that has no JSON form.
    #[error("unsupported map key of type: {0}")]
    UnsupportedKey(&'static str),
    /// A tag asks for a type the text does not have.
    #[error("cannot decode {found} `{text}` as a {wanted}")]
    Decode {
        /// Short tag of what the text is.
        found: &'static str,
        /// The text, cut at 64 characters.
        text: String,
        /// Short tag of what was asked for.
        wanted: String,
    },
    /// `!!binary` over text that is not base64.
    #[error("!!binary value contains invalid base64 data")]
    Binary,
    /// `<<` over something that is not a mapping or a list of mappings.
    #[error("map merge requires map or sequence of maps as the value")]
    MergeWantsMap,
    /// Infinity or not-a-number, which JSON cannot hold.
    #[error("json: unsupported value: {0}")]
    UnsupportedFloat(&'static str),
    /// A bound of [`crate::limits::Limits`] is exceeded.
    #[error("limit {name} exceeded: at most {limit} allowed")]
    Limit {
        /// Name of the field.
        name: &'static str,
        /// Its value.
        limit: usize,
    },
}
