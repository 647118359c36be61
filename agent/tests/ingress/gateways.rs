//! Gateways on real sockets: rules and weights, filters, copies, TLS by name, gRPC, times, and ports that come and go.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use masthead_agent::ingress::options::Options;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::bed::{Answer, Bed, PATIENCE, Pod, get, patient, read, secret, send};

/// Ports of one test, on an address that no other test has.
struct Ports {
    address: Ipv4Addr,
    /// Shared with Ingresses.
    http: u16,
    https: u16,
    /// The gateway's alone.
    own: u16,
}

impl Ports {
    fn new() -> Self {
        // Above those that the kernel gives to clients; the address is that of this process.
        static NEXT: AtomicU16 = AtomicU16::new(61_000);
        let first = NEXT.fetch_add(3, Ordering::SeqCst);
        let [_, high, middle, low] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, 100 + (high & 63), middle, low);
        Self { address, http: first, https: first + 1, own: first + 2 }
    }

    fn options(&self) -> Options {
        Options {
            addresses: vec![self.address.into()],
            http_port: Some(self.http),
            https_port: Some(self.https),
            ..patient()
        }
    }

    fn at(&self, port: u16) -> SocketAddr {
        (self.address, port).into()
    }
}

/// A service of one pod.
fn service(bed: &Bed, name: &str, pod: SocketAddr) {
    let id = json!({"namespace": "n", "name": name, "labels": {"kubernetes.io/service-name": name}});
    bed.put("Service", &json!({"metadata": id, "spec": {"ports": [{"port": 80}]}}));
    bed.put(
        "EndpointSlice",
        &json!({"metadata": id, "addressType": "IPv4", "endpoints": [{"addresses": [pod.ip().to_string()]}],
            "ports": [{"port": pod.port()}]}),
    );
}

fn gateway(bed: &Bed, listeners: &Value) {
    bed.put("Gateway", &json!({"metadata": {"namespace": "n", "name": "g"}, "listeners": listeners}));
}

fn route(bed: &Bed, kind: &str, name: &str, attached: &[(&str, &str)], rules: &Value) {
    let one = |(listener, host): &(&str, &str)| json!({"gateway": {"namespace": "n", "name": "g"}, "listener": listener, "hostnames": [host]});
    let attached: Vec<Value> = attached.iter().map(one).collect();
    bed.put(
        kind,
        &json!({"metadata": {"namespace": "n", "name": name}, "created": 1, "attached": attached, "rules": rules}),
    );
}

fn prefix(path: &str) -> Value {
    json!({"path": {"Prefix": path}, "rank": [0, path.len()]})
}

fn backend(name: &str, weight: u32) -> Value {
    json!({"service": {"namespace": "n", "name": name, "port": 80}, "weight": weight})
}

