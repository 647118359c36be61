//! gRPC statuses to runtime errors and back.

use tonic::{Code, Status};

use crate::runtime::error::{Error, ImageReason};

/// What a call was about, for the error.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// `sandbox`, `container`, `image`, `runtime`.
    pub kind: &'static str,
    /// The id, or a name.
    pub id: &'a str,
}

/// The error of a call from its status.
pub fn error(about: About<'_>, status: Status) -> Error {
    let text = || format!("{} {:?}: {}", about.kind, about.id, status.message());
    match status.code() {
        Code::NotFound => Error::not_found(about.kind, about.id),
        Code::InvalidArgument | Code::OutOfRange => Error::InvalidArgument(text()),
        Code::Unimplemented => Error::Unsupported(text()),
        Code::FailedPrecondition | Code::AlreadyExists | Code::Aborted => Error::FailedPrecondition(text()),
        Code::DeadlineExceeded => Error::DeadlineExceeded(format!("{} {:?}", about.kind, about.id)),
        Code::Unavailable | Code::ResourceExhausted => Error::Unavailable(text()),
        // tonic reports a deadline of its own as Cancelled.
        Code::Cancelled if status.message().contains("Timeout") => {
            Error::DeadlineExceeded(format!("{} {:?}", about.kind, about.id))
        }
        // containerd gives Unknown for errors it has not classed.
        _ if is_not_running(status.message()) => Error::FailedPrecondition(text()),
        _ => Error::internal(text(), status),
    }
}

fn is_not_running(message: &str) -> bool {
    message.contains("is in CONTAINER_EXITED state") || message.contains("is in CONTAINER_CREATED state")
}

/// The error of making or starting a container. A program that cannot be run has no class of its own in
/// CRI: containerd, CRI-O and our own server all give Unknown with the reason as text.
pub fn start_error(about: About<'_>, status: Status) -> Error {
    match status.code() {
        Code::Unknown if !is_not_running(status.message()) => Error::Start(status.message().to_owned()),
        _ => error(about, status),
    }
}

/// The error of a pull: the reason is at the beginning of the text where the runtime knows one (CRI's `errors` package).
pub fn pull_error(image: &str, status: &Status) -> Error {
    let reason = match status.code() {
        Code::Unavailable => ImageReason::RegistryUnavailable,
        Code::InvalidArgument => ImageReason::InvalidImageName,
        _ if status.message().starts_with("RegistryUnavailable") => ImageReason::RegistryUnavailable,
        _ if status.message().starts_with("SignatureValidationFailed") => ImageReason::SignatureValidationFailed,
        _ => ImageReason::ErrImagePull,
    };
    Error::Image { reason, message: format!("{image}: {}", status.message()) }
}

/// The status that tells a CRI client of an error.
pub fn status(error: &Error) -> Status {
    let code = match error {
        Error::NotFound { .. } => Code::NotFound,
        Error::InvalidArgument(_) => Code::InvalidArgument,
        Error::Unsupported(_) => Code::Unimplemented,
        Error::FailedPrecondition(_) => Code::FailedPrecondition,
        Error::DeadlineExceeded(_) => Code::DeadlineExceeded,
        Error::Unavailable(_) => Code::Unavailable,
        Error::Image { reason: ImageReason::RegistryUnavailable, .. } => Code::Unavailable,
        Error::Image { reason: ImageReason::InvalidImageName, .. } => Code::InvalidArgument,
        Error::Start(_) | Error::Image { .. } | Error::Internal { .. } => Code::Unknown,
    };
    Status::new(code, whole(error))
}

/// An error's text with its causes.
fn whole(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_survive_the_way_there_and_back() {
        let about = About { kind: "container", id: "c" };
        for original in [
            Error::not_found("container", "c"),
            Error::InvalidArgument("x".into()),
            Error::Unsupported("x".into()),
            Error::FailedPrecondition("x".into()),
            Error::DeadlineExceeded("x".into()),
            Error::Unavailable("x".into()),
            Error::internal("x", "y"),
        ] {
            let back = error(about, status(&original));
            assert_eq!(std::mem::discriminant(&back), std::mem::discriminant(&original), "{original:?} {back:?}");
        }
        let back = start_error(about, status(&Error::Start("no such program".into())));
        assert!(matches!(&back, Error::Start(text) if text == "no such program"), "{back:?}");
        assert!(start_error(about, Status::not_found("x")).is_not_found());
        for reason in [ImageReason::ErrImagePull, ImageReason::RegistryUnavailable, ImageReason::InvalidImageName] {
            let original = Error::Image { reason, message: "m".into() };
            let Error::Image { reason: back, .. } = pull_error("i", &status(&original)) else {
                panic!("no image error")
            };
            assert_eq!(back, reason);
        }
    }
}
