//! What went wrong → an answer that says so in plain text.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

use crate::ingress::body::Body;

/// Characters of a client's words that are shown.
const SHOWN_MAX: usize = 200;

/// A client's words, as far as they can be shown: cut, and without control characters.
pub fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX).map(|c| if c.is_control() { '?' } else { c }).collect()
}

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

/// An answer as bytes, for a request that nobody reads.
pub fn raw(status: u16, why: &str) -> Vec<u8> {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
    let body = format!("{status} {why}\n");
    let size = body.len();
    format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {size}\r\n\
        connection: close\r\n\r\n{body}"
    )
    .into_bytes()
}
