//! What goes through: requests and answers, bodies in both directions, upgrades, HTTP/2, gRPC, TLS.

use std::sync::Arc;

use bytes::Bytes;
use futures::SinkExt;
use http::{Request, Version};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::bed::{Bed, PATIENCE, Pod, get, ingress, patient, raw, read, rule, secret, send};

#[tokio::test]
async fn a_request_and_its_answer() {
    let pod = Pod::start("one").await;
    let bed = Bed::start(patient(), &[pod.place]).await;
    let answer = get(bed.place(false), "A.test:80", "/x?y=1").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "one GET /x"));
    assert!(answer.headers.contains_key("connection-of-pod"));
    assert_eq!(pod.header("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(pod.header("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(pod.header("host").as_deref(), Some("A.test:80"));
    for (host, path, status, words) in [
        ("b.test", "/", 404, "404 no Ingress has a rule for host \"b.test\" and path \"/\"\n"),
        ("a.test", "/x/../y", 400, "400 the request's path has \".\" or \"..\" as a part\n"),
    ] {
        let answer = get(bed.place(false), host, path).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, words));
    }
    bed.end().await;
}

#[tokio::test]
async fn bodies_stream_in_both_directions_at_once() {
    let pod = Pod::start("one").await;
    let bed = Bed::start(patient(), &[pod.place]).await;
    let stream = TcpStream::connect(bed.place(false)).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (mut give, body) = futures::channel::mpsc::channel::<Result<Frame<Bytes>, std::io::Error>>(1);
    let request = Request::post("/echo").header("host", "a.test").body(StreamBody::new(body)).unwrap();
    let asked = tokio::spawn(async move { sender.send_request(request).await.map(|response| (response, sender)) });
    give.send(Ok(Frame::data(Bytes::from_static(b"first")))).await.unwrap();
    let (response, _sender) = timeout(PATIENCE, asked).await.unwrap().unwrap().unwrap();
    let mut body = response.into_body();
    // Each part comes back before the next is sent.
    for part in [&b"first"[..], b"second", b"third"] {
        if part != b"first" {
            give.send(Ok(Frame::data(Bytes::copy_from_slice(part)))).await.unwrap();
        }
        let frame = timeout(PATIENCE, body.frame()).await.unwrap().unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), part);
    }
    drop(give);
    assert!(timeout(PATIENCE, body.frame()).await.unwrap().is_none());
    bed.end().await;
}

#[tokio::test]
async fn large_bodies_come_whole() {
    let pod = Pod::start("one").await;
    let bed = Bed::start(patient(), &[pod.place]).await;
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let request = Request::post("/echo").header("host", "a.test").body(Full::new(Bytes::from(large.clone()))).unwrap();
    let stream = TcpStream::connect(bed.place(false)).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let response = timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
    let got = timeout(PATIENCE, response.into_body().collect()).await.unwrap().unwrap().to_bytes();
    assert!(got == large);
    bed.end().await;
}

#[tokio::test]
async fn an_upgraded_connection_is_joined() {
    let pod = Pod::start("one").await;
    let bed = Bed::start(patient(), &[pod.place]).await;
    let mut stream = TcpStream::connect(bed.place(false)).await.unwrap();
    let head = "GET /upgrade HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut got = Vec::new();
    while !got.ends_with(b"\r\n\r\n") {
        got.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    let text = String::from_utf8(got).unwrap().to_lowercase();
    assert!(text.starts_with("http/1.1 101") && text.contains("upgrade: websocket"), "{text}");
    // Bytes that would be no request are nobody's business any more.
    for part in [&b"\x81\x05hello\n\n"[..], b"\0\0\n", b"bye"] {
        stream.write_all(part).await.unwrap();
        let mut back = vec![0; part.len()];
        timeout(PATIENCE, stream.read_exact(&mut back)).await.unwrap().unwrap();
        assert_eq!(back, part);
    }
    drop(stream);
    bed.end().await;
}

#[tokio::test]
async fn grpc_goes_through_with_its_trailers() {
    let pod = Pod::start("one").await;
    let bed = Bed::start(patient(), &[pod.place]).await;
    let stream = TcpStream::connect(bed.place(false)).await.unwrap();
    let (mut sender, connection) =
        http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("http://a.test/trailers")
        .version(Version::HTTP_2)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(Bytes::from_static(b"\0\0\0\0\0")))
        .unwrap();
    let response = timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
    assert_eq!(response.headers()["content-type"], "application/grpc");
    let body = timeout(PATIENCE, response.into_body().collect()).await.unwrap().unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(pod.header("te").as_deref(), Some("trailers"));
    // A refusal is all in its head: a client tells it from an answer without an end.
    let request = Request::post("http://a.test/refusal").header("content-type", "application/grpc");
    let request = request.body(Full::default()).unwrap();
    let response = timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
    assert!(response.headers()["grpc-status"] == "5" && response.body().is_end_stream());
    // What is no gRPC is given to the pod by HTTP/1.1.
    let request = Request::get("http://a.test/x").body(Full::default()).unwrap();
    let answer = read(timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap()).await;
    assert_eq!((answer.body.as_str(), pod.header("host").as_deref()), ("one GET /x", Some("a.test")));
    bed.end().await;
}

