//! Why a chart does not render: Helm's own words, and where.

use masthead_gotmpl::string::Str;
use thiserror::Error as ThisError;

/// A failed render. It displays as Helm's text, without the `Error: ` that the command puts in front.
#[derive(Debug, Clone, ThisError)]
#[error("{text}")]
pub struct Error {
    /// How far the render came.
    pub stage: Stage,
    /// Helm's words.
    pub text: String,
    /// The chart at the top.
    pub chart: String,
    /// The template or file: `chart/templates/x.yaml`.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<u32>,
    /// What was rendered, where only reading it back failed: for those who debug.
    pub rendered: Vec<(String, Str)>,
}

/// How far a render came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The chart was loaded.
    Load,
    /// Values were put together and held against schemas.
    Values,
    /// Templates were executed and their output was read.
    Render,
}

impl Error {
    /// An error that names no file.
    pub fn new(stage: Stage, chart: &str, text: impl Into<String>) -> Error {
        Error { stage, text: text.into(), chart: chart.to_owned(), file: None, line: None, rendered: Vec::new() }
    }

    /// The same with the place that `file:line` or `file:line:column` names.
    pub(crate) fn at(mut self, location: &str) -> Error {
        let mut parts = location.split(':');
        self.file = parts.next().map(str::to_owned);
        self.line = parts.next().and_then(|line| line.parse().ok());
        self
    }
}
