//! `pods/portforward` over SPDY, by itself or in the messages of a WebSocket → connections to ports of the pod: what kubectl
//! and other clients of Kubernetes speak.

use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::{Message, WebSocket};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use masthead_agent::spdy::serve::serve;
use masthead_agent::spdy::{ports, tunnel};
use masthead_api::core::pod::Pod;
use masthead_wire::stream::{StreamIo, StreamKind};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::server::state::State;
use crate::server::status::Failure;
use crate::server::streams;

/// The subprotocol of a WebSocket whose messages are SPDY's bytes.
pub const TUNNEL_PROTOCOL: &str = "SPDY/3.1+portforward.k8s.io";
/// What is spoken on the streams, in both cases.
const PROTOCOL: &str = "portforward.k8s.io";
const SPDY: &str = "SPDY/3.1";
const VERSION_HEADER: &str = "x-stream-protocol-version";
/// How long the last words may take to be sent.
const GOODBYE: Duration = Duration::from_secs(30);

/// Whether a request asks for SPDY without a WebSocket.
pub fn is_asked(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.to_ascii_lowercase().starts_with("spdy/"))
}

/// Takes the connection of a request that asks for SPDY.
///
/// # Errors
/// 400: it is no request for SPDY 3.1. 403: its streams would speak something else.
pub fn upgrade(state: &State, pod: &Pod, parts: &mut Parts) -> Result<Response, Failure> {
    let wanted = parts.headers.get(header::UPGRADE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if parts.method != Method::POST && parts.method != Method::GET || !wanted.eq_ignore_ascii_case(SPDY) {
        return Err(Failure::bad_request(format!("{wanted} is not supported: use {SPDY} or a WebSocket")));
    }
    let offered: Vec<String> = parts
        .headers
        .get_all(VERSION_HEADER)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|value| value.trim().to_owned())
        .collect();
    if !offered.is_empty() && !offered.iter().any(|protocol| protocol == PROTOCOL) {
        return Err(Failure::forbidden(format!(
            "unable to upgrade: unable to negotiate protocol: client supports {offered:?}, server accepts [{PROTOCOL}]"
        )));
    }
    let on_upgrade = parts.extensions.remove::<OnUpgrade>();
    let on_upgrade = on_upgrade.ok_or_else(|| Failure::bad_request("Upgrade request required"))?;
    let (state, pod) = (state.clone(), pod.clone());
    tokio::spawn(async move {
        match on_upgrade.await {
            Ok(io) => {
                let (from, to) = tokio::io::split(TokioIo::new(io));
                forward(&state, &pod, from, to).await;
            }
            Err(error) => tracing::debug!(%error, "a client went before its connection was SPDY's"),
        }
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, SPDY)
        .header(VERSION_HEADER, PROTOCOL)
        .body(Body::empty())
        .map_err(Failure::internal)
}

/// Serves SPDY's bytes in and out of messages.
pub async fn tunnel(state: &State, pod: &Pod, socket: WebSocket) {
    let bytes_of = |message| match message {
        Message::Binary(bytes) => Some(bytes),
        _ => None,
    };
    let (from, to) = tunnel::halves(socket, bytes_of, Message::Binary);
    forward(state, pod, from, to).await;
}

async fn forward<R, W>(state: &State, pod: &Pod, from: R, to: W)
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let (connection, wire) = serve(from, to);
    let work = ports::forward(connection, |port| connect(state, pod, port));
    tokio::pin!(wire);
    tokio::select! {
        () = &mut wire => return,
        () = work => {}
    }
    let _ = tokio::time::timeout(GOODBYE, wire).await;
}

async fn connect(state: &State, pod: &Pod, port: u16) -> Result<StreamIo, String> {
    let opened = streams::open(state, pod, StreamKind::PortForward { port }).await;
    opened.map_err(|failure| failure.body()["message"].as_str().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spdy_is_asked_for_in_the_upgrade() {
        let check = |value: Option<&str>, expect: bool| {
            let mut headers = HeaderMap::new();
            value.map(|value| headers.insert(header::UPGRADE, value.parse().unwrap()));
            assert_eq!(is_asked(&headers), expect, "{value:?}");
        };
        check(Some("SPDY/3.1"), true);
        check(Some("spdy/2"), true);
        check(Some("websocket"), false);
        check(None, false);
    }
}
