//! One manifest of a rendered file.

use crate::head::Head;

/// One manifest of a rendered file.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The template it comes from: `chart/templates/x.yaml`.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Kind, name and annotations.
    pub head: Head,
    /// The line of the rendered file at which the text begins, from 0.
    pub first_line: usize,
}
