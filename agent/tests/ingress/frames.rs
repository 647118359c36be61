//! Requests of HTTP/2 as bytes: what would mean another thing by HTTP/1.1 reaches no pod; what comes in parts comes whole.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::bed::{Bed, PATIENCE, Pod, patient};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

type Field = (&'static str, &'static str);

/// A request as most are.
const PLAIN: [Field; 4] = [(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a.test")];

/// A block of headers, each as it is (RFC 7541, 6.2.2).
fn block(fields: &[Field]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&size[1..], &[kind, flags], &stream.to_be_bytes()[..], payload].concat()
}

/// The first words of the answer, or `refused` where there is none.
async fn ask(place: SocketAddr, fields: &[Field], body: &[u8]) -> String {
    let mut stream = TcpStream::connect(place).await.unwrap();
    let end = if body.is_empty() { END_STREAM } else { 0 };
    let mut bytes = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &[])].concat();
    bytes.extend(frame(HEADERS, END_HEADERS | end, 1, &block(fields)));
    if !body.is_empty() {
        bytes.extend(frame(DATA, END_STREAM, 1, body));
    }
    stream.write_all(&bytes).await.unwrap();
    let answer = async {
        loop {
            let mut head = [0; 9];
            if stream.read_exact(&mut head).await.is_err() {
                return "refused".to_owned();
            }
            let mut payload = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
            stream.read_exact(&mut payload).await.unwrap();
            match head[3] {
                DATA if !payload.is_empty() => return String::from_utf8(payload).unwrap().trim_end().to_owned(),
                RESET | GO_AWAY => return "refused".to_owned(),
                _ => {}
            }
        }
    };
    timeout(PATIENCE, answer).await.unwrap_or_else(|_| panic!("no answer to {fields:?}"))
}

/// The same request with other fields in their places, or after all others.
fn with(changes: &[Field]) -> Vec<Field> {
    let mut fields = PLAIN.to_vec();
    for change in changes {
        match fields.iter_mut().find(|(name, _)| name.starts_with(':') && *name == change.0) {
            Some(place) => *place = *change,
            None => fields.push(*change),
        }
    }
    fields
}

#[tokio::test]
async fn what_is_another_request_by_http_1_reaches_no_pod() {
    let pod = Pod::start("one").await;
    let bed = Bed::start(patient(), &[pod.place]).await;
    let no_path = "400 the request's target is no path";
    let no_host = "400 the request's host can't be read";
    let cases: &[(Vec<Field>, &str)] = &[
        (vec![(":method", "CONNECT"), (":authority", "a.test:1")], "501 CONNECT is not supported"),
        (with(&[(":method", "CONNECT"), (":protocol", "websocket")]), "refused"),
        (with(&[(":path", "x")]), "refused"),
        (with(&[(":path", "@b.test/")]), "refused"),
        (with(&[(":path", "*")]), no_path),
        (with(&[(":path", "")]), "refused"),
        (with(&[(":path", "/x HTTP/1.1\r\nHost: b.test\r\n\r\n")]), "refused"),
        (with(&[(":path", "/a/../b")]), "400 the request's path has \".\" or \"..\" as a part"),
        (with(&[(":method", "GET /secret HTTP/1.1\r\n")]), "refused"),
        (with(&[(":authority", "a.test\r\nx: y")]), "refused"),
        (with(&[(":authority", "a.test/evil")]), "refused"),
        (with(&[(":authority", "user@a.test")]), no_host),
        (with(&[("x-a", "b\r\nx-c: d")]), "refused"),
        (with(&[("x-a", "b\nx-c: d")]), "refused"),
        (with(&[("x-a", "b\0")]), "refused"),
        (with(&[("x-a\r\nx-c", "d")]), "refused"),
        (with(&[("x-a: b\r\nx-c", "d")]), "refused"),
        (with(&[("x-a ", "b")]), "refused"),
        (with(&[("X-A", "b")]), "refused"),
        (with(&[("", "b")]), "refused"),
        (with(&[("connection", "close")]), "refused"),
        (with(&[("transfer-encoding", "chunked")]), "refused"),
        (with(&[("upgrade", "websocket")]), "refused"),
        (with(&[("keep-alive", "5")]), "refused"),
        (with(&[("te", "gzip")]), "refused"),
        (with(&[("content-length", "5")]), "refused"),
        (with(&[("content-length", "+0")]), "refused"),
        (with(&[("x-a", "b"), (":late", "c")]), "refused"),
        (vec![(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":path", "/y")], "refused"),
        (vec![(":method", "GET"), (":scheme", "http"), (":authority", "a.test")], "refused"),
        (vec![(":method", "GET"), (":path", "/x"), (":authority", "a.test")], "refused"),
        (vec![(":scheme", "http"), (":path", "/x"), (":authority", "a.test")], "refused"),
        (vec![(":method", "GET"), (":scheme", "http"), (":path", "/x")], "400 the request must name one host"),
    ];
    let mut wrong = Vec::new();
    for (fields, expect) in cases {
        let got = ask(bed.place(false), fields, b"").await;
        wrong.extend((got != *expect).then(|| format!("{fields:?}: {got}, not {expect}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(pod.count(), 0);
    let post = |lengths: &[&'static str]| {
        let mut fields = with(&[(":method", "POST"), (":path", "/echo")]);
        fields.extend(lengths.iter().map(|length| ("content-length", *length)));
        fields
    };
    for lengths in [&["4"][..], &["6"], &["5", "6"], &["5, 5"]] {
        assert_eq!(ask(bed.place(false), &post(lengths), b"hello").await, "refused", "{lengths:?}");
    }
    // A length that turns out to be wrong may be seen when the pod has the head already; it never has the end.
    assert!(pod.count() <= 2, "{} requests", pod.count());
    assert_eq!(ask(bed.place(false), &post(&["5", "5"]), b"hello").await, "hello");
    assert_eq!(pod.headers("content-length"), ["5"]);
    bed.end().await;
}

#[tokio::test]
async fn what_comes_in_parts_comes_whole() {
    let pod = Pod::start("one").await;
    let bed = Bed::start(patient(), &[pod.place]).await;
    assert_eq!(ask(bed.place(false), &with(&[("cookie", "a=1"), ("cookie", "b=2")]), b"").await, "one GET /x");
    assert_eq!(pod.headers("cookie"), ["a=1; b=2"]);
    // Who names two hosts has the one that stands in the target's place.
    assert_eq!(ask(bed.place(false), &with(&[("host", "b.test")]), b"").await, "one GET /x");
    assert_eq!(pod.headers("host"), ["a.test"]);
    let by_host = [&PLAIN[..3], &[("host", "a.test")]].concat();
    assert_eq!(ask(bed.place(false), &by_host, b"").await, "one GET /x");
    // A body of a request that seldom has one, and of a length that nothing tells.
    assert_eq!(ask(bed.place(false), &with(&[(":path", "/echo")]), b"hello").await, "hello");
    assert_eq!(pod.headers("transfer-encoding"), ["chunked"]);
    bed.end().await;
}
