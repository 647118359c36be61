//! Clients and pods that are there and do nothing: each wait for them has an end.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use masthead_agent::ingress::options::Options;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::bed::{Bed, PATIENCE, Pod, patient, raw};

/// Settings in which nothing may stand still.
fn impatient() -> Options {
    Options { stall: Duration::from_millis(100), ..patient() }
}

/// A pod that answers one request without end. Its task ends with the connection.
async fn endless() -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let place = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut stream = listener.accept().await.unwrap().0;
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        let part = format!("1000\r\n{}\r\n", "x".repeat(4096));
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut went = stream.write_all(head.as_bytes()).await;
        while went.is_ok() {
            went = stream.write_all(part.as_bytes()).await;
        }
    });
    (place, task)
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_let_go() {
    for odd in ["", "TE: trailers\r\n"] {
        let (pod, ended) = endless().await;
        let bed = Bed::start(impatient(), &[pod]).await;
        let mut client = TcpStream::connect(bed.place(false)).await.unwrap();
        client.write_all(format!("GET /x HTTP/1.1\r\nHost: a.test\r\n{odd}\r\n").as_bytes()).await.unwrap();
        timeout(PATIENCE, ended).await.unwrap_or_else(|_| panic!("{odd:?}: the pod is held")).unwrap();
        drop(client);
        bed.end().await;
    }
}

#[tokio::test]
async fn a_client_of_http2_that_takes_nothing_is_let_go() {
    let (pod, ended) = endless().await;
    let bed = Bed::start(impatient(), &[pod]).await;
    let stream = TcpStream::connect(bed.place(false)).await.unwrap();
    let (mut sender, connection) =
        http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://a.test/x").body(Full::default()).unwrap();
    // Its connection is read all the time; there is no room for more of this answer. A pod that is slow is let go as well.
    let response = timeout(PATIENCE, sender.send_request(request)).await.unwrap();
    timeout(PATIENCE, ended).await.expect("the pod is held").unwrap();
    let _ = timeout(PATIENCE, connection).await.expect("the connection is held");
    drop(response);
    bed.end().await;
}

#[tokio::test]
async fn a_client_of_http2_that_asks_nothing_is_let_go() {
    let pod = Pod::start("one").await;
    let bed = Bed::start(Options { idle: Duration::from_millis(100), ..patient() }, &[pod.place]).await;
    let stream = TcpStream::connect(bed.place(false)).await.unwrap();
    let (sender, connection) =
        http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    // It answers each ping.
    let _ = timeout(PATIENCE, connection).await.expect("the connection is held");
    drop(sender);
    bed.end().await;
}

#[tokio::test]
async fn a_request_that_does_not_come_is_not_waited_for() {
    let pod = Pod::start("one").await;
    let bed = Bed::start(Options { idle: Duration::from_millis(100), ..patient() }, &[pod.place]).await;
    let after_another = "GET /x HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\n\r\nGET /y HTTP/1.1\r\nHo";
    for begun in ["", "GET /x HTTP/1.1\r\nHo", after_another] {
        // It ends.
        raw(bed.place(false), begun.as_bytes()).await;
    }
    bed.end().await;
}

#[tokio::test]
async fn a_pod_that_takes_nothing_is_let_go() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let bed = Bed::start(impatient(), &[listener.local_addr().unwrap()]).await;
    for framing in ["Transfer-Encoding: chunked", "Content-Length: 1000000000"] {
        let (mut read, mut write) = TcpStream::connect(bed.place(false)).await.unwrap().into_split();
        let head = format!("POST /x HTTP/1.1\r\nHost: a.test\r\n{framing}\r\n\r\n");
        write.write_all(head.as_bytes()).await.unwrap();
        let part = format!("1000\r\n{}\r\n", "x".repeat(4096));
        let fed = tokio::spawn(async move { while write.write_all(part.as_bytes()).await.is_ok() {} });
        let mut got = Vec::new();
        // The rest of the body may make an end of the answer; but there is one.
        let _ = timeout(PATIENCE, read.read_to_end(&mut got)).await.unwrap_or_else(|_| panic!("{framing}: it is held"));
        drop(read);
        timeout(PATIENCE, fed).await.unwrap_or_else(|_| panic!("{framing}: its client is held")).unwrap();
    }
    drop(listener);
    bed.end().await;
}
