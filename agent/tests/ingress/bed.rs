//! A running Ingress with a manifest to write, pods that answer in many manners, and clients.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use masthead_agent::ingress::options::Options;
use masthead_agent::ingress::run::{self, Handle};
use masthead_wire::manifest::{Generation, NodeManifest};
use masthead_wire::object::{Attachment, AttachmentKey};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Settings in which nothing ends by itself while a slow machine works.
pub fn patient() -> Options {
    Options {
        addresses: vec![Ipv4Addr::LOCALHOST.into()],
        http_port: Some(0),
        https_port: Some(0),
        public_https_port: 8443,
        workers: 2,
        idle: PATIENCE,
        connect: PATIENCE,
        response: PATIENCE,
        stall: PATIENCE,
        drain: PATIENCE,
        ..Options::default()
    }
}

/// The Ingress.
pub struct Bed {
    pub handle: Handle,
    pub stop: CancellationToken,
    manifest: watch::Sender<Option<Arc<NodeManifest>>>,
}

impl Bed {
    /// Starts with these pods behind service `web`, to which all requests for host `a.test` go.
    pub async fn start(options: Options, pods: &[SocketAddr]) -> Self {
        let (manifest, receiver) = watch::channel(None);
        let stop = CancellationToken::new();
        let handle = run::start(receiver, options, stop.clone());
        let bed = Self { handle, stop, manifest };
        bed.put("Service", &json!({"metadata": {"namespace": "n", "name": "web"}, "spec": {"ports": [{"port": 80}]}}));
        bed.endpoints(pods);
        bed.put("Ingress", &ingress("web", &json!({"rules": [rule("a.test", "web")]})));
        // It listens when it knows the Ingress, which came last.
        let mut listening = bed.handle.listening.clone();
        timeout(PATIENCE, listening.wait_for(|all| all.len() == 2)).await.unwrap().unwrap();
        bed
    }

    /// Where it listens.
    pub fn place(&self, is_tls: bool) -> SocketAddr {
        self.handle.listening.borrow().iter().find(|place| place.is_tls == is_tls).unwrap().address
    }

    pub fn put(&self, kind: &str, object: &Value) {
        let attachment = Attachment::parse(kind, Bytes::from(object.to_string())).unwrap();
        self.manifest.send_modify(|held| {
            let mut next = held.as_deref().cloned().unwrap_or_default();
            next.generation = Generation { term: 1, counter: next.generation.counter + 1 };
            next.content.insert_attachment(Arc::new(attachment));
            *held = Some(Arc::new(next));
        });
    }

    pub fn remove(&self, kind: &str, name: &str) {
        let key = AttachmentKey { kind: kind.into(), namespace: "n".into(), name: name.into() };
        self.manifest.send_modify(|held| {
            let mut next = held.as_deref().cloned().unwrap_or_default();
            next.generation = Generation { term: 1, counter: next.generation.counter + 1 };
            next.content.attachments.remove(&key);
            *held = Some(Arc::new(next));
        });
    }

