//! Plain requests, which pass without hyper: answers of every shape, what pods do wrong, connections that are kept and closed.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::bed::{Bed, PATIENCE, Pod, patient, raw};

/// A pod that gives these bytes to each head that it has read, and may end its connection after that.
struct Raw {
    place: SocketAddr,
    open: Arc<AtomicUsize>,
    heads: Arc<AtomicUsize>,
}

impl Raw {
    async fn start(answer: &'static [u8], closes: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let pod = Self { place: listener.local_addr().unwrap(), open: Arc::default(), heads: Arc::default() };
        let (open, heads) = (pod.open.clone(), pod.heads.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (open, heads) = (open.clone(), heads.clone());
                open.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let (mut held, mut room) = (Vec::new(), [0; 1024]);
                    'ended: while let Ok(size @ 1..) = stream.read(&mut room).await {
                        held.extend_from_slice(&room[..size]);
                        while let Some(end) = held.windows(4).position(|part| part == b"\r\n\r\n") {
                            held.drain(..end + 4);
                            heads.fetch_add(1, Ordering::SeqCst);
                            if stream.write_all(answer).await.is_err() || closes {
                                break 'ended;
                            }
                        }
                    }
                    drop(stream);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        pod
    }

    async fn until_open(&self, count: usize) {
        let all = async {
            while self.open.load(Ordering::SeqCst) != count {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, all).await.unwrap_or_else(|_| panic!("there are never {count} connections"));
    }
}

/// Two requests on one connection, sent at once.
fn two(method: &str) -> Vec<u8> {
    let line = format!("{method} /x HTTP/1.1\r\nHost: a.test\r\n");
    format!("{line}\r\n{line}Connection: close\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn answers_of_every_shape_pass() {
    let check = async |answer: &'static str, closes: bool, method: &str, expect: &str| {
        let pod = Raw::start(answer.as_bytes(), closes).await;
        let bed = Bed::start(patient(), &[pod.place]).await;
        let got = raw(bed.place(false), &two(method)).await;
        let lines: Vec<&str> = got.split("\r\n").filter(|line| !line.to_lowercase().starts_with("date: ")).collect();
        assert_eq!(lines.join("|"), expect, "{answer:?}");
        assert_eq!(pod.heads.load(Ordering::SeqCst), 2, "{answer:?}");
        bed.end().await;
    };
    check(
        "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 3\r\n\r\nabc",
        false,
        "GET",
        "HTTP/1.1 200 OK|Content-Length: 3||abcHTTP/1.1 200 OK|content-length: 3|connection: close||abc",
    )
    .await;
    check(
        "HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n",
        false,
        "GET",
        "HTTP/1.1 200 OK|Transfer-Encoding: chunked||3|abc|0|T: 1||\
        HTTP/1.1 200 OK|transfer-encoding: chunked|connection: close||3|abc|0|T: 1||",
    )
    .await;
    // What ends with its connection gets an end that a client can tell from a broken one.
    check(
        "HTTP/1.0 200 OK\r\n\r\nabc",
        true,
        "GET",
        "HTTP/1.1 200 OK|transfer-encoding: chunked||3|abc|0||\
        HTTP/1.1 200 OK|transfer-encoding: chunked|connection: close||3|abc|0||",
    )
    .await;
    check(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nKeep-Alive: 5\r\nConnection: keep-alive, X\r\nX: 1\r\n\r\n",
        false,
        "DELETE",
        "HTTP/1.1 204 No Content||HTTP/1.1 204 No Content|connection: close||",
    )
    .await;
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
        false,
        "HEAD",
        "HTTP/1.1 200 OK|content-length: 3||HTTP/1.1 200 OK|content-length: 3|connection: close||",
    )
    .await;
}