/// Asks until the answer is as wanted: tables are made a moment after they are told.
async fn until(place: SocketAddr, host: &str, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
    let ask = async {
        loop {
            // A port is opened a moment later still.
            if TcpStream::connect(place).await.is_ok() {
                let answer = get(place, host, path).await;
                if wanted(&answer) {
                    return answer;
                }
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, ask).await.unwrap_or_else(|_| panic!("{host}{path} never was as wanted"))
}

#[tokio::test]
async fn rules_change_what_passes_and_share_by_weight() {
    let (one, two) = (Pod::start("one").await, Pod::start("two").await);
    let ports = Ports::new();
    let bed = Bed::start(ports.options(), &[one.place]).await;
    service(&bed, "one", one.place);
    service(&bed, "two", two.place);
    gateway(&bed, &json!([{"name": "l", "port": ports.own}]));
    let header = |name: &str, value: &str| json!([{"name": name, "value": value}]);
    let rules = json!([
        {"matches": [prefix("/weight")], "backends": [backend("one", 30), backend("two", 10)]},
        {"matches": [prefix("/old")], "backends": [backend("one", 1)], "filters": {
            "request": {"set": header("x-set", "s"), "add": header("x-add", "a"), "remove": ["x-gone"]},
            "response": {"set": header("x-answer", "r"), "remove": ["connection-of-pod"]},
            "rewrite": {"hostname": "inner.test",
                "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"}}}},
        {"matches": [prefix("/away")], "filters": {"redirect": {"scheme": "https", "hostname": "b.test", "statusCode": 301}}},
        {"matches": [prefix("/bad")], "backends": [{"fault": "there is no such thing", "weight": 1}]},
        {"matches": [prefix("/nobody")], "backends": []},
    ]);
    route(&bed, "HTTPRoute", "r", &[("l", "a.test")], &rules);
    let place = ports.at(ports.own);
    until(place, "a.test", "/nobody", |answer| answer.status == 500).await;
    for _ in 0..2 {
        let mut names = Vec::new();
        for _ in 0..4 {
            names.push(get(place, "a.test", "/weight/x").await.body);
        }
        names.sort();
        assert_eq!(names, ["one GET /weight/x", "one GET /weight/x", "one GET /weight/x", "two GET /weight/x"]);
    }
    let request =
        Request::builder().uri("/old/x?q=1").header("host", "a.test").header("x-gone", "1").header("x-add", "0");
    let answer = send(place, request.body(Full::default()).unwrap()).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "one GET /new/x"));
    assert_eq!(answer.headers["x-answer"], "r");
    assert!(!answer.headers.contains_key("connection-of-pod"));
    let seen = |name: &str| one.header(name);
    assert_eq!(
        (seen("x-set").as_deref(), seen("x-gone"), seen("host").as_deref()),
        (Some("s"), None, Some("inner.test"))
    );
    let added: Vec<String> =
        one.last.lock().unwrap().get_all("x-add").iter().map(|value| value.to_str().unwrap().to_owned()).collect();
    assert_eq!(added, ["0", "a"]);
    assert_eq!(seen("x-forwarded-host").as_deref(), Some("a.test"));
    let answer = get(place, "a.test", "/away/x?y").await;
    assert_eq!((answer.status, &answer.headers["location"]), (301, &"https://b.test/away/x?y".parse().unwrap()));
    let answer = get(place, "a.test", "/bad").await;
    assert_eq!((answer.status, answer.body.as_str()), (500, "500 there is no such thing\n"));
    let answer = get(place, "a.test", "/none").await;
    let words = "404 no route of a Gateway has a rule for host \"a.test\" and path \"/none\"\n";
    assert_eq!((answer.status, answer.body.as_str()), (404, words));
    bed.end().await;
}

