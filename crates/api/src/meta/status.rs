//! The answer to a request that returns no object.

use crate::meta::list_meta::ListMeta;
use crate::schema::object::object;

object! {
    /// The answer to a request that returns no object.
    pub struct Status {
        kind: String = "kind", 101, [omitempty];
        api_version: String = "apiVersion", 102, [omitempty];
        metadata: ListMeta = "metadata", 1, [omitempty];
        status: String = "status", 2, [omitempty];
        message: String = "message", 3, [omitempty];
        reason: String = "reason", 4, [omitempty];
        details: Option<StatusDetails> = "details", 5, [omitempty];
        code: i32 = "code", 6, [omitempty];
    }

    /// What a failed request was about.
    pub struct StatusDetails {
        name: String = "name", 1, [omitempty];
        group: String = "group", 2, [omitempty];
        kind: String = "kind", 3, [omitempty];
        uid: String = "uid", 6, [omitempty, go("types.UID")];
        causes: Vec<StatusCause> = "causes", 4, [omitempty, list_atomic];
        retry_after_seconds: i32 = "retryAfterSeconds", 5, [omitempty];
    }

    /// One fault of a failed request.
    pub struct StatusCause {
        reason: String = "reason", 1, [omitempty];
        message: String = "message", 2, [omitempty];
        field: String = "field", 3, [omitempty];
    }
}
