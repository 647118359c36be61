//! What can go wrong in a shim; the text goes to the agent and from there to the container's owner.

use std::io;

/// The outcome of a step of the shim.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed step of the shim.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Something of the container's configuration does not hold in its image.
    #[error("{0}")]
    Config(String),
    /// libcontainer refused or failed.
    #[error("{0}")]
    Container(String),
    /// A peer sent what the protocol does not have.
    #[error("protocol: {0}")]
    Protocol(String),
}

/// Says what was being done when a system call failed.
pub trait Context<T> {
    /// Adds the step's name.
    fn context(self, what: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|error| Error::Io { what: what.into(), source: error.into() })
    }
}

/// An error with all of its causes on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
