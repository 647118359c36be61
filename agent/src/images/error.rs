//! What can go wrong with an image, in kinds that map onto the waiting reasons Kubernetes shows.

use std::io;
use std::sync::Arc;

/// A failure of the image store; cheap to clone, because everyone who waited for one pull gets it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The image name does not parse.
    #[error("couldn't parse image name {name:?}: {why}")]
    InvalidName {
        /// The text as written.
        name: String,
        /// The parser's reason.
        why: String,
    },
    /// The registry has no such image.
    #[error("{reference}: not found")]
    NotFound {
        /// The image.
        reference: String,
    },
    /// The registry refuses these credentials, or wants some.
    #[error("{reference}: pull access denied, repository does not exist or may require authorization: {detail}")]
    Unauthorized {
        /// The image.
        reference: String,
        /// What the registry or its token server said.
        detail: String,
    },
    /// The registry cannot be reached, or answers that it cannot serve now.
    #[error("registry {host} is unavailable: {detail}")]
    RegistryUnavailable {
        /// Registry host.
        host: String,
        /// The failure.
        detail: String,
    },
    /// A name that no registry has, of an image that no node can make.
    #[error(
        "{reference}: not found; {host} is no registry: `masthead image import` brings images of such names to a node"
    )]
    NoRegistry {
        /// The image.
        reference: String,
        /// What it has in place of a registry.
        host: &'static str,
    },
    /// The image is not in the store.
    #[error("image {reference:?} is not present")]
    NotPresent {
        /// Name or id that was asked for.
        reference: String,
    },
    /// The pull policy forbids to fetch what is not there.
    #[error("container image {reference:?} is not present with pull policy of Never")]
    NeverPull {
        /// The image.
        reference: String,
    },
    /// Bytes do not hash to what names them.
    #[error("{what}: digest is {actual}, expected {expect}")]
    DigestMismatch {
        /// The blob or layer.
        what: String,
        /// The digest that names it.
        expect: String,
        /// The digest of the bytes.
        actual: String,
    },
    /// A named bound was passed.
    #[error("{what}: more than {limit} = {bound}")]
    Limit {
        /// What was too large.
        what: String,
        /// Name of the limit in `Limits`.
        limit: &'static str,
        /// Its value.
        bound: u64,
    },
    /// A feature that is left out on purpose.
    #[error("{what} is not supported")]
    Unsupported {
        /// The feature.
        what: String,
    },
    /// No entry of a multi-platform image fits this machine.
    #[error("{reference}: no image for platform {wanted} (there are: {offered})")]
    NoPlatform {
        /// The image.
        reference: String,
        /// The platform of this machine.
        wanted: String,
        /// What the index offers.
        offered: String,
    },
    /// A document or archive that is not what it should be.
    #[error("{what}: {why}")]
    Malformed {
        /// The document.
        what: String,
        /// The fault.
        why: String,
    },
    /// A layer entry that would reach outside of its layer.
    #[error("layer entry {entry:?} is refused: {why}")]
    Unsafe {
        /// Name in the archive.
        entry: String,
        /// The reason.
        why: String,
    },
    /// A container names the image.
    #[error("image {reference:?} is in use by a container")]
    InUse {
        /// Name or id that was asked for.
        reference: String,
    },
    /// The operating system refused.
    #[error("{what}: {cause}")]
    Io {
        /// The action and its object.
        what: String,
        /// The cause; no `source`, or whoever prints a chain says it twice.
        cause: Arc<io::Error>,
    },
}

impl Error {
    /// The waiting reason Kubernetes gives a container that fails with this error.
    ///
    /// Source: `pkg/kubelet/images/types.go` of Kubernetes 1.32.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::InvalidName { .. } => "InvalidImageName",
            Self::NeverPull { .. } => "ErrImageNeverPull",
            Self::RegistryUnavailable { .. } => "RegistryUnavailable",
            Self::NotPresent { .. } => "ImageInspectError",
            _ => "ErrImagePull",
        }
    }

    /// An I/O error with what was being done.
    pub fn io(what: impl Into<String>, cause: io::Error) -> Self {
        Self::Io { what: what.into(), cause: Arc::new(cause) }
    }

    /// A malformed document with the reason.
    pub fn malformed(what: impl Into<String>, why: impl ToString) -> Self {
        Self::Malformed { what: what.into(), why: why.to_string() }
    }
}

/// Turns an I/O result into one that says what was being done.
pub(crate) trait Context<T> {
    /// Adds the action and its object.
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|e| Error::io(what(), e))
    }
}

impl<T> Context<T> for nix::Result<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|e| Error::io(what(), io::Error::from(e)))
    }
}