#[tokio::test]
async fn pages_of_other_sites_may_do_what_the_rule_says() {
    let pod = Pod::start("one").await;
    let ports = Ports::new();
    let bed = Bed::start(ports.options(), &[pod.place]).await;
    service(&bed, "one", pod.place);
    gateway(&bed, &json!([{"name": "l", "port": ports.own}]));
    let cors = json!({"allowOrigins": ["https://*.site.test"], "allowMethods": ["PUT"], "exposeHeaders": ["x-a"], "maxAge": 7});
    let mut of_backend = backend("one", 1);
    of_backend["filters"] = json!({"cors": cors});
    let rules = json!([
        {"matches": [prefix("/rule")], "backends": [backend("one", 1)], "filters": {"cors": cors}},
        {"matches": [prefix("/backend")], "backends": [of_backend]},
        {"matches": [prefix("/bad")], "backends": [{"fault": "gone", "weight": 1}], "filters": {"cors": cors}},
        {"matches": [prefix("/plain")], "backends": [backend("one", 1)]},
    ]);
    route(&bed, "HTTPRoute", "r", &[("l", "a.test")], &rules);
    let place = ports.at(ports.own);
    until(place, "a.test", "/plain", |answer| answer.status == 200).await;
    let ask = async |method: &str, path: &str, origin: &str| -> Answer {
        let request = Request::builder().method(method).uri(path).header("host", "a.test").header("origin", origin);
        let request = request.header("access-control-request-method", "PUT");
        send(place, request.body(Full::default()).unwrap()).await
    };
    let said = |answer: &Answer| -> Vec<String> {
        let names = ["allow-origin", "allow-methods", "expose-headers", "max-age"];
        let value = |name: &&str| answer.headers.get(format!("access-control-{name}"));
        names.iter().filter_map(value).map(|value| value.to_str().unwrap().to_owned()).collect()
    };
    let good = "https://x.site.test";
    for path in ["/rule", "/backend"] {
        let answer = ask("OPTIONS", path, good).await;
        assert_eq!(
            (answer.status, answer.body.as_str(), said(&answer)),
            (204, "", [good, "PUT", "x-a", "7"].map(str::to_owned).to_vec())
        );
        let answer = ask("OPTIONS", path, "https://other.test").await;
        assert_eq!((answer.status, said(&answer).len()), (204, 0), "the pod is not asked");
        let answer = ask("PUT", path, good).await;
        assert_eq!(
            (answer.body.clone(), said(&answer)),
            (format!("one PUT {path}"), [good, "x-a"].map(str::to_owned).to_vec())
        );
        let answer = ask("PUT", path, "https://other.test").await;
        assert_eq!((answer.status, said(&answer).len()), (200, 0), "a browser keeps the answer from the page");
    }
    let answer = ask("GET", "/bad", good).await;
    assert_eq!((answer.status, said(&answer)[0].as_str()), (500, good), "a page may read what went wrong");
    let answer = ask("OPTIONS", "/plain", good).await;
    assert_eq!((answer.body.as_str(), said(&answer).len()), ("one OPTIONS /plain", 0));
    bed.end().await;
}

#[tokio::test]
async fn copies_go_to_another_service_with_their_bodies() {
    let (one, two) = (Pod::start("one").await, Pod::start("two").await);
    let ports = Ports::new();
    let bed = Bed::start(ports.options(), &[one.place]).await;
    service(&bed, "one", one.place);
    service(&bed, "two", two.place);
    gateway(&bed, &json!([{"name": "l", "port": ports.own}]));
    let mirror = json!({"service": {"namespace": "n", "name": "two", "port": 80}, "numerator": 1, "denominator": 2});
    let rules = json!([{"matches": [prefix("")], "backends": [backend("one", 1)], "filters": {"mirrors": [mirror],
        "request": {"set": [{"name": "x-set", "value": "s"}]}}}]);
    route(&bed, "HTTPRoute", "r", &[("l", "a.test")], &rules);
    let place = ports.at(ports.own);
    until(place, "a.test", "/first", |answer| answer.status == 200).await;
    let large = Bytes::from(vec![b'x'; 300_000]);
    for _ in 0..3 {
        let request = Request::post("/echo").header("host", "a.test").body(Full::new(large.clone())).unwrap();
        assert_eq!(send(place, request).await.body.len(), 300_000);
    }
    // Every second one, of the first that was asked for until it was served, and three more.
    let expect = one.count() / 2;
    let copied = async {
        while two.count() < expect {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, copied).await.expect("copies never come");
    assert_eq!(two.count(), expect);
    assert_eq!(two.header("x-set").as_deref(), Some("s"));
    assert_eq!(two.header("content-length").as_deref(), Some("300000"));
    // A service that can't be reached holds up nobody.
    two.stop.cancel();
    for _ in 0..4 {
        assert_eq!(get(place, "a.test", "/x").await.status, 200);
    }
    bed.end().await;
}

/// A connection with TLS.
async fn tls(
    place: SocketAddr,
    host: &str,
    trusted: &[Vec<u8>],
    alpn: &[u8],
) -> Option<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    trusted.iter().for_each(|der| roots.add(CertificateDer::from(der.clone())).unwrap());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(place).await.ok()?;
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    timeout(PATIENCE, connector.connect(name, stream)).await.unwrap().ok()
}

