//! What went wrong on the network → the words in which Go, and so the kubelet, tells it.

use std::error::Error;
use std::io;

use nix::errno::Errno;

/// Why nobody could be reached at an address.
pub fn dial(address: &str, error: &io::Error) -> String {
    match code(error) {
        Some(code) => format!("dial tcp {address}: connect: {code}"),
        None => format!("dial tcp {address}: {error}"),
    }
}

/// What broke an HTTP request to an address, by the innermost cause.
pub fn http(address: &str, error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)".to_owned();
    }
    let mut causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let mut innermost = None;
    let io = causes.find_map(|cause| {
        innermost = Some(cause);
        cause.downcast_ref::<io::Error>().filter(|error| error.raw_os_error().is_some())
    });
    match (io, innermost) {
        (Some(io), _) if error.is_connect() => dial(address, io),
        (Some(io), _) => format!("read tcp {address}: read: {}", code(io).unwrap_or_default()),
        // hyper's word for an end before the whole answer.
        (None, Some(cause)) if cause.to_string().starts_with("connection closed before") => "EOF".to_owned(),
        (None, Some(cause)) => cause.to_string(),
        (None, None) => error.to_string(),
    }
}

/// `connection refused`, `no route to host`, …
fn code(error: &io::Error) -> Option<String> {
    error.raw_os_error().map(|code| Errno::from_raw(code).desc().to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_read_as_gos() {
        let check = |error: io::Error, expect: &str| assert_eq!(dial("10.0.0.1:80", &error), expect);
        let raw = |errno: Errno| io::Error::from_raw_os_error(errno as i32);
        check(raw(Errno::ECONNREFUSED), "dial tcp 10.0.0.1:80: connect: connection refused");
        check(raw(Errno::EHOSTUNREACH), "dial tcp 10.0.0.1:80: connect: no route to host");
        check(raw(Errno::ENETUNREACH), "dial tcp 10.0.0.1:80: connect: network is unreachable");
        check(io::Error::other("no such name"), "dial tcp 10.0.0.1:80: no such name");
    }

    #[tokio::test]
    async fn what_breaks_a_request_reads_as_gos() {
        let ask = async |listener: tokio::net::TcpListener, answers: bool| {
            let address = listener.local_addr().unwrap().to_string();
            let serve = tokio::spawn(async move {
                match answers {
                    // Closed without a word.
                    true => drop(listener.accept().await),
                    false => drop(listener),
                }
            });
            if !answers {
                serve.await.unwrap();
            }
            let client = crate::pods::probe::http::client().unwrap();
            let error = client.get(format!("http://{address}/")).send().await.unwrap_err();
            http(&address, &error).replace(&address, "ADDRESS")
        };
        let listener = async || tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert_eq!(ask(listener().await, false).await, "dial tcp ADDRESS: connect: connection refused");
        let broken = ask(listener().await, true).await;
        // By whether the request was still unread when the other side closed.
        assert!(["EOF", "read tcp ADDRESS: read: connection reset by peer"].contains(&broken.as_str()), "{broken}");
    }
}
