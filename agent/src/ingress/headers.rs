//! A client's headers → what a pod gets: nothing that is only for one connection, nothing that a client can't be believed.

use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Names in `Connection` that are followed; a longer list is nothing a client needs.
const CONNECTION_NAMES_MAX: usize = 16;

/// What is known of a client's connection.
#[derive(Clone, Debug)]
pub struct Client {
    /// Who it is.
    pub ip: IpAddr,
    /// The same, as a header's value.
    pub shown: HeaderValue,
    /// Its forwarding headers are believed.
    pub is_trusted: bool,
    /// It came by TLS.
    pub is_tls: bool,
    /// The port it came to.
    pub local_port: u16,
    /// The same, as a header's value.
    pub port: HeaderValue,
    /// The header lines that tell a pod all that, where the client is not believed.
    pub lines: Box<[u8]>,
}

impl Client {
    /// A client.
    pub fn new(ip: IpAddr, port: u16, is_tls: bool, is_trusted: bool) -> Self {
        // An IPv4 client of a socket for both families is written as IPv4.
        let ip = ip.to_canonical();
        let value = |text: &str| HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        let (shown, shown_port) = (value(&ip.to_string()), value(&port.to_string()));
        let proto = if is_tls { "https" } else { "http" };
        let lines = format!(
            "x-forwarded-for: {ip}\r\nx-forwarded-proto: {proto}\r\nx-forwarded-port: {port}\r\nx-real-ip: {ip}\r\n"
        );
        let lines = lines.into_bytes().into_boxed_slice();
        Self { ip, shown, is_trusted, is_tls, local_port: port, port: shown_port, lines }
    }
}

/// Removes what is meant for one connection only, in either direction (RFC 9110, 7.6.1).
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .take(CONNECTION_NAMES_MAX)
            .collect();
        // A client could have us take off what we put on, or the host itself.
        for name in named.iter().filter(|name| **name != HOST && !is_of_proxy(name.as_ref())) {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
}

/// Whether a header is one in which proxies tell pods who asks, and how. Many pods take `_` in a name for `-`.
pub fn is_of_proxy(name: &[u8]) -> bool {
    let begins = |with: &str| {
        let same = |(a, b): (&u8, u8)| a.eq_ignore_ascii_case(&b) || (*a == b'_' && b == b'-');
        name.len() >= with.len() && name.iter().zip(with.bytes()).all(same)
    };
    let is = |other: &str| name.len() == other.len() && begins(other);
    match name.first() {
        Some(b'x' | b'X') => begins("x-forwarded-") || is("x-real-ip") || is("x-scheme"),
        Some(b'f' | b'F') => is("forwarded"),
        _ => false,
    }
}

/// Makes a client's headers a pod's.
pub fn to_pod(headers: &mut HeaderMap, client: &Client, host: &HeaderValue) {
    let wants_trailers = headers.get(TE).is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    strip_hop_by_hop(headers);
    for name in [TE, TRAILER, EXPECT, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION] {
        headers.remove(name);
    }
    if wants_trailers {
        // gRPC's clients say it, and its servers ask for it.
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    merge(headers);
    let is_lie = |name: &&HeaderName| is_of_proxy(name.as_ref()) && (!client.is_trusted || name.as_str().contains('_'));
    let lies: Vec<HeaderName> = headers.keys().filter(is_lie).cloned().collect();
    lies.iter().for_each(|name| drop(headers.remove(name)));
    let proto = HeaderValue::from_static(if client.is_tls { "https" } else { "http" });
    if client.is_trusted {
        append(headers, X_FORWARDED_FOR, &client.shown);
        for (name, value) in [(X_FORWARDED_PROTO, &proto), (X_FORWARDED_HOST, host), (X_FORWARDED_PORT, &client.port)] {
            headers.entry(name).or_insert_with(|| value.clone());
        }
        headers.entry(X_REAL_IP).or_insert_with(|| client.shown.clone());
        if headers.contains_key(FORWARDED) {
            append(headers, FORWARDED, &forwarded(client));
        }
        return;
    }
    headers.insert(X_FORWARDED_FOR, client.shown.clone());
    headers.insert(X_FORWARDED_PROTO, proto);
    headers.insert(X_FORWARDED_HOST, host.clone());
    headers.insert(X_FORWARDED_PORT, client.port.clone());
    headers.insert(X_REAL_IP, client.shown.clone());
}

/// Makes one line of what may come in several by HTTP/2 (RFC 9113, 8.2.3) and is one thing to a pod.
fn merge(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(whole) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(COOKIE, whole);
    }
    // Several lengths are the same one: others have been refused.
    if let Some(length) = headers.get(CONTENT_LENGTH).cloned() {
        headers.insert(CONTENT_LENGTH, length);
    }
}

/// One step of `Forwarded` (RFC 7239): addresses of IPv6 stand in brackets and quotes.
fn forwarded(client: &Client) -> HeaderValue {
    let proto = if client.is_tls { "https" } else { "http" };
    let text = match client.ip {
        IpAddr::V4(ip) => format!("for={ip};proto={proto}"),
        IpAddr::V6(ip) => format!("for=\"[{ip}]\";proto={proto}"),
    };
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("for=unknown"))
}

/// Adds to a list that may stand in several lines.
fn append(headers: &mut HeaderMap, name: HeaderName, value: &HeaderValue) {
    let before: Vec<&[u8]> = headers.get_all(&name).iter().map(HeaderValue::as_bytes).collect();
    let all = [before.join(&b", "[..]), value.as_bytes().to_vec()];
    let joined = if before.is_empty() { all[1].clone() } else { all.join(&b", "[..]) };
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(name, joined);
    }
}

/// The protocol that a client wants to go on with on this connection, such as `websocket`.
pub fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let wants = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case("upgrade"));
    // The way to HTTP/2 without TLS that nobody goes any more: a pod must not be talked into it behind our back.
    headers.get(UPGRADE).filter(|value| wants && !value.as_bytes().to_ascii_lowercase().starts_with(b"h2c")).cloned()
}
