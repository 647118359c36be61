//! A request → the host that it names, without what has no meaning; and whether its path leads to another place.

use std::borrow::Cow;

use http::Request;
use http::header::{HOST, HeaderMap, HeaderValue};
use hyper::body::Incoming;

/// The host as it was named: the request's target counts before its header (RFC 9112, 3.2.2).
pub fn host_value(request: &Request<Incoming>) -> Option<HeaderValue> {
    let of_header = |headers: &HeaderMap| {
        let mut all = headers.get_all(HOST).iter();
        all.next().filter(|_| all.next().is_none()).cloned()
    };
    match request.uri().authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => of_header(request.headers()),
    }
}

/// The same as text; empty where none was named.
pub fn host_text(request: &Request<Incoming>) -> String {
    host_value(request).map_or_else(String::new, |host| String::from_utf8_lossy(host.as_bytes()).into_owned())
}

/// A host without port and closing dot, in lower case. Nothing when it is none.
pub fn clean_host(text: &str) -> Option<Cow<'_, str>> {
    let host = match text.strip_prefix('[') {
        Some(rest) => {
            let (ip, after) = rest.split_once(']')?;
            if !after.is_empty() && !after.strip_prefix(':').is_some_and(is_port) {
                return None;
            }
            text.get(..ip.len() + 2)?
        }
        None => match text.split_once(':') {
            Some((host, port)) if is_port(port) => host,
            Some(_) => return None,
            None => text,
        },
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-._~[]:*".contains(&b);
    if host.is_empty() || !host.bytes().all(is_host) {
        return None;
    }
    let is_lower = !host.bytes().any(|b| b.is_ascii_uppercase());
    Some(if is_lower { Cow::Borrowed(host) } else { Cow::Owned(host.to_ascii_lowercase()) })
}

fn is_port(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a path has a part that means another place: a pod could take it for a path that no rule has seen.
pub fn has_dot_segment(path: &str) -> bool {
    // Nearly all paths have none, which is seen in one pass.
    let may_have = path.as_bytes().windows(2).any(|two| two[0] == b'/' && matches!(two[1], b'.' | b'%'));
    if !may_have {
        return false;
    }
    path.split('/').any(|part| {
        let part = part.replace("%2e", ".").replace("%2E", ".");
        part == "." || part == ".."
    })
}