async fn tls_until(
    place: SocketAddr,
    host: &str,
    trusted: &[Vec<u8>],
    alpn: &[u8],
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let ask = async {
        loop {
            if let Some(stream) = tls(place, host, trusted, alpn).await {
                return stream;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, ask).await.unwrap_or_else(|_| panic!("no TLS for {host}"))
}

async fn over_http2(stream: tokio_rustls::client::TlsStream<TcpStream>) -> http2::SendRequest<Full<Bytes>> {
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

#[tokio::test]
async fn tls_goes_by_name_and_port() {
    let pod = Pod::start("one").await;
    let ports = Ports::new();
    let bed = Bed::start(ports.options(), &[pod.place]).await;
    service(&bed, "one", pod.place);
    let mut certificates = Vec::new();
    for (name, host) in [("cert-a", "a.secure"), ("cert-b", "b.secure"), ("cert-c", "c.secure")] {
        let (object, der) = secret(name, host);
        bed.put("Secret", &object);
        certificates.push(der);
    }
    let listener = |name: &str, port: u16, certificate: &str| {
        json!({"name": name, "port": port, "tls": true, "hostname": format!("{name}.secure"),
            "certificates": [{"namespace": "n", "name": certificate}]})
    };
    gateway(
        &bed,
        &json!([
            listener("a", ports.https, "cert-a"),
            listener("b", ports.https, "cert-b"),
            listener("c", ports.own, "cert-c")
        ]),
    );
    let rules = json!([{"matches": [prefix("")], "backends": [backend("one", 1)]}]);
    route(&bed, "HTTPRoute", "r", &[("a", "a.secure"), ("b", "b.secure"), ("c", "c.secure")], &rules);
    let (https, own) = (ports.at(ports.https), ports.at(ports.own));
    let mut sender = over_http2(tls_until(https, "a.secure", &certificates, b"h2").await).await;
    let ask = |host: &str| Request::get(format!("https://{host}/x")).body(Full::default()).unwrap();
    let answer = read(timeout(PATIENCE, sender.send_request(ask("a.secure"))).await.unwrap().unwrap()).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "one GET /x"));
    assert_eq!(pod.header("x-forwarded-proto").as_deref(), Some("https"));
    // A connection that was made for one listener is none for another: the client may come with another.
    let answer = read(sender.send_request(ask("b.secure")).await.unwrap()).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (421, "421 TLS was begun for \"a.secure\", which another listener has\n")
    );
    drop(tls_until(https, "b.secure", &certificates, b"h2").await);
    assert!(tls(https, "c.secure", &certificates, b"h2").await.is_none(), "another port's");
    let mut sender = over_http2(tls_until(own, "c.secure", &certificates, b"h2").await).await;
    assert_eq!(read(sender.send_request(ask("c.secure")).await.unwrap()).await.status, 200);
    assert!(tls(own, "a.secure", &certificates, b"h2").await.is_none(), "another port's");
    drop(sender);
    bed.end().await;
}

