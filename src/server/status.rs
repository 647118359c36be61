//! What could not be done → Kubernetes' `Status` object with its HTTP code and reason.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A failed request, as clients of Kubernetes read it.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    code: StatusCode,
    reason: &'static str,
    message: String,
    details: Value,
}

impl Failure {
    /// A failure without details.
    pub fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Failure {
        Failure { code, reason, message: message.into(), details: Value::Null }
    }

    /// With `details` (name, group, kind, causes, retryAfterSeconds).
    #[must_use]
    pub fn details(mut self, details: Value) -> Failure {
        self.details = details;
        self
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// 404 of an object, `pods "web" not found`.
    pub fn not_found(resource: &str, group: &str, name: &str) -> Failure {
        let qualified = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
        let mut details = json!({ "name": name, "kind": resource });
        if !group.is_empty() {
            details["group"] = group.into();
        }
        Failure::new(StatusCode::NOT_FOUND, "NotFound", format!("{qualified} {name:?} not found")).details(details)
    }

    /// 404 of a path that is no resource.
    pub fn no_such_path() -> Failure {
        Failure::new(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource")
            .details(json!({}))
    }

    /// 403, with the reason in words.
    pub fn forbidden(message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::FORBIDDEN, "Forbidden", message)
    }

    /// 409.
    pub fn conflict(message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::CONFLICT, "Conflict", message)
    }

    /// 422 of the options of a request: a reason, a message and a parameter for each fault.
    pub fn invalid_options(kind: &str, faults: &[(&'static str, String, &'static str)]) -> Failure {
        let texts: Vec<String> = faults.iter().map(|(_, message, field)| format!("{field}: {message}")).collect();
        let list = if let [only] = texts.as_slice() { only.clone() } else { format!("[{}]", texts.join(", ")) };
        let cause = |(reason, message, field): &(&str, String, &str)| json!({ "reason": reason, "message": message, "field": field });
        let causes: Vec<Value> = faults.iter().map(cause).collect();
        let message = format!("{kind}.meta.k8s.io \"\" is invalid: {list}");
        Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
            .details(json!({ "group": "meta.k8s.io", "kind": kind, "causes": causes }))
    }

    /// 500.
    pub fn internal(message: impl std::fmt::Display) -> Failure {
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", format!("Internal error occurred: {message}"))
    }

    /// The `Status` object.
    pub fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code.as_u16(),
        });
        if !self.details.is_null() {
            body["details"] = self.details.clone();
        }
        body
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.code, [(header::CONTENT_TYPE, "application/json")], self.body().to_string()).into_response()
    }
}