    /// The pods behind `web`.
    pub fn endpoints(&self, pods: &[SocketAddr]) {
        // Each has a port of its own here, so each is a slice of its own.
        for at in 0..4 {
            let here: Vec<Value> =
                pods.get(at).iter().map(|pod| json!({"addresses": [pod.ip().to_string()]})).collect();
            let port = pods.get(at).map_or(1, SocketAddr::port);
            self.put(
                "EndpointSlice",
                &json!({"metadata": {"namespace": "n", "name": format!("web-{at}"),
                "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4", "endpoints": here,
                "ports": [{"port": port}]}),
            );
        }
    }

    /// Asks until an answer has this status.
    pub async fn until(&self, path: &str, status: u16) -> Answer {
        let ask = async {
            loop {
                let answer = get(self.place(false), "a.test", path).await;
                if answer.status == status {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, ask).await.unwrap_or_else(|_| panic!("{path} never gave {status}"))
    }

    pub async fn end(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.handle.task).await.unwrap().unwrap();
    }
}

pub fn rule(host: &str, service: &str) -> Value {
    let backend = json!({"service": {"name": service, "port": {"number": 80}}});
    json!({"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}})
}

pub fn ingress(name: &str, spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec["ingressClassName"] = json!("masthead");
    json!({"metadata": {"namespace": "n", "name": name, "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": spec})
}

/// A certificate as a Secret, and its bytes for a client to trust.
pub fn secret(name: &str, host: &str) -> (Value, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
    let encode = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
    let data = json!({"tls.crt": encode(made.cert.pem()), "tls.key": encode(made.signing_key.serialize_pem())});
    (json!({"metadata": {"namespace": "n", "name": name}, "data": data}), made.cert.der().to_vec())
}

/// An answer as a test reads it.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

/// Sends bytes and reads to the end of the connection.
pub async fn raw(place: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(place).await.unwrap();
    // A refusal may come before all has been sent.
    let _ = stream.write_all(bytes).await;
    let mut out = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut out)).await.expect("the connection stays open");
    String::from_utf8_lossy(&out).into_owned()
}

/// A request on a connection of its own.
pub async fn get(place: SocketAddr, host: &str, path: &str) -> Answer {
    let request = Request::builder().uri(path).header("host", host).body(Full::default()).unwrap();
    send(place, request).await
}

/// Sends a request on a connection of its own.
pub async fn send(place: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    let stream = TcpStream::connect(place).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let response = timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
    read(response).await
}

/// Reads an answer to its end.
pub async fn read(response: Response<Incoming>) -> Answer {
    let (parts, body) = response.into_parts();
    let body = timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() }
}

/// A pod: it answers `<name> <method> <path>`, and in its own manner below `/echo`, `/trailers`, `/refusal`, `/upgrade`, `/hold`.
pub struct Pod {
    pub place: SocketAddr,
    pub requests: Arc<AtomicUsize>,
    /// Headers of the last request.
    pub last: Arc<Mutex<HeaderMap>>,
    /// Lets `/hold` answer.
    pub release: CancellationToken,
    /// Ends the pod at once.
    pub stop: CancellationToken,
}

type PodBody = BoxBody<Bytes, hyper::Error>;

fn full(text: impl Into<Bytes>) -> PodBody {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}

impl Pod {
    pub async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let pod = Self {
            place: listener.local_addr().unwrap(),
            requests: Arc::default(),
            last: Arc::default(),
            release: CancellationToken::new(),
            stop: CancellationToken::new(),
        };
        let (requests, last) = (pod.requests.clone(), pod.last.clone());
        let (release, stop) = (pod.release.clone(), pod.stop.clone());
        tokio::spawn(async move {
            loop {
                let stream = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap().0,
                    () = stop.cancelled() => return,
                };
                let (requests, last) = (requests.clone(), last.clone());
                let (release, stop) = (release.clone(), stop.clone());
                tokio::spawn(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        requests.fetch_add(1, Ordering::SeqCst);
                        last.lock().unwrap().clone_from(request.headers());
                        answer(name, request, release.clone())
                    });
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let serving = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
                    tokio::select! {
                        _ = serving => {}
                        () = stop.cancelled() => {}
                    }
                });
            }
        });
        pod
    }

    pub fn count(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub fn header(&self, name: &str) -> Option<String> {
        self.headers(name).into_iter().next()
    }

    pub fn headers(&self, name: &str) -> Vec<String> {
        let last = self.last.lock().unwrap();
        last.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }
}

async fn answer(
    name: &str,
    mut request: Request<Incoming>,
    release: CancellationToken,
) -> Result<Response<PodBody>, Infallible> {
    let line = format!("{name} {} {}", request.method(), request.uri().path());
    let mut response = Response::new(full(line.clone()));
    match request.uri().path() {
        "/echo" => *response.body_mut() = request.into_body().boxed(),
        "/trailers" => {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            let frames = [Ok(Frame::data(Bytes::from(line))), Ok(Frame::trailers(trailers))];
            *response.body_mut() = StreamBody::new(futures::stream::iter(frames)).boxed();
            response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        }
        "/upgrade" => {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let Ok(io) = upgrade.await else { return };
                let (mut read, mut write) = tokio::io::split(TokioIo::new(io));
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response.headers_mut().insert("connection", "upgrade".parse().unwrap());
            response.headers_mut().insert("upgrade", "websocket".parse().unwrap());
            *response.body_mut() = full("");
        }
        "/refusal" => {
            response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
            response.headers_mut().insert("grpc-status", "5".parse().unwrap());
            *response.body_mut() = full("");
        }
        "/hold" => release.cancelled().await,
        _ => {}
    }
    response.headers_mut().insert("connection-of-pod", "x".parse().unwrap());
    Ok(response)
}