#[tokio::test]
async fn calls_of_grpc_are_routed_and_refused_in_their_own_form() {
    let (one, two) = (Pod::start("one").await, Pod::start("two").await);
    let ports = Ports::new();
    let bed = Bed::start(ports.options(), &[one.place]).await;
    service(&bed, "one", one.place);
    service(&bed, "two", two.place);
    gateway(&bed, &json!([{"name": "l", "port": ports.own}]));
    let rules = json!([
        {"matches": [{"path": {"Exact": "/trailers"}, "rank": [9, 9, 0]}], "backends": [backend("one", 1)]},
        {"matches": [{"path": {"Exact": "/trailers"}, "headers": [{"name": "to", "value": "two"}], "rank": [9, 9, 1]}],
            "backends": [backend("two", 1)]},
        {"matches": [{"path": {"Prefix": "/a.Bad"}, "rank": [5, 0, 0]}], "backends": [{"fault": "gone", "weight": 1}]},
    ]);
    route(&bed, "GRPCRoute", "r", &[("l", "")], &rules);
    let place = ports.at(ports.own);
    until(place, "g.test", "/a.Bad/X", |answer| answer.status == 500).await;
    let stream = TcpStream::connect(place).await.unwrap();
    let (mut sender, connection) =
        http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut call = async |path: &str, to: Option<&str>| -> Response<Incoming> {
        let mut request = Request::post(format!("http://g.test{path}"))
            .version(Version::HTTP_2)
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(to) = to {
            request = request.header("to", to);
        }
        let request = request.body(Full::new(Bytes::from_static(b"\0\0\0\0\0"))).unwrap();
        timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap()
    };
    for (to, expect) in
        [(None, "one POST /trailers"), (Some("two"), "two POST /trailers"), (Some("else"), "one POST /trailers")]
    {
        let collected = call("/trailers", to).await.into_body().collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(collected.to_bytes(), expect);
    }
    for (path, code, words) in [
        ("/a.Bad/Call", "14", "gone"),
        ("/else", "12", "no route of a Gateway has a rule for host \"g.test\" and path \"/else\""),
    ] {
        let response = call(path, None).await;
        assert_eq!((response.status().as_u16(), &response.headers()["grpc-status"]), (200, &code.parse().unwrap()));
        assert_eq!(response.headers()["grpc-message"], words);
        assert_eq!(response.headers()["content-type"], "application/grpc");
        // A client takes headers that are not the end for those before messages, and misses the trailers then.
        assert!(response.into_body().is_end_stream(), "{path}");
    }
    drop(sender);
    bed.end().await;
}

#[tokio::test]
async fn what_takes_too_long_is_broken_off() {
    let pod = Pod::start("one").await;
    let ports = Ports::new();
    let bed = Bed::start(ports.options(), &[pod.place]).await;
    service(&bed, "one", pod.place);
    // A pod that begins an answer and never ends it.
    let slow = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    service(&bed, "slow", slow.local_addr().unwrap());
    let begins = tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = slow.accept().await {
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
            open.push(stream);
        }
    });
    gateway(&bed, &json!([{"name": "l", "port": ports.own}]));
    let rules = json!([
        {"matches": [prefix("/hold")], "backends": [backend("one", 1)], "request_ms": 60, "backend_request_ms": 40},
        {"matches": [prefix("/slow")], "backends": [backend("slow", 1)], "backend_request_ms": 300},
        {"matches": [prefix("")], "backends": [backend("one", 1)], "request_ms": 3_600_000},
    ]);
    route(&bed, "HTTPRoute", "r", &[("l", "")], &rules);
    let place = ports.at(ports.own);
    until(place, "h", "/ready", |answer| answer.status == 200).await;
    let answer = get(place, "h", "/hold").await;
    assert_eq!((answer.status, answer.body.as_str()), (504, "504 n/one:80 did not answer within 40 ms\n"));
    let stream = TcpStream::connect(place).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/slow").header("host", "h").body(Full::<Bytes>::default()).unwrap();
    let response = timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
    // On a machine that is slow itself it may be over before it has begun.
    if response.status() == 200 {
        assert!(
            timeout(PATIENCE, response.into_body().collect()).await.unwrap().is_err(),
            "a part is not taken for the whole"
        );
    } else {
        assert_eq!(response.status(), 504);
    }
    begins.abort();
    bed.end().await;
}