#[tokio::test]
async fn the_proxy_header_names_the_client() {
    let pod = Pod::start("one").await;
    let mut options = patient();
    options.proxy_protocol = true;
    let bed = Bed::start(options, &[pod.place]).await;
    let request = "GET /x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    let got = raw(bed.place(false), format!("PROXY TCP4 192.0.2.7 10.0.0.1 8080 80\r\n{request}").as_bytes()).await;
    assert!(got.starts_with("HTTP/1.1 200"), "{got}");
    assert_eq!(pod.header("x-forwarded-for").as_deref(), Some("192.0.2.7"));
    let v2 =
        [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &[192, 0, 2, 8, 10, 0, 0, 1, 1, 1, 0, 80], request.as_bytes()]
            .concat();
    let got = raw(bed.place(false), &v2).await;
    assert!(got.starts_with("HTTP/1.1 200"), "{got}");
    assert_eq!(pod.header("x-forwarded-for").as_deref(), Some("192.0.2.8"));
    assert_eq!(raw(bed.place(false), request.as_bytes()).await, "");
    assert_eq!(pod.count(), 2);
    bed.end().await;
}

/// A client that trusts these certificates.
async fn tls(
    bed: &Bed,
    host: &str,
    trusted: &[Vec<u8>],
    alpn: &[&[u8]],
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, String> {
    let mut roots = rustls::RootCertStore::empty();
    trusted.iter().for_each(|der| roots.add(CertificateDer::from(der.clone())).unwrap());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(bed.place(true)).await.unwrap();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    timeout(PATIENCE, connector.connect(name, stream)).await.unwrap().map_err(|error| error.to_string())
}

#[tokio::test]
async fn certificates_go_by_name_and_are_renewed_under_open_connections() {
    let pod = Pod::start("one").await;
    let bed = Bed::start(patient(), &[pod.place]).await;
    let (object, first) = secret("cert", "a.test");
    bed.put("Secret", &object);
    bed.put(
        "Ingress",
        &ingress(
            "web",
            &json!({"rules": [rule("a.test", "web")], "tls": [{"hosts": ["a.test"], "secretName": "cert"}]}),
        ),
    );
    let redirect = bed.until("/x?y", 308).await;
    assert_eq!(redirect.headers["location"], "https://a.test:8443/x?y");
    let stream = tls(&bed, "a.test", std::slice::from_ref(&first), &[b"http/1.1"]).await.expect("TLS");
    // Another host has none: what its clients get is nobody's, and never the first's.
    let refused = tls(&bed, "b.test", std::slice::from_ref(&first), &[]).await.unwrap_err();
    assert!(refused.contains("invalid peer certificate: UnknownIssuer"), "{refused}");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = || Request::get("/x").header("host", "a.test").body(Full::<Bytes>::default()).unwrap();
    assert_eq!(read(sender.send_request(request()).await.unwrap()).await.body, "one GET /x");
    assert_eq!(pod.header("x-forwarded-proto").as_deref(), Some("https"));
    let (object, second) = secret("cert", "a.test");
    bed.put("Secret", &object);
    // New connections get the new one at last; the old connection goes on.
    let renewed = async {
        while tls(&bed, "a.test", std::slice::from_ref(&second), &[]).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, renewed).await.expect("the certificate is never renewed");
    sender.ready().await.unwrap();
    assert_eq!(read(sender.send_request(request()).await.unwrap()).await.body, "one GET /x");
    let stream = tls(&bed, "a.test", &[second], &[b"h2"]).await.expect("TLS");
    let (mut sender, connection) =
        http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://a.test/h2").body(Full::default()).unwrap();
    assert_eq!(read(timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap()).await.body, "one GET /h2");
    drop(sender);
    bed.end().await;
}

#[tokio::test]
async fn a_request_with_a_body_keeps_its_length() {
    let pod = Pod::start("one").await;
    let bed = Bed::start(patient(), &[pod.place]).await;
    let request = Request::put("/echo").header("host", "a.test").body(Full::new(Bytes::from_static(b"abc"))).unwrap();
    assert_eq!(send(bed.place(false), request).await.body, "abc");
    assert_eq!(pod.header("content-length").as_deref(), Some("3"));
    let chunks = "POST /echo HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let got = raw(bed.place(false), chunks.as_bytes()).await;
    assert!(got.starts_with("HTTP/1.1 200") && got.contains("abc") && got.contains("de"), "{got}");
    assert_eq!(pod.header("transfer-encoding").as_deref(), Some("chunked"));
    // GET seldom has one; some searches do.
    let got = raw(bed.place(false), chunks.replace("POST", "GET").as_bytes()).await;
    assert!(got.starts_with("HTTP/1.1 200") && got.contains("abc") && got.contains("de"), "{got}");
    bed.end().await;
}

#[tokio::test]
async fn who_asks_before_the_body_is_told_to_go_on() {
    let pod = Pod::start("one").await;
    let bed = Bed::start(patient(), &[pod.place]).await;
    let mut stream = TcpStream::connect(bed.place(false)).await.unwrap();
    let head =
        "POST /echo HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut got = Vec::new();
    while !got.ends_with(b"\r\n\r\n") {
        got.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    assert!(got.starts_with(b"HTTP/1.1 100 "), "{}", String::from_utf8_lossy(&got));
    stream.write_all(b"hello").await.unwrap();
    got.clear();
    timeout(PATIENCE, stream.read_to_end(&mut got)).await.unwrap().unwrap();
    let got = String::from_utf8(got).unwrap();
    assert!(got.starts_with("HTTP/1.1 200 ") && got.contains("hello"), "{got}");
    assert_eq!(pod.header("expect"), None);
    bed.end().await;
}
