//! A listener and routes → served connections: plain on loopback for this machine alone, else TLS and a token.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use masthead_wire::pki::authority::{Authority, SERVER_LIFETIME};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::daemon::data::{self, Data};
use crate::git::http::Pusher;
use crate::server::status::Failure;

/// The file of the token that a public API asks for.
pub const TOKEN_FILE: &str = "token";

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a client may take to send a request's head.
const HEAD: Duration = Duration::from_secs(30);

/// Bytes of randomness in the token.
const TOKEN_BYTES: usize = 32;

/// Serves until the program ends.
///
/// # Errors
/// The token or the certificate cannot be made.
pub fn serve(
    listener: TcpListener,
    routes: Router,
    public: bool,
    authority: &Arc<Authority>,
    data: &Data,
) -> Result<()> {
    let routes = routes.layer(middleware::from_fn(as_oneself));
    if !public {
        let routes = routes.layer(middleware::from_fn(only_this_machine));
        tokio::spawn(accept(listener, routes, None));
        return Ok(());
    }
    let token: Arc<str> = token(data.root())?.into();
    let address = listener.local_addr()?.ip().to_string();
    let host = nix::unistd::gethostname()?.to_string_lossy().into_owned();
    let pair = authority.issue_server(&[address, host, "localhost".to_owned()], SystemTime::now(), SERVER_LIFETIME)?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(pair.chain, pair.key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let routes = routes.layer(middleware::from_fn(move |request: Request, next: Next| {
        let token = token.clone();
        async move { with_token(&token, request, next).await }
    }));
    tokio::spawn(accept(listener, routes, Some(TlsAcceptor::from(Arc::new(config)))));
    Ok(())
}

/// The token of a data directory, made at the first call.
///
/// # Errors
/// The file cannot be read or written.
pub fn token(root: &Path) -> Result<String> {
    let path = root.join(TOKEN_FILE);
    if let Ok(known) = std::fs::read_to_string(&path) {
        return Ok(known.trim().to_owned());
    }
    let bytes: [u8; TOKEN_BYTES] = rand::random();
    let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    data::write_private(&path, token.as_bytes()).context("writing the token")?;
    Ok(token)
}

async fn accept(listener: TcpListener, routes: Router, tls: Option<TlsAcceptor>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: others will be given back.
                tracing::warn!(%error, "taking a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (routes, tls) = (routes.clone(), tls.clone());
        tokio::spawn(async move {
            // A small answer must not wait for the next one.
            let _ = stream.set_nodelay(true);
            connection(stream, routes, tls).await;
        });
    }
}

async fn connection(stream: TcpStream, routes: Router, tls: Option<TlsAcceptor>) {
    let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let routes = routes.clone();
        async move {
            Ok::<_, Infallible>(
                routes.oneshot(request.map(axum::body::Body::new)).await.unwrap_or_else(|never| match never {}),
            )
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(hyper_util::rt::TokioTimer::new()).header_read_timeout(HEAD);
    let served = match tls {
        None => builder.serve_connection_with_upgrades(TokioIo::new(stream), answer).await,
        Some(tls) => match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
            Ok(Ok(stream)) => builder.serve_connection_with_upgrades(TokioIo::new(stream), answer).await,
            Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => return tracing::debug!("a TLS handshake took too long"),
        },
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection broke");
    }
}

/// Nobody acts as somebody else here; an answer to `kubectl --as` would be the caller's own.
async fn as_oneself(request: Request, next: Next) -> Response {
    if request.headers().keys().any(|name| name.as_str().starts_with("impersonate-")) {
        return Failure::forbidden("acting as another user (--as, --as-group, --as-uid) is not supported yet")
            .into_response();
    }
    next.run(request).await
}

/// On loopback anybody on this machine may come in, but no page in a browser: not under another host's name, which is
/// how a rebound DNS name looks, and not from another origin.
async fn only_this_machine(mut request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|h| h.to_str().ok())
        .map(str::to_owned)
        .or_else(|| request.uri().authority().map(ToString::to_string));
    if !host.as_deref().is_some_and(is_local) {
        return Failure::forbidden(format!(
            "the API is for this machine alone, and {:?} is not its name",
            host.unwrap_or_default()
        ))
        .into_response();
    }
    let origin = request.headers().get(header::ORIGIN).and_then(|o| o.to_str().ok());
    if origin.is_some_and(|origin| !origin.split_once("://").is_some_and(|(_, host)| is_local(host))) {
        return Failure::forbidden("requests from pages of other origins are not taken").into_response();
    }
    request.extensions_mut().insert(Pusher("local".to_owned()));
    next.run(request).await
}

/// Whether a `HOST[:PORT]` is this machine.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

async fn with_token(token: &str, mut request: Request, next: Next) -> Response {
    let open = matches!(request.uri().path(), "/healthz" | "/livez" | "/readyz");
    match presented(request.headers()) {
        Some((user, given)) if same(given.as_bytes(), token.as_bytes()) => {
            request.extensions_mut().insert(Pusher(user));
            next.run(request).await
        }
        _ if open => next.run(request).await,
        _ => {
            let failure = Failure::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized");
            let mut response = failure.into_response();
            // git asks for a password when it sees this.
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Basic realm=\"masthead\""));
            response
        }
    }
}

/// The user and token of a request: a bearer token, or a password beside any user name, which is what git sends.
fn presented(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    if let Some(token) = value.strip_prefix("Bearer ") {
        return Some(("token".to_owned(), token.trim().to_owned()));
    }
    let decoded = STANDARD.decode(value.strip_prefix("Basic ")?.trim()).ok()?;
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// Whether two texts are equal, in a time that does not tell where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |acc, (a, b)| acc | (a ^ b))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        let check = |host: &str, expect: bool| assert_eq!(is_local(host), expect, "{host}");
        check("127.0.0.1:7070", true);
        check("localhost", true);
        check("[::1]:7070", true);
        check("127.8.9.1", true);
        check("evil.example:7070", false);
        check("10.0.0.1:7070", false);
        check("localhost.evil.example", false);
        check("", false);
    }

    #[test]
    fn git_and_clients_present_their_token_differently() {
        let check = |value: &str, expect: Option<(&str, &str)>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().expect("a header"));
            assert_eq!(presented(&headers), expect.map(|(u, t)| (u.to_owned(), t.to_owned())), "{value}");
        };
        check("Bearer abc", Some(("token", "abc")));
        check("Basic dXNlcjphYmM=", Some(("user", "abc")));
        check("Basic ???", None);
        check("Digest x", None);
    }
}