#[tokio::test]
async fn ports_come_and_go_and_are_shared_with_ingresses() {
    let (ingress, gate) = (Pod::start("ingress").await, Pod::start("gate").await);
    let ports = Ports::new();
    let bed = Bed::start(ports.options(), &[ingress.place]).await;
    service(&bed, "gate", gate.place);
    gateway(&bed, &json!([{"name": "shared", "port": ports.http}, {"name": "own", "port": ports.own}]));
    let rules = json!([{"matches": [prefix("")], "backends": [backend("gate", 1)]}]);
    route(&bed, "HTTPRoute", "r", &[("shared", ""), ("own", "")], &rules);
    let (shared, own) = (ports.at(ports.http), ports.at(ports.own));
    until(own, "a.test", "/x", |answer| answer.status == 200).await;
    // At the port of both the Ingress has the host that it names; at its own port the gateway has every host.
    for (place, host, expect) in [
        (shared, "a.test", "ingress GET /x"),
        (shared, "b.test", "gate GET /x"),
        (own, "a.test", "gate GET /x"),
        (own, "b.test", "gate GET /x"),
    ] {
        assert_eq!(get(place, host, "/x").await.body, expect, "{place} {host}");
    }
    // A host that both name is the Ingress'; a path of it that the Ingress has not is not the gateway's by name alone.
    route(&bed, "HTTPRoute", "named", &[("shared", "a.test")], &rules);
    route(&bed, "HTTPRoute", "other", &[("shared", "c.test")], &rules);
    until(shared, "c.test", "/x", |answer| answer.status == 200).await;
    assert_eq!(get(shared, "a.test", "/x").await.body, "ingress GET /x");
    // A connection that is joined lives on after its port is closed.
    let mut stream = TcpStream::connect(own).await.unwrap();
    let head = "GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut got = Vec::new();
    while !got.ends_with(b"\r\n\r\n") {
        got.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    assert!(got.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&got));
    bed.remove("Gateway", "g");
    let mut listening = bed.handle.listening.clone();
    timeout(PATIENCE, listening.wait_for(|all| all.iter().all(|place| place.address != own))).await.unwrap().unwrap();
    let refused = async {
        while TcpStream::connect(own).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, refused).await.expect("the port is never closed");
    stream.write_all(b"\0hello").await.unwrap();
    let mut back = [0; 6];
    timeout(PATIENCE, stream.read_exact(&mut back)).await.unwrap().unwrap();
    assert_eq!(&back, b"\0hello");
    assert_eq!(get(shared, "a.test", "/x").await.body, "ingress GET /x");
    until(shared, "b.test", "/x", |answer| answer.status == 404).await;
    // The same port again, by another gateway.
    gateway(&bed, &json!([{"name": "own", "port": ports.own}]));
    until(own, "b.test", "/x", |answer| answer.status == 200).await;
    drop(stream);
    bed.end().await;
}

#[tokio::test]
async fn a_port_that_another_has_is_told_until_it_is_free() {
    let pod = Pod::start("one").await;
    let ports = Ports::new();
    let other = std::net::TcpListener::bind(ports.at(ports.own)).unwrap();
    let options = ports.options();
    let problems = options.problems.clone();
    let bed = Bed::start(options, &[pod.place]).await;
    let mut changes = problems.subscribe();
    gateway(&bed, &json!([{"name": "l", "port": ports.own}]));
    let told = async {
        loop {
            let report = problems.report().problems;
            if let Some(problem) = report.first() {
                return problem.clone();
            }
            changes.changed().await;
        }
    };
    let told = timeout(PATIENCE, told).await.expect("it is told");
    assert_eq!((told.kind.as_str(), told.name.as_str(), told.reason.as_str()), ("Gateway", "g", "PortInUse"));
    let place = ports.at(ports.own);
    assert!(told.message.starts_with(&format!("can't listen at {place}, and goes on trying: ")), "{}", told.message);
    drop(other);
    let mut listening = bed.handle.listening.clone();
    timeout(PATIENCE, listening.wait_for(|all| all.iter().any(|at| at.address == place))).await.unwrap().unwrap();
    let gone = async {
        while !problems.report().problems.is_empty() {
            changes.changed().await;
        }
    };
    timeout(PATIENCE, gone).await.expect("it is told no more");
    bed.end().await;
}
