//! The tokens that the scanner makes of characters.

use std::borrow::Cow;

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// Byte offset.
    pub at: usize,
    /// Line from 0.
    pub line: usize,
}

/// Kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// End of the text.
    StreamEnd,
    /// `---`
    DocumentStart,
    /// `...`
    DocumentEnd,
    /// `%YAML`; the value is `major.minor`.
    VersionDirective,
    /// `%TAG`
    TagDirective,
    /// Indentation grew before `-`.
    BlockSequenceStart,
    /// Indentation grew before a key.
    BlockMappingStart,
    /// Indentation shrank.
    BlockEnd,
    /// `[`
    FlowSequenceStart,
    /// `]`
    FlowSequenceEnd,
    /// `{`
    FlowMappingStart,
    /// `}`
    FlowMappingEnd,
    /// `-`
    BlockEntry,
    /// `,`
    FlowEntry,
    /// `?`, or in front of a simple key.
    Key,
    /// `:`
    Value,
    /// `*name`
    Alias,
    /// `&name`
    Anchor,
    /// `!tag`
    Tag,
    /// A scalar that is not plain.
    Quoted,
    /// A plain scalar.
    Plain,
}

/// A token that no simple key was saved for.
pub const NO_LEVEL: u32 = u32::MAX;

/// One token.
#[derive(Debug, Clone)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// Flow level of the simple key that was saved when it was made, or [`NO_LEVEL`].
    pub level: u32,
    /// Where it starts.
    pub mark: Mark,
    /// Text of a scalar, an anchor, an alias.
    pub value: Cow<'a, str>,
    /// Handle and suffix of a tag, handle and prefix of a directive.
    pub tag: Option<Box<(String, String)>>,
}

impl<'a> Token<'a> {
    /// A token without text.
    pub fn bare(kind: Kind, mark: Mark) -> Self {
        Token { kind, level: NO_LEVEL, mark, value: Cow::Borrowed(""), tag: None }
    }
}
