//! Clients of SPDY, by itself and in a WebSocket, against the streaming server on a runtime that gives everything back.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::pods::clock::Clock;
use crate::pods::fake::FakeRuntime;
use crate::runtime::contract::ExecRequest;
use crate::runtime::cri::offer::Stream;
use crate::runtime::cri::spdy;
use crate::runtime::cri::streaming::Streaming;
use crate::runtime::cri::wanted::Wanted;
use crate::spdy::frame::{self, FIN, Frame, GOAWAY, PING, SYN_STREAM};
use crate::spdy::headers::Writer;

async fn streaming() -> Streaming {
    let runtime = FakeRuntime::new(Clock::System);
    runtime.answer("cat -", 7);
    Streaming::start(Arc::new(runtime)).await.unwrap()
}

fn ports() -> Stream {
    Stream::Port { sandbox_id: "s".to_owned(), ports: Vec::new() }
}

/// Where a URL leads to, and its path.
fn parts(url: &str) -> (&str, &str) {
    url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).unwrap()
}

#[tokio::test]
async fn a_process_over_spdy() {
    let streaming = streaming().await;
    let request = ExecRequest {
        command: vec!["cat".to_owned(), "-".to_owned()],
        stdin: true,
        stdout: true,
        ..ExecRequest::default()
    };
    let url = streaming.offer(Stream::Exec(request)).unwrap();
    let wanted = Wanted { stdin: true, stdout: true, stderr: false, tty: false };
    let session = spdy::session(&url, wanted).await.unwrap();
    let (mut stdin, mut stdout) = (session.stdin.unwrap(), session.stdout.unwrap());
    let sent: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();
    let typed = sent.clone();
    let typing = tokio::spawn(async move {
        stdin.write_all(&typed).await.unwrap();
        stdin.shutdown().await.unwrap();
    });
    let mut said = Vec::new();
    stdout.read_to_end(&mut said).await.unwrap();
    typing.await.unwrap();
    assert!(said == sent, "{} of {} bytes", said.len(), sent.len());
    assert_eq!(session.exit.await.unwrap(), 7);
    assert!(spdy::session(&url, wanted).await.is_err(), "a URL is good for one use");
}

/// Two connections, to a port that gives everything back and to one where nobody listens, as kubectl opens them.
async fn two_connections(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let mut blocks = Writer::default();
    let mut syn = |id: u32, kind: &str, port: &str, request: &str| {
        let mut payload = id.to_be_bytes().to_vec();
        payload.extend_from_slice(&[0; 6]);
        payload.extend(blocks.block(&[("streamtype", kind), ("port", port), ("requestid", request)]));
        frame::control(SYN_STREAM, 0, &payload)
    };
    let mut opening = Vec::new();
    for (id, port, request) in [(1, "80", "0"), (5, "1", "1")] {
        opening.extend(syn(id, "error", port, request));
        opening.extend(frame::data(id, FIN, &[]));
        opening.extend(syn(id + 2, "data", port, request));
    }
    opening.extend(frame::control(PING, 0, &9_u32.to_be_bytes()));
    opening.extend(frame::data(3, 0, b"hello, "));
    opening.extend(frame::data(3, FIN, b"pod"));
    to.write_all(&opening).await.unwrap();
    to.flush().await.unwrap();
    let (mut data, mut error) = (Vec::new(), Vec::new());
    let (mut over, mut is_answered) = (BTreeSet::new(), false);
    while over.len() < 4 || !is_answered {
        match frame::read(&mut from).await.expect("it goes on") {
            Frame::Data { stream, flags, payload } => {
                match stream {
                    3 => data.extend_from_slice(&payload),
                    5 => error.extend_from_slice(&payload),
                    _ => assert_eq!(payload, Bytes::new(), "of stream {stream}"),
                }
                if flags & FIN != 0 {
                    over.insert(stream);
                }
            }
            Frame::Control { kind, payload, .. } => {
                assert_ne!(kind, GOAWAY);
                is_answered |= kind == PING && frame::id(&payload) == Some(9);
            }
        }
    }
    assert_eq!(String::from_utf8(data).unwrap(), "hello, pod");
    let error = String::from_utf8(error).unwrap();
    assert!(error.contains("connection refused"), "{error}");
}

#[tokio::test]
async fn ports_over_spdy() {
    let streaming = streaming().await;
    let url = streaming.offer(ports()).unwrap();
    let (authority, path) = parts(&url);
    let mut tcp = TcpStream::connect(authority).await.unwrap();
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\
         X-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n"
    );
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("\r\nx-stream-protocol-version: portforward.k8s.io\r\n"), "{head}");
    let (from, to) = tcp.split();
    two_connections(from, to).await;
}

#[tokio::test]
async fn ports_over_spdy_in_a_websocket() {
    let streaming = streaming().await;
    let url = streaming.offer(ports()).unwrap();
    let tcp = TcpStream::connect(parts(&url).0).await.unwrap();
    let mut request = url.replacen("http", "ws", 1).into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", "SPDY/3.1+portforward.k8s.io".parse().unwrap());
    let (socket, _) = client_async(request, tcp).await.unwrap();
    let (mut sink, mut messages) = socket.split();
    let (client, server) = tokio::io::duplex(1 << 16);
    let (mut typed, mut said) = tokio::io::split(server);
    let carry = async {
        let up = async {
            // Small messages: a frame need not be in one.
            let mut buffer = [0; 5];
            while let Ok(n @ 1..) = typed.read(&mut buffer).await {
                sink.send(Message::binary(buffer[..n].to_vec())).await.unwrap();
            }
        };
        let down = async {
            while let Some(Ok(message)) = messages.next().await {
                said.write_all(&message.into_data()).await.unwrap();
            }
        };
        tokio::join!(up, down)
    };
    let (from, to) = tokio::io::split(client);
    tokio::select! {
        () = two_connections(from, to) => {}
        _ = carry => panic!("the server hung up"),
    }
}
