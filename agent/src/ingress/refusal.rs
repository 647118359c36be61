//! Why a request has no answer of a pod → what its client is told.

use http::StatusCode;

use crate::ingress::upstream::Failure;

/// An answer of our own: status and words.
pub type Refusal = (StatusCode, String);

/// One of a request that can't be understood.
pub fn bad(words: &str) -> Refusal {
    (StatusCode::BAD_REQUEST, words.to_owned())
}

/// What a client is told of a failure.
pub fn refusal(backend: &str, failure: Failure) -> Refusal {
    match failure {
        Failure::Unreachable(address, why) => {
            (StatusCode::BAD_GATEWAY, format!("no endpoint of {backend} can be reached; the last, {address}: {why}"))
        }
        Failure::Broken(address, why) => {
            (StatusCode::BAD_GATEWAY, format!("endpoint {address} of {backend} broke off: {why}"))
        }
        Failure::Late(address) => {
            (StatusCode::GATEWAY_TIMEOUT, format!("endpoint {address} of {backend} did not answer in time"))
        }
        Failure::Body(why) => (StatusCode::BAD_REQUEST, format!("the request's body could not be read: {why}")),
        Failure::Nobody => (StatusCode::SERVICE_UNAVAILABLE, format!("{backend} has no endpoint")),
    }
}
