//! Pods that come, go, fail and hang; the end of the Ingress itself.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use masthead_agent::ingress::options::Options;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use super::bed::{Bed, PATIENCE, Pod, get, ingress, patient, raw, read, rule};

/// A place where nobody listens, as long as the socket is held: nobody else gets its port.
fn nobody() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let place = socket.local_addr().unwrap();
    (socket, place)
}

#[tokio::test]
async fn a_pod_that_can_t_be_reached_is_passed_over() {
    let (pod, (_held, gone)) = (Pod::start("one").await, nobody());
    let bed = Bed::start(patient(), &[gone, pod.place]).await;
    for _ in 0..10 {
        assert_eq!(get(bed.place(false), "a.test", "/x").await.body, "one GET /x");
    }
    bed.endpoints(&[gone]);
    let answer = bed.until("/x", 502).await;
    assert!(
        answer.body.starts_with(&format!("502 no endpoint of n/web:80 can be reached; the last, {gone}: ")),
        "{}",
        answer.body
    );
    // To HEAD it is said without words.
    let got = raw(bed.place(false), b"HEAD /x HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert!(got.starts_with("HTTP/1.1 502 ") && got.ends_with("\r\n\r\n"), "{got}");
    bed.endpoints(&[]);
    let answer = bed.until("/x", 503).await;
    assert_eq!(answer.body, "503 service n/web has no ready endpoint for port 80\n");
    bed.endpoints(&[pod.place]);
    bed.until("/x", 200).await;
    bed.end().await;
}

#[tokio::test]
async fn a_kept_connection_that_is_closed_costs_no_request() {
    let (first, second) = (Pod::start("one").await, Pod::start("two").await);
    let bed = Bed::start(patient(), &[first.place]).await;
    let stream = TcpStream::connect(bed.place(false)).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut ask = async |path: &str| {
        sender.ready().await.unwrap();
        let request = Request::get(path).header("host", "a.test").body(Full::<Bytes>::default()).unwrap();
        read(timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap()).await
    };
    assert_eq!(ask("/1").await.body, "one GET /1");
    // The pod ends with its connections, and its place is taken by another.
    bed.endpoints(&[first.place, second.place]);
    let both = async { while !get(bed.place(false), "a.test", "/").await.body.starts_with("two") {} };
    timeout(PATIENCE, both).await.expect("the second pod gets no request");
    first.stop.cancel();
    for at in 0..10 {
        let answer = ask(&format!("/{at}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    drop(sender);
    bed.end().await;
}

/// A pod that answers the first request of each connection, and ends at the second without a word. It counts them.
async fn curt() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (place, heads) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = heads.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let heads = counted.clone();
            tokio::spawn(async move {
                for is_first in [true, false] {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let Ok(byte) = stream.read_u8().await else { return };
                        head.push(byte);
                    }
                    heads.fetch_add(1, Ordering::SeqCst);
                    if is_first {
                        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
                    }
                }
            });
        }
    });
    (place, heads)
}

#[tokio::test]
async fn what_may_have_been_done_is_not_done_again() {
    for (method, status, asked) in [("GET", 200, 3), ("PUT", 200, 3), ("POST", 502, 2), ("PATCH", 502, 2)] {
        let (pod, heads) = curt().await;
        let bed = Bed::start(patient(), &[pod]).await;
        let line = |method: &str, end: &str| format!("{method} /x HTTP/1.1\r\nHost: a.test\r\n{end}\r\n");
        let both = line("GET", "") + &line(method, "Connection: close\r\n");
        let got = raw(bed.place(false), both.as_bytes()).await;
        assert_eq!(got.matches("HTTP/1.1 ").count(), 2, "{method}: {got}");
        assert!(got.contains(&format!("okHTTP/1.1 {status} ")), "{method}: {got}");
        assert_eq!(heads.load(Ordering::SeqCst), asked, "{method}");
        bed.end().await;
    }
}

#[tokio::test]
async fn one_connection_too_many_is_closed() {
    let pod = Pod::start("one").await;
    let bed = Bed::start(Options { connections_max: 1, ..patient() }, &[pod.place]).await;
    let mut first = TcpStream::connect(bed.place(false)).await.unwrap();
    first.write_all(b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
    assert!(timeout(PATIENCE, first.read(&mut [0; 4096])).await.unwrap().unwrap() > 0);
    let request = b"GET /x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    assert_eq!(raw(bed.place(false), request).await, "");
    drop(first);
    let served = async { while !raw(bed.place(false), request).await.ends_with("one GET /x") {} };
    timeout(PATIENCE, served).await.expect("there is never room again");
    bed.end().await;
}

#[tokio::test]
async fn a_pod_that_hangs_is_told_of() {
    let pod = Pod::start("one").await;
    let mut options = patient();
    options.response = Duration::from_millis(50);
    let bed = Bed::start(options, &[pod.place]).await;
    let answer = get(bed.place(false), "a.test", "/hold").await;
    assert_eq!(answer.status, 504);
    assert_eq!(answer.body, format!("504 endpoint {} of n/web:80 did not answer in time\n", pod.place));
    bed.end().await;
}

#[tokio::test]
async fn the_least_busy_pod_gets_the_request() {
    let (first, second) = (Pod::start("one").await, Pod::start("two").await);
    let bed = Bed::start(patient(), &[first.place, second.place]).await;
    let place = bed.place(false);
    let held = tokio::spawn(async move { get(place, "a.test", "/hold").await });
    while first.count() + second.count() == 0 {
        tokio::task::yield_now().await;
    }
    let (busy, free) = if first.count() == 1 { (&first, "two") } else { (&second, "one") };
    for _ in 0..6 {
        assert_eq!(get(place, "a.test", "/x").await.body, format!("{free} GET /x"));
    }
    busy.release.cancel();
    assert_eq!(timeout(PATIENCE, held).await.unwrap().unwrap().status, 200);
    bed.end().await;
}

#[tokio::test]
async fn what_is_under_way_is_finished_before_the_end() {
    let pod = Pod::start("one").await;
    let bed = Bed::start(patient(), &[pod.place]).await;
    let place = bed.place(false);
    let held = tokio::spawn(async move { get(place, "a.test", "/hold").await });
    while pod.count() == 0 {
        tokio::task::yield_now().await;
    }
    bed.stop.cancel();
    let closed = async {
        while TcpStream::connect(place).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, closed).await.expect("it goes on to listen");
    assert!(!held.is_finished());
    pod.release.cancel();
    assert_eq!(timeout(PATIENCE, held).await.unwrap().unwrap().status, 200);
    bed.end().await;
}

#[tokio::test]
async fn problems_are_told_and_the_rest_is_served() {
    let pod = Pod::start("one").await;
    let bed = Bed::start(patient(), &[pod.place]).await;
    let spec = json!({"rules": [rule("b.test", "web"), rule("a.test", "web")], "tls": [{"hosts": ["b.test"], "secretName": "none"}]});
    let mut late = ingress("late", &spec);
    late["metadata"]["creationTimestamp"] = json!("2026-02-01T00:00:00Z");
    bed.put("Ingress", &late);
    let mut problems = bed.handle.problems.clone();
    let told = timeout(PATIENCE, problems.wait_for(|all| !all.is_empty())).await.unwrap().unwrap().clone();
    let words: Vec<&str> = told.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        words,
        [
            "Prefix path \"/\" of a.test belongs to the older Ingress n/web",
            "there is no Secret \"none\" with a certificate"
        ]
    );
    assert_eq!(get(bed.place(false), "b.test", "/x").await.body, "one GET /x");
    bed.end().await;
}
