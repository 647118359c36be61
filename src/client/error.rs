//! An answer that is no success → what the server said, in the words that kubectl prints.

use serde_json::Value;

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server answered a `Status`.
    #[error("Error from server ({reason}): {message}")]
    Status {
        /// The HTTP code.
        code: u16,
        /// Kubernetes' reason.
        reason: String,
        /// In words.
        message: String,
        /// Name, kind, causes.
        details: Value,
    },
    /// Nobody answers.
    #[error("the control plane at {url} cannot be reached: {why}")]
    Unreachable {
        /// Where it should be.
        url: String,
        /// Why not.
        why: String,
    },
    /// The answer broke off or is not of its form.
    #[error("the answer to {path} cannot be read: {why}")]
    Answer {
        /// What was asked for.
        path: String,
        /// Why not.
        why: String,
    },
    /// The answer is longer than any the command line can take in.
    #[error("the answer to {path} has more than {max} bytes")]
    Long {
        /// What was asked for.
        path: String,
        /// The limit.
        max: usize,
    },
}

impl Error {
    /// From an answer's code and body.
    pub fn of(code: u16, body: &[u8]) -> Error {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
        Error::Status {
            code,
            reason: text("reason").unwrap_or_else(|| code.to_string()),
            message: text("message").unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned()),
            details: value.get("details").cloned().unwrap_or_default(),
        }
    }

    /// Whether there is no such object.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::Status { code: 404, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::Error;

    #[test]
    fn a_status_is_printed_as_kubectl_prints_it() {
        let error = Error::of(404, br#"{"kind":"Status","reason":"NotFound","message":"pods \"a\" not found"}"#);
        assert_eq!(error.to_string(), "Error from server (NotFound): pods \"a\" not found");
        assert!(error.is_not_found());
        assert_eq!(Error::of(502, b"bad gateway\n").to_string(), "Error from server (502): bad gateway");
    }
}
