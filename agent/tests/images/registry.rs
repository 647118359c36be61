//! A small registry on loopback: tags, digests, token and basic authorization, and faults on demand.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use futures::StreamExt as _;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use masthead_agent::images::digest::Digest;

use crate::images::layer::Made;

type Body = BoxBody<Bytes, std::io::Error>;

/// What goes wrong with a blob.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Half of it comes, then the connection ends.
    Truncated,
    /// A shorter body, which says its own length.
    Short,
    /// One byte is another.
    Corrupt,
    /// More bytes than the manifest says.
    Long,
    /// It comes in pieces with a pause before each.
    Slow(Duration),
    /// An HTTP status.
    Status(u16),
    /// It is elsewhere on this server.
    Redirect,
}

/// Who may pull.
#[derive(Clone, Debug, Default)]
pub enum Access {
    #[default]
    Open,
    Basic(String, String),
    /// A token from `/token`, for this user or, when None, for anybody.
    Bearer(Option<(String, String)>),
}

#[derive(Default)]
struct State {
    manifests: HashMap<String, (String, Vec<u8>)>,
    blobs: HashMap<String, Vec<u8>>,
    faults: HashMap<String, Fault>,
    access: Access,
    requests: Vec<String>,
    /// Requests a token serves before it is no longer taken.
    token_uses: Option<u32>,
    tokens: u32,
    uses: u32,
}

/// A running registry; it ends when dropped.
pub struct Registry {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Registry {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                let serve = service_fn(move |request| {
                    let response = answer(&state, address, &request);
                    async move { Ok::<_, Infallible>(response) }
                });
                connections.spawn(async move {
                    let _ =
                        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), serve).await;
                });
            }
        });
        Self { address, state, task }
    }

    pub fn name(&self, image: &str) -> String {
        format!("{}/{image}", self.address)
    }

    pub fn push(&self, repository: &str, tag: &str, image: &Made) {
        let mut state = self.state.lock().unwrap();
        for blob in image.blobs.iter().chain([&image.config]) {
            state.blobs.insert(Digest::of(blob).to_string(), blob.clone());
        }
        drop(state);
        self.manifest(repository, tag, "application/vnd.oci.image.manifest.v1+json", &image.manifest);
    }

    pub fn manifest(&self, repository: &str, tag: &str, kind: &str, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap();
        for name in [tag.to_owned(), Digest::of(bytes).to_string()] {
            state.manifests.insert(format!("{repository}/manifests/{name}"), (kind.to_owned(), bytes.to_vec()));
        }
    }

    pub fn fault(&self, blob: &[u8], fault: Option<Fault>) {
        let mut state = self.state.lock().unwrap();
        let digest = Digest::of(blob).to_string();
        match fault {
            Some(fault) => state.faults.insert(digest, fault),
            None => state.faults.remove(&digest),
        };
    }

    pub fn access(&self, access: Access) {
        self.state.lock().unwrap().access = access;
    }

    pub fn token_uses(&self, uses: u32) {
        self.state.lock().unwrap().token_uses = Some(uses);
    }

    /// The paths asked for since the last call.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }
}

fn answer(state: &Mutex<State>, address: SocketAddr, request: &Request<Incoming>) -> Response<Body> {
    let mut state = state.lock().unwrap();
    let path = request.uri().path().to_owned();
    state.requests.push(path.clone());
    let given = request.headers().get(AUTHORIZATION).and_then(|h| h.to_str().ok()).unwrap_or_default().to_owned();
    if path == "/token" {
        return token(&mut state, request.uri().query().unwrap_or_default(), &given);
    }
    if let Some(refusal) = refuse(&mut state, address, &given) {
        return refusal;
    }
    let rest = path.strip_prefix("/v2/").unwrap_or(&path);
    if let Some((kind, bytes)) = state.manifests.get(rest) {
        return Response::builder().header(CONTENT_TYPE, kind).body(full(bytes.clone())).unwrap();
    }
    let digest = rest.rsplit('/').next().unwrap_or_default();
    let fault = if rest.starts_with("moved/") { None } else { state.faults.get(digest).copied() };
    match state.blobs.get(digest) {
        Some(bytes) => blob(bytes.clone(), digest, fault),
        None => {
            let text = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
            Response::builder().status(404).body(full(text)).unwrap()
        }
    }
}

