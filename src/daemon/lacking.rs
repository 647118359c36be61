//! An error of the machine or the configuration, with what to do about it.

/// What is lacking, and how to get it.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Lacking {
    /// What.
    pub what: String,
    /// How to get it, in lines of their own.
    pub hint: String,
}

impl Lacking {
    /// As an error.
    pub fn error(what: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
        Lacking { what: what.into(), hint: hint.into() }.into()
    }
}
