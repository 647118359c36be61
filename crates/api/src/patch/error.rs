//! Why a patch does not apply, and the `Status` that the API server answers then.

use crate::meta::status::{Status, StatusCause, StatusDetails};
use crate::status;

/// Why a patch does not apply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is not of its form.
    #[error("{0}")]
    BadRequest(String),
    /// It does not fit the object; Kubernetes answers this without the reason.
    #[error("{0}")]
    Rejected(String),
    /// What comes of it is no object of the kind.
    #[error("{detail}")]
    Invalid {
        /// What is at fault, as Kubernetes shows it.
        shown: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A fault that Kubernetes takes for one of its own.
    #[error("{0}")]
    Internal(String),
    /// It has more operations, or copies more, than are taken.
    #[error("{0}")]
    TooLarge(String),
}

impl Error {
    /// What the API server answers.
    pub fn status(&self) -> Status {
        match self {
            Error::BadRequest(message) => status::bad_request(message.clone()),
            Error::Rejected(_) => {
                let message = "the server rejected our request due to an error in our request".to_owned();
                Status { details: Some(StatusDetails::default()), ..status::failure(422, "Invalid", message) }
            }
            Error::Invalid { shown, detail } => {
                let fault = format!("Invalid value: {shown}: {detail}");
                let message = format!(" \"\" is invalid: patch: {fault}");
                let cause =
                    StatusCause { reason: "FieldValueInvalid".to_owned(), message: fault, field: "patch".to_owned() };
                let details = StatusDetails { causes: vec![cause], ..StatusDetails::default() };
                Status { details: Some(details), ..status::failure(422, "Invalid", message) }
            }
            Error::Internal(message) => status::failure(500, "", message.clone()),
            Error::TooLarge(message) => {
                status::failure(413, "RequestEntityTooLarge", format!("Request entity too large: {message}"))
            }
        }
    }
}
