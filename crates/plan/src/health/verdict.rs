//! How an object fares.

use std::fmt;

/// How an object fares, as `kubectl rollout status` and kstatus judge it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It is as asked.
    Healthy,
    /// It is on its way.
    Progressing {
        /// What it waits for.
        message: String,
    },
    /// It will not get there without help, as far as can be told now.
    Failed {
        /// One CamelCase word, as Kubernetes has it (`ProgressDeadlineExceeded`, `CrashLoopBackOff`).
        reason: String,
        /// What happened.
        message: String,
    },
}

impl Health {
    /// On its way, and what it waits for.
    pub fn progressing(message: impl Into<String>) -> Health {
        Health::Progressing { message: message.into() }
    }

    /// Failed, and why.
    pub fn failed(reason: impl Into<String>, message: impl Into<String>) -> Health {
        Health::Failed { reason: reason.into(), message: message.into() }
    }

    /// Whether it is as asked.
    pub fn is_healthy(&self) -> bool {
        *self == Health::Healthy
    }

    /// Whether nothing will change without help: healthy or failed.
    pub fn is_settled(&self) -> bool {
        !matches!(self, Health::Progressing { .. })
    }
}

impl fmt::Display for Health {
    /// `healthy`, the message, or `Reason: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Health::Healthy => f.write_str("healthy"),
            Health::Progressing { message } => f.write_str(message),
            Health::Failed { reason, message } if message.is_empty() => f.write_str(reason),
            Health::Failed { reason, message } => write!(f, "{reason}: {message}"),
        }
    }
}