#[tokio::test]
async fn answers_that_are_none_are_told_or_cut() {
    let check = async |answer: &'static str, expect: &str| {
        let pod = Raw::start(answer.as_bytes(), true).await;
        let bed = Bed::start(patient(), &[pod.place]).await;
        let got = raw(bed.place(false), b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        let got = got.replace(&pod.place.to_string(), "POD");
        assert!(got.contains(expect) && !got.contains("0\r\n\r\n"), "{answer:?}: {got}");
        bed.end().await;
    };
    check("hello\r\n\r\n", "502 endpoint POD of n/web:80 broke off: its answer can't be read").await;
    check("HTTP/1.1 200 OK\r\nConte", "502 endpoint POD of n/web:80 broke off: its answer ended within its head").await;
    check("", "502 endpoint POD of n/web:80 broke off: the connection ended").await;
    check("HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n", "changed to a protocol that was not asked for").await;
    // What has begun can only be cut, so that nobody takes it for the whole.
    check("HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 5\r\n\r\nabc", "Content-Length: 5\r\n\r\nabc").await;
    check("HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "\r\n\r\n3\r\nabc\r\n").await;
}

#[tokio::test]
async fn requests_of_one_connection_go_by_their_own_hosts() {
    let pod = Pod::start("one").await;
    let bed = Bed::start(patient(), &[pod.place]).await;
    let ask = |path: &str, host: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let mut all = [ask("/1", "a.test"), ask("/2", "A.Test:80"), ask("/3", "a.test"), ask("/4", "b.test")].concat();
    all.push_str("GET /5 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
    let got = raw(bed.place(false), all.as_bytes()).await;
    for words in ["one GET /1", "one GET /2", "one GET /3", "no Ingress has a rule for host \"b.test\"", "one GET /5"] {
        assert!(got.contains(words), "no {words:?} in {got}");
    }
    assert_eq!(pod.count(), 4);
    bed.end().await;
}

#[tokio::test]
async fn what_is_plain_and_what_is_not_follow_each_other() {
    let pod = Pod::start("one").await;
    let bed = Bed::start(patient(), &[pod.place]).await;
    let plain =
        "GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\nPUT /echo HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nfour";
    let odd = "POST /echo HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let last = "GET /2 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    let whole = format!("{plain}{odd}{last}");
    let got = raw(bed.place(false), whole.as_bytes()).await;
    let places: Vec<usize> = ["one GET /1", "four", "hello", "one GET /2"]
        .iter()
        .map(|words| got.find(words).unwrap_or_else(|| panic!("no {words:?} in {got}")))
        .collect();
    assert!(places.is_sorted(), "{got}");
    assert_eq!(pod.count(), 4);
    // The same, byte by byte: a head may come in as many parts as it likes.
    let mut stream = TcpStream::connect(bed.place(false)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in whole.as_bytes() {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut got = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut got)).await.unwrap().unwrap();
    assert!(got.contains("one GET /1") && got.contains("hello") && got.contains("one GET /2"), "{got}");
    bed.end().await;
}

#[tokio::test]
async fn an_endpoint_that_leaves_is_let_go() {
    let pod = Raw::start(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", false).await;
    let bed = Bed::start(patient(), &[pod.place]).await;
    let mut client = TcpStream::connect(bed.place(false)).await.unwrap();
    let mut ask = async || {
        client.write_all(b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
        let mut got = Vec::new();
        while !got.ends_with(b"abc") && !got.ends_with(b"80\n") {
            got.push(timeout(PATIENCE, client.read_u8()).await.unwrap().unwrap());
        }
        String::from_utf8(got).unwrap()
    };
    assert!(ask().await.starts_with("HTTP/1.1 200"));
    assert!(ask().await.starts_with("HTTP/1.1 200"));
    // The connection waits for the next request: it is one for both.
    assert_eq!(pod.open.load(Ordering::SeqCst), 1);
    bed.endpoints(&[]);
    pod.until_open(0).await;
    assert!(ask().await.starts_with("HTTP/1.1 503"));
    bed.end().await;
}

#[tokio::test]
async fn a_pod_that_answers_before_it_has_read_all_is_heard() {
    let pod = Raw::start(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno\n", true).await;
    let bed = Bed::start(patient(), &[pod.place]).await;
    // The pod's kernel may take all of it or not: the client's connection ends in either case.
    let head = "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3000000\r\nConnection: close\r\n\r\n";
    let got = raw(bed.place(false), &[head.as_bytes(), &vec![b'x'; 3_000_000]].concat()).await;
    assert!(got.starts_with("HTTP/1.1 413 ") && got.ends_with("no\n"), "{got}");
    bed.end().await;
}

#[tokio::test]
async fn a_silent_connection_ends_with_the_node() {
    let pod = Pod::start("one").await;
    let bed = Bed::start(patient(), &[pod.place]).await;
    let mut stream = TcpStream::connect(bed.place(false)).await.unwrap();
    stream.write_all(b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
    let mut got = Vec::new();
    while !got.ends_with(b"one GET /x") {
        got.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    bed.stop.cancel();
    assert_eq!(timeout(PATIENCE, stream.read(&mut [0; 16])).await.unwrap().unwrap(), 0);
    bed.end().await;
}
