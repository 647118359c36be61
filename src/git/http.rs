//! Git's smart HTTP protocol into runs of `git http-backend`, streamed both ways.

use std::path::PathBuf;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::{Stream, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::io::ReaderStream;

use crate::git::process::{self, Group};
use crate::git::text;

/// Bytes of the header block a CGI program may give.
const CGI_HEADER_BYTES_MAX: u64 = 16 * 1024;
/// Bytes of one line of a backend's standard error that are logged.
const LOG_LINE_BYTES_MAX: u64 = 4096;

/// How a repository is served.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name in the address: `/<name>.git`.
    pub name: String,
    /// The bare repository.
    pub repository: PathBuf,
    /// Bytes of one request's body.
    pub body_bytes_max: u64,
    /// Seconds a request's body may pause.
    pub idle_s: u64,
    /// Seconds one request may take with all the progress its pusher watches.
    pub total_s: u64,
    /// Backends at once; a further request gets 503.
    pub backends_max: usize,
}

impl Options {
    /// The usual bounds for a repository: 2 GiB a push, 60 s without a byte, 2 h in all, 64 at once.
    pub fn new(name: impl Into<String>, repository: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            repository: repository.into(),
            body_bytes_max: 2 << 30,
            idle_s: 60,
            total_s: 2 * 3600,
            backends_max: 64,
        }
    }
}

/// Who pushes, put into a request's extensions by the layer that checked it; hooks see it as REMOTE_USER.
#[derive(Clone, Debug)]
pub struct Pusher(pub String);

struct Server {
    options: Options,
    slots: Arc<Semaphore>,
}

/// A router that serves one repository; who may come in is for a layer around it. Only the smart protocol is served,
/// no file of the repository.
pub fn router(options: Options) -> Router {
    let base = format!("/{}.git", options.name);
    let server = Arc::new(Server { slots: Arc::new(Semaphore::new(options.backends_max)), options });
    Router::new()
        .route(&format!("{base}/info/refs"), get(advertise))
        .route(&format!("{base}/git-upload-pack"), axum::routing::post(upload_pack))
        .route(&format!("{base}/git-receive-pack"), axum::routing::post(receive_pack))
        .with_state(server)
}

async fn advertise(State(server): State<Arc<Server>>, request: Request) -> Response {
    match request.uri().query() {
        Some("service=git-upload-pack" | "service=git-receive-pack") => serve(server, "/info/refs", request).await,
        _ => plain(
            StatusCode::FORBIDDEN,
            "only git's smart HTTP protocol is served here: use `git clone` or `git push`\n",
        ),
    }
}

async fn upload_pack(State(server): State<Arc<Server>>, request: Request) -> Response {
    serve(server, "/git-upload-pack", request).await
}

async fn receive_pack(State(server): State<Arc<Server>>, request: Request) -> Response {
    serve(server, "/git-receive-pack", request).await
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

async fn serve(server: Arc<Server>, path: &'static str, request: Request) -> Response {
    let Ok(slot) = Arc::clone(&server.slots).try_acquire_owned() else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "too many git requests at once, try again\n");
    };
    let limit = server.options.body_bytes_max;
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|n| n > limit) {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, "the push is larger than this server accepts\n");
    }
    let Some(mut command) = backend(&server.options, path, &request) else {
        return plain(
            StatusCode::BAD_REQUEST,
            "a header is malformed
",
        );
    };
    let spawned = Group::spawn(&mut command);
    let mut group = match spawned {
        Ok(group) => group,
        Err(error) => {
            tracing::error!(%error, "starting git http-backend");
            return plain(StatusCode::INTERNAL_SERVER_ERROR, "git could not be started on the server\n");
        }
    };
    let child = group.child();
    let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "git could not be started on the server\n");
    };
    tokio::spawn(log_lines(stderr));
    let feed = Box::pin(feed(request.into_body(), stdin, limit, Duration::from_secs(server.options.idle_s)));
    let total = tokio::time::sleep(Duration::from_secs(server.options.total_s));
    answer(group, slot, stdout, feed, Box::pin(total)).await
}

/// The command with CGI's variables (RFC 3875) and nothing else of ours; None when a header is malformed.
fn backend(options: &Options, path: &str, request: &Request) -> Option<Command> {
    let mut command = process::git();
    command.arg("http-backend").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
        .env("GIT_PROJECT_ROOT", &options.repository)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", path)
        .env("REQUEST_METHOD", if request.method() == Method::POST { "POST" } else { "GET" })
        .env("QUERY_STRING", request.uri().query().unwrap_or(""))
        .env("SERVER_PROTOCOL", "HTTP/1.1")
        .env("GATEWAY_INTERFACE", "CGI/1.1");
    for (name, variable) in [
        (header::CONTENT_TYPE, "CONTENT_TYPE"),
        (header::CONTENT_LENGTH, "CONTENT_LENGTH"),
        (header::CONTENT_ENCODING, "HTTP_CONTENT_ENCODING"),
        (HeaderName::from_static("git-protocol"), "GIT_PROTOCOL"),
    ] {
        let Some(value) = request.headers().get(&name) else { continue };
        match value.to_str() {
            Ok(value) if value.len() <= 256 => drop(command.env(variable, value)),
            _ => return None,
        }
    }
    if let Some(Pusher(name)) = request.extensions().get::<Pusher>() {
        command.env("REMOTE_USER", name.replace(|c: char| c.is_control(), "?"));
    }
    Some(command)
}

