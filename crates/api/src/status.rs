//! The outcome of a request to the `Status` object that the API server answers.

use crate::decode;
use crate::kind::Kind;
use crate::meta::status::{Status, StatusCause, StatusDetails};
use crate::problem::{FieldProblem, ProblemKind};

/// A failure with its code and reason.
pub fn failure(code: i32, reason: &str, message: String) -> Status {
    Status {
        kind: "Status".to_owned(),
        api_version: "v1".to_owned(),
        status: "Failure".to_owned(),
        message,
        reason: reason.to_owned(),
        code,
        ..Status::default()
    }
}

/// 400: the body or the request makes no sense.
pub fn bad_request(message: String) -> Status {
    failure(400, "BadRequest", message)
}

/// What a request was about, with the resource's name as Kubernetes puts it there.
fn details(kind: Kind, name: &str, what: &str) -> Option<StatusDetails> {
    let info = kind.info();
    Some(StatusDetails {
        name: name.to_owned(),
        group: info.group.to_owned(),
        kind: what.to_owned(),
        ..StatusDetails::default()
    })
}

fn about(kind: Kind, name: &str, code: i32, reason: &str, message: String) -> Status {
    Status { details: details(kind, name, kind.info().plural), ..failure(code, reason, message) }
}

/// 404: no such object.
pub fn not_found(kind: Kind, name: &str) -> Status {
    let message = format!("{} {name:?} not found", kind.info().qualified_plural());
    about(kind, name, 404, "NotFound", message)
}

/// 409: the name is taken.
pub fn already_exists(kind: Kind, name: &str) -> Status {
    let message = format!("{} {name:?} already exists", kind.info().qualified_plural());
    about(kind, name, 409, "AlreadyExists", message)
}

/// 409: the object is not as the request supposes.
pub fn conflict(kind: Kind, name: &str, why: &str) -> Status {
    let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", kind.info().qualified_plural());
    about(kind, name, 409, "Conflict", message)
}

/// 409: somebody else changed the object first.
pub fn stale(kind: Kind, name: &str) -> Status {
    let why = "the object has been modified; please apply your changes to the latest version and try again";
    conflict(kind, name, why)
}

/// 403: the request is not allowed.
pub fn forbidden(kind: Kind, name: &str, why: &str) -> Status {
    let message = format!("{} {name:?} is forbidden: {why}", kind.info().qualified_plural());
    about(kind, name, 403, "Forbidden", message)
}

/// 422: fields break rules; every fault is a cause, and the message names each once.
pub fn invalid(kind: Kind, name: &str, problems: &[FieldProblem]) -> Status {
    let info = kind.info();
    let mut texts: Vec<String> = Vec::new();
    let mut causes = Vec::new();
    for problem in problems {
        let text = format!("{}: {}", problem.path, problem.message);
        if !texts.contains(&text) {
            texts.push(text);
        }
        let reason = match problem.kind {
            ProblemKind::Value(kind) => kind.reason(),
            _ => "FieldValueInvalid",
        };
        causes.push(StatusCause {
            reason: reason.to_owned(),
            message: problem.message.clone(),
            field: problem.path.clone(),
        });
    }
    let list = if texts.len() == 1 { texts.remove(0) } else { format!("[{}]", texts.join(", ")) };
    let message = format!("{} {name:?} is invalid: {list}", info.qualified_kind());
    let mut status = failure(422, "Invalid", message);
    status.details = details(kind, name, info.kind).map(|d| StatusDetails { causes, ..d });
    status
}

/// What the API server answers to an object with these problems: 400 when it cannot be decoded, else 422.
pub fn refused(kind: Kind, name: &str, problems: &[FieldProblem]) -> Status {
    match decode::failure(kind, problems) {
        Some(message) => bad_request(message),
        None => invalid(kind, name, problems),
    }
}
