//! Which line of a template, and which key of the values, a line of a rendered file comes from.

use masthead_gotmpl::string::Str;

/// Where a line of a rendered file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineOrigin {
    /// The file of the template: `chart/templates/x.yaml`.
    pub template: Str,
    /// The line in it, from 1.
    pub line: u32,
    /// The key of the values that fed it: `.Values.image.tag`; empty where none did.
    pub key: String,
}
