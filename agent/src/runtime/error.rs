//! What can go wrong in a runtime, by what the caller should do about it.

use std::error::Error as StdError;

/// The outcome of a runtime call.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed runtime call.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such sandbox, container or image.
    #[error("{kind} {id:?} not found")]
    NotFound {
        /// `sandbox`, `container`, `image`, `process`.
        kind: &'static str,
        /// What was asked for.
        id: String,
    },
    /// The request contradicts itself or names something that can't be.
    #[error("{0}")]
    InvalidArgument(String),
    /// The request is good, this runtime or this host can't do it.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// The request does not fit the state, such as an exec in an exited container.
    #[error("{0}")]
    FailedPrecondition(String),
    /// A container could not be made or its first program not be run; the text is for its owner.
    #[error("{0}")]
    Start(String),
    /// An image could not be had.
    #[error("{message}")]
    Image {
        /// Why, in the kubelet's words.
        reason: ImageReason,
        /// What happened, with the image's name.
        message: String,
    },
    /// The call took longer than asked for.
    #[error("{0}: deadline exceeded")]
    DeadlineExceeded(String),
    /// The runtime can't be reached now; the call may be tried again.
    #[error("runtime unavailable: {0}")]
    Unavailable(String),
    /// A fault of the runtime or of the host.
    #[error("{what}")]
    Internal {
        /// What was being done.
        what: String,
        /// Why it failed.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

/// Why an image could not be had; the names are the reasons of a waiting container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageReason {
    /// The registry said no, has no such image, or broke off.
    ErrImagePull,
    /// The image is not here and the policy forbids a pull.
    ErrImageNeverPull,
    /// The reference can't be read.
    InvalidImageName,
    /// The registry can't be reached.
    RegistryUnavailable,
    /// A stored image can't be read.
    ImageInspectError,
    /// A signature or digest does not hold.
    SignatureValidationFailed,
}

impl ImageReason {
    /// The reason as a container status shows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ErrImagePull => "ErrImagePull",
            Self::ErrImageNeverPull => "ErrImageNeverPull",
            Self::InvalidImageName => "InvalidImageName",
            Self::RegistryUnavailable => "RegistryUnavailable",
            Self::ImageInspectError => "ImageInspectError",
            Self::SignatureValidationFailed => "SignatureValidationFailed",
        }
    }
}

impl Error {
    /// A missing `kind` with this id.
    pub fn not_found(kind: &'static str, id: impl Into<String>) -> Self {
        Self::NotFound { kind, id: id.into() }
    }

    /// A fault while doing `what`.
    pub fn internal(what: impl Into<String>, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Internal { what: what.into(), source: source.into() }
    }

    /// Whether the thing asked for is simply not there.
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}
