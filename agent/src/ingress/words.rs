//! Words → as much of them as can be shown, and as the bytes of an answer that says what went wrong.

use http::StatusCode;

/// Characters of a client's words that are shown.
const SHOWN_MAX: usize = 200;

/// A client's words, as far as they can be shown: cut, and without control characters.
pub fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// An answer as bytes, for a request that nobody reads; to HEAD without its words.
pub fn raw(status: u16, why: &str, is_head: bool) -> Vec<u8> {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
    let body = format!("{status} {why}\n");
    let (size, body) = (body.len(), if is_head { "" } else { &body });
    format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {size}\r\n\
        connection: close\r\n\r\n{body}"
    )
    .into_bytes()
}
