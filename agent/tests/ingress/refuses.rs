//! What is refused: requests that two servers could read in two ways, and nonsense.

use super::bed::{Bed, Pod, get, patient, raw};

#[tokio::test]
async fn doubtful_requests_reach_no_pod() {
    let pod = Pod::start("one").await;
    let bed = Bed::start(patient(), &[pod.place]).await;
    let head = "POST /echo HTTP/1.1\r\nHost: a.test\r\n";
    let smuggled = "0\r\n\r\nGET /secret HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let large = format!("{head}A: {}\r\n\r\n", "x".repeat(70_000));
    for (request, status) in [
        (format!("{head}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n{smuggled}"), 400),
        (format!("{head}Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n{smuggled}"), 400),
        (format!("{head}Content-Length: 6\r\nContent-Length: 5\r\n\r\n{smuggled}"), 400),
        (format!("{head}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"), 400),
        (format!("{head}Transfer-Encoding: x, chunked\r\n\r\n{smuggled}"), 400),
        (format!("{head}A: b\r\n folded\r\n\r\n"), 400),
        ("GET / HTTP/1.1\nHost: a.test\n\n".to_owned(), 400),
        (format!("{head}A b\r\n\r\n"), 400),
        (format!("GET /{} HTTP/1.1\r\nHost: a.test\r\n\r\n", "x".repeat(20_000)), 414),
        (large, 431),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n".to_owned(), 400),
        ("CONNECT a.test:1 HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(), 501),
        ("GET evil HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(), 400),
        ("GET a.test:80 HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(), 400),
        ("GET * HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(), 400),
        ("GET x/y HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(), 400),
        ("GET http://user@a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(), 400),
        (format!("{head}Transfer-Encoding: \u{c}chunked\r\n\r\n{smuggled}"), 400),
        ("\x16\x03\x01\x02\0 what a TLS client says\r\n".to_owned(), 400),
    ] {
        let got = raw(bed.place(false), request.as_bytes()).await;
        assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{:?}: {got}", &request[..request.len().min(200)]);
        assert!(got.to_lowercase().contains("connection: close"), "{got}");
    }
    assert_eq!(pod.count(), 0);
    // The target's host counts, whatever the header says (RFC 9112, 3.2.2).
    for (target, host, expect) in [
        ("http://b.test/x", "a.test", "no Ingress has a rule for host \"b.test\""),
        ("http://a.test/x", "b.test", "one GET /x"),
        ("http://a.test", "b.test", "one GET /"),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let got = raw(bed.place(false), request.as_bytes()).await;
        assert!(got.contains(expect), "{target}: {got}");
    }
    assert_eq!((pod.count(), pod.header("host").as_deref()), (2, Some("a.test")));
    // After a good request a bad one ends the connection without an answer of its own.
    let both = "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\nGET /y HTTP/1.1\r\nHost: a.test\r\nA: b\n\r\n";
    let got = raw(bed.place(false), both.as_bytes()).await;
    assert!(got.contains("one GET /x") && !got.contains("/y"), "{got}");
    assert_eq!(pod.count(), 3);
    assert_eq!(get(bed.place(false), "a.test", "/x").await.status, 200);
    bed.end().await;
}

#[tokio::test]
async fn a_body_that_turns_bad_ends_its_request() {
    let pod = Pod::start("one").await;
    let bed = Bed::start(patient(), &[pod.place]).await;
    let bad = "POST /echo HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n\r\n";
    let got = raw(bed.place(false), bad.as_bytes()).await;
    assert!(!got.contains("\r\n0\r\n\r\n"), "it looks complete: {got}");
    assert_eq!(get(bed.place(false), "a.test", "/x").await.status, 200);
    bed.end().await;
}

#[tokio::test]
async fn nonsense_does_not_stop_the_answers() {
    let pod = Pod::start("one").await;
    let bed = Bed::start(patient(), &[pod.place]).await;
    let mut state: u64 = 5;
    for _ in 0..60 {
        let mut bytes = b"GET /x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nA: b\r\n\r\n".to_vec();
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = usize::try_from(state >> 33).unwrap() % bytes.len();
            bytes[at] = b"\r\n\0 :x"[usize::try_from(state >> 20).unwrap() % 6];
        }
        // So that a head that is still open ends.
        bytes.extend_from_slice(b"\n\n\r\n\r\n");
        raw(bed.place(false), &bytes).await;
    }
    assert_eq!(get(bed.place(false), "a.test", "/x").await.status, 200);
    bed.end().await;
}
