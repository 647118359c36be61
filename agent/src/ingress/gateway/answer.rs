//! A refusal → an answer in the form in which the client asked: plain text, or a status of gRPC.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Response, StatusCode};

use crate::ingress::body::Body;
use crate::ingress::reply;

/// Whether a request is a call of gRPC.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// The status of gRPC that stands for one of HTTP (gRPC's `http-grpc-status-mapping`, where the specification of
/// gateways says nothing else).
fn code(status: StatusCode) -> u8 {
    match status.as_u16() {
        400 => 13,
        404 => 12,
        504 => 4,
        // What leads nowhere, and what has no endpoint, is UNAVAILABLE.
        _ => 14,
    }
}

/// An answer of our own.
pub fn refusal(status: StatusCode, words: &str, is_grpc: bool) -> Response<Body> {
    if !is_grpc {
        return reply::text(status, words);
    }
    // Of such an answer the headers are the end: a client takes headers without an end for those before messages.
    let mut response = Response::new(Body::Text(None));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from(u16::from(code(status))));
    if let Ok(message) = HeaderValue::from_str(&escaped(words)) {
        headers.insert("grpc-message", message);
    }
    response
}

/// A message as gRPC writes it: what is not printable ASCII, and `%`, as `%XX`.
fn escaped(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    for b in words.bytes() {
        match b {
            b' '..=b'~' if b != b'%' => out.push(char::from(b)),
            _ => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}