type Feed = Pin<Box<dyn Future<Output = Result<(), &'static str>> + Send>>;

/// Hands a request's body to the backend; an error says why the request must be given up.
async fn feed(body: Body, mut stdin: ChildStdin, limit: u64, idle: Duration) -> Result<(), &'static str> {
    let mut body = body.into_data_stream();
    let mut total = 0;
    loop {
        let next = tokio::time::timeout(idle, body.next()).await.map_err(|_| "the request paused for too long")?;
        let Some(chunk) = next else { break };
        let chunk = chunk.map_err(|_| "the client went away")?;
        total += chunk.len() as u64;
        if total > limit {
            return Err("the push is larger than this server accepts");
        }
        // A backend that answers early (a refused pack) closes its input; its answer still counts.
        if stdin.write_all(&chunk).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn answer(
    group: Group,
    slot: OwnedSemaphorePermit,
    stdout: ChildStdout,
    mut feed: Feed,
    mut total: Pin<Box<tokio::time::Sleep>>,
) -> Response {
    let mut stdout = BufReader::new(stdout);
    let mut fed = false;
    let head = {
        let head = read_head(&mut stdout);
        tokio::pin!(head);
        loop {
            tokio::select! {
                head = &mut head => break head,
                done = &mut feed, if !fed => match done {
                    Ok(()) => fed = true,
                    Err(why) => return give_up(why),
                },
                () = &mut total => return give_up("the request took too long"),
            }
        }
    };
    let Some((status, headers)) = head else {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "git failed on the server; its log says why\n");
    };
    let out = Output {
        stdout: ReaderStream::with_capacity(stdout, 32 * 1024),
        feed: (!fed).then_some(feed),
        total,
        _group: group,
        _slot: slot,
    };
    let mut response = Response::new(Body::from_stream(out));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn give_up(why: &'static str) -> Response {
    tracing::warn!(why, "giving up a git request");
    let status = if why.contains("larger") { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::REQUEST_TIMEOUT };
    (status, [(header::CONNECTION, "close")], format!("{why}\n")).into_response()
}

/// The header block of a CGI answer; None when there is none.
async fn read_head(stdout: &mut BufReader<ChildStdout>) -> Option<(StatusCode, HeaderMap)> {
    let (mut status, mut headers, mut any) = (StatusCode::OK, HeaderMap::new(), false);
    let mut limited = stdout.take(CGI_HEADER_BYTES_MAX);
    loop {
        let mut line = Vec::new();
        limited.read_until(b'\n', &mut line).await.ok()?;
        if line.pop() != Some(b'\n') {
            return None;
        }
        let line = line.trim_ascii_end();
        if line.is_empty() {
            return any.then_some((status, headers));
        }
        any = true;
        let colon = line.iter().position(|b| *b == b':')?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"Status") {
            status = StatusCode::from_bytes(value.get(..3)?).ok()?;
        } else {
            headers.append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
        }
    }
}

/// The body of an answer. Dropping it (the client has gone) ends the backend and its hooks.
struct Output {
    stdout: ReaderStream<BufReader<ChildStdout>>,
    /// What is left of the request's body; driven here so that both directions move.
    feed: Option<Feed>,
    total: Pin<Box<tokio::time::Sleep>>,
    _group: Group,
    _slot: OwnedSemaphorePermit,
}

impl Stream for Output {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Option<Self::Item>> {
        let give_up = |why: &str| Poll::Ready(Some(Err(std::io::Error::other(why.to_owned()))));
        if let Some(feed) = self.feed.as_mut() {
            match feed.as_mut().poll(cx) {
                Poll::Ready(Ok(())) => self.feed = None,
                Poll::Ready(Err(why)) => return give_up(why),
                Poll::Pending => {}
            }
        }
        if self.total.as_mut().poll(cx).is_ready() {
            return give_up("the request took too long");
        }
        self.stdout.poll_next_unpin(cx)
    }
}

async fn log_lines(stderr: tokio::process::ChildStderr) {
    let mut stderr = BufReader::new(stderr);
    loop {
        let mut line = Vec::new();
        match (&mut stderr).take(LOG_LINE_BYTES_MAX).read_until(b'\n', &mut line).await {
            Ok(1..) => tracing::info!(target: "masthead::git::http", "{}", text::line_of_bytes(line.trim_ascii_end())),
            _ => break,
        }
    }
}