fn token(state: &mut State, query: &str, given: &str) -> Response<Body> {
    if let Access::Bearer(Some((user, password))) = &state.access
        && given != basic(user, password)
    {
        return Response::builder().status(401).body(full("bad credentials")).unwrap();
    }
    assert!(query.contains("scope=repository%3A") && query.contains("service=test"), "{query}");
    state.tokens += 1;
    state.uses = 0;
    Response::new(full(format!(r#"{{"token":"t{}"}}"#, state.tokens)))
}

fn refuse(state: &mut State, address: SocketAddr, given: &str) -> Option<Response<Body>> {
    let challenge = match &state.access {
        Access::Open => return None,
        Access::Basic(user, password) if given == basic(user, password) => return None,
        Access::Basic(..) => "Basic realm=\"test\"".to_owned(),
        Access::Bearer(_) => {
            let current = state.tokens > 0 && given == format!("Bearer t{}", state.tokens);
            state.uses += 1;
            if current && state.token_uses.is_none_or(|most| state.uses <= most) {
                return None;
            }
            format!("Bearer realm=\"http://{address}/token\",service=\"test\"")
        }
    };
    let text = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
    Some(Response::builder().status(401).header(WWW_AUTHENTICATE, challenge).body(full(text)).unwrap())
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

fn blob(mut bytes: Vec<u8>, digest: &str, fault: Option<Fault>) -> Response<Body> {
    let half = bytes.len() / 2;
    match fault {
        None => {}
        Some(Fault::Corrupt) => bytes[half] ^= 1,
        Some(Fault::Long) => bytes.push(0),
        Some(Fault::Short) => bytes.truncate(half),
        Some(Fault::Status(code)) => {
            return Response::builder().status(StatusCode::from_u16(code).unwrap()).body(full("no")).unwrap();
        }
        Some(Fault::Redirect) => {
            return Response::builder()
                .status(307)
                .header(LOCATION, format!("/v2/moved/{digest}"))
                .body(full(""))
                .unwrap();
        }
        Some(Fault::Truncated) => {
            let length = bytes.len();
            bytes.truncate(half);
            let pieces = [Ok(Frame::data(Bytes::from(bytes))), Err(std::io::Error::other("cut"))];
            let body = BodyExt::boxed(StreamBody::new(futures::stream::iter(pieces)));
            return Response::builder().header(CONTENT_LENGTH, length).body(body).unwrap();
        }
        Some(Fault::Slow(pause)) => {
            let pieces: Vec<Bytes> = bytes.chunks(bytes.len().div_ceil(8)).map(Bytes::copy_from_slice).collect();
            let body = futures::stream::iter(pieces).then(move |piece| async move {
                tokio::time::sleep(pause).await;
                Ok(Frame::data(piece))
            });
            return Response::new(BodyExt::boxed(StreamBody::new(Box::pin(sync(body)))));
        }
    }
    Response::new(full(bytes))
}

/// `BoxBody` asks for Sync; the stream is only ever polled by one task.
fn sync<S: futures::Stream<Item = Result<Frame<Bytes>, std::io::Error>> + Send + 'static>(
    stream: S,
) -> impl futures::Stream<Item = Result<Frame<Bytes>, std::io::Error>> + Send + Sync {
    let (to, from) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        let mut stream = Box::pin(stream);
        while let Some(item) = stream.next().await {
            if to.send(item).await.is_err() {
                break;
            }
        }
    });
    tokio_stream::wrappers::ReceiverStream::new(from)
}

fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}
