//! The bounds on what a text may make the reader do.

/// What to do with a key that a mapping sets twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// Report it, as `UnmarshalStrict` does.
    Refuse,
    /// Keep the last value silently, as kubectl and Helm do.
    LastWins,
}

/// Bounds of one reading. An error names the field whose bound was passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole text.
    pub input_bytes: usize,
    /// Documents in the stream.
    pub documents: usize,
    /// Levels of nested mappings and sequences, aliases expanded.
    pub depth: usize,
    /// Bytes of one scalar.
    pub scalar_bytes: usize,
    /// Mappings, sequences and scalars in one document as written.
    pub nodes: usize,
    /// Nodes in one document that come from anchors, aliases and merges. 400,000 is what Go grants a large document.
    pub alias_nodes: usize,
    /// Bytes of scalars in one document that come from anchors, aliases and merges.
    pub alias_bytes: usize,
    /// Faults reported from one text; reading stops there.
    pub errors: usize,
    /// What a key set twice means. Not a bound, but the one rule callers differ in.
    pub duplicates: Duplicates,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            input_bytes: 128 << 20,
            documents: 100_000,
            depth: 256,
            scalar_bytes: 16 << 20,
            nodes: 10_000_000,
            alias_nodes: 400_000,
            alias_bytes: 64 << 20,
            errors: 100,
            duplicates: Duplicates::Refuse,
        }
    }
}
