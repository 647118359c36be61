//! What went wrong → an answer that says so in plain text.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

use crate::ingress::body::Body;

/// An answer of our own.
pub fn text(status: StatusCode, message: &str) -> Response<Body> {
    let mut response = Response::new(Body::text(Bytes::from(format!("{} {message}\n", status.as_u16()))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

/// The same, after which the connection ends.
pub fn closing(status: StatusCode, message: &str) -> Response<Body> {
    let mut response = text(status, message);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
