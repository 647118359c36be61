//! Why the pod network could not do what was asked.

use std::io;

use crate::network::contract;

/// The outcome of a step inside the pod network.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of the pod network.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file, mount or namespace call failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, and to what.
        what: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The kernel refused a netlink request.
    #[error("{what}: {source}")]
    Netlink {
        /// What was being done, and to what.
        what: String,
        /// The kernel's answer.
        #[source]
        source: Box<nlink::Error>,
    },
    /// A file of ours does not read.
    #[error("{path}: {source}")]
    Record {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A CIDR is not one, or has no room for a pod.
    #[error("pod CIDR {cidr:?}: {why}")]
    Cidr {
        /// As it was given.
        cidr: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Addresses of IPv6 are asked for where there can be none.
    #[error("IPv6 is off on this node ({0}), and the cluster's pods have addresses of it")]
    NoV6(String),
    /// Every address of a CIDR is taken.
    #[error("no address left in pod CIDR {0}")]
    Exhausted(String),
    /// Pods cannot be attached before the control plane has said which addresses are theirs.
    #[error("no pod CIDR is set for this node yet")]
    NoCidr,
    /// A pod's uid cannot name a file.
    #[error("pod uid {0:?} is not 1 to 128 letters, digits, dots, dashes or underscores")]
    Uid(String),
    /// A host port asked for twice, or with something that is not a port.
    #[error("host port {0}")]
    HostPort(String),
    /// A pod's host port is in use; it is tried again with the pod's next attempt.
    #[error("host port {port}/{protocol}{at} of the pod is already in use on the node, by {by}")]
    HostPortTaken {
        /// `TCP`, `UDP` or `SCTP`.
        protocol: &'static str,
        /// The node's port.
        port: u16,
        /// ` on ADDRESS`, or nothing for all of them.
        at: String,
        /// Who has it.
        by: String,
    },
    /// The kernel cannot do what the rules need.
    #[error("this kernel lacks {what}, which the pod network needs: {source}")]
    Unsupported {
        /// What is missing.
        what: &'static str,
        /// The kernel's answer.
        #[source]
        source: Box<nlink::Error>,
    },
    /// A test asked for the call to be abandoned here, as a crash would.
    #[error("interrupted before {0}")]
    Interrupted(String),
    /// A plan has a step where nothing before it made what it needs.
    #[error("the plan has {0} where it cannot be")]
    Misplaced(String),
    /// The thread that owns the network has ended.
    #[error("the network thread has ended")]
    Ended,
}

/// Names what an I/O call was for.
pub trait IoContext<T> {
    /// The error with `what` in front.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { what: what(), source })
    }
}

impl<T> IoContext<T> for nix::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|errno| Error::Io { what: what(), source: io::Error::from(errno) })
    }
}

impl<T> IoContext<T> for nlink::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Netlink { what: what(), source: Box::new(source) })
    }
}

impl Error {
    /// Whether the kernel lacks what was asked of it.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        match self {
            Self::Unsupported { .. } => true,
            Self::Netlink { source, .. } => {
                source.is_not_supported() || source.errno() == Some(nix::libc::EPROTONOSUPPORT)
            }
            _ => false,
        }
    }

    /// The same, with what it is that the kernel lacks.
    #[must_use]
    pub fn lacking(self, what: &'static str) -> Self {
        match self {
            Self::Netlink { source, .. } => Self::Unsupported { what, source },
            other => other,
        }
    }

    /// As the contract's callers see it.
    #[must_use]
    pub fn during(self, what: &str) -> contract::Error {
        contract::Error { what: what.to_owned(), source: Box::new(self) }
    }
}
