//! `pods/portforward` → connections to ports of the pod: over a WebSocket's channels, of each the data and the errors, or over
//! SPDY.

use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use futures::{SinkExt, StreamExt};
use masthead_api::core::pod::Pod;
use masthead_wire::stream::{Exit, Input, OutputFrame, StreamIo, StreamKind};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::server::channel::{self, FORWARD_PROTOCOL};
use crate::server::query::Query;
use crate::server::state::State;
use crate::server::status::Failure;
use crate::server::{exec, spdy, streams};

/// Ports of one connection at most: each has two channels, and 255 is the last.
const PORTS_MAX: usize = 127;

/// Messages that wait for a slow client.
const WAITING_MAX: usize = 32;

/// Connects to ports of a pod.
///
/// # Errors
/// 400.
pub async fn forward(state: &State, pod: &Pod, query: &Query, parts: &mut Parts) -> Result<Response, Failure> {
    streams::has_node(pod)?;
    if spdy::is_asked(&parts.headers) {
        return spdy::upgrade(state, pod, parts);
    }
    let upgrade = exec::websocket(parts, &[spdy::TUNNEL_PROTOCOL, FORWARD_PROTOCOL]).await?;
    let (state, pod) = (state.clone(), pod.clone());
    if upgrade.selected_protocol().is_some_and(|protocol| protocol == spdy::TUNNEL_PROTOCOL) {
        return Ok(upgrade.on_upgrade(async move |socket| spdy::tunnel(&state, &pod, socket).await).into_response());
    }
    let ports = ports(query)?;
    Ok(upgrade.on_upgrade(async move |socket| serve(&state, &pod, &ports, socket).await).into_response())
}

fn ports(query: &Query) -> Result<Vec<u16>, Failure> {
    let texts = query.all("ports").flat_map(|value| value.split(','));
    let ports: Vec<u16> = texts
        .map(|text| {
            text.trim()
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| Failure::bad_request(format!("port {text:?} must be between 1 and 65535")))
        })
        .collect::<Result<_, _>>()?;
    match ports.len() {
        0 => Err(Failure::bad_request("query parameter \"ports\" is required")),
        1..=PORTS_MAX => Ok(ports),
        _ => Err(Failure::bad_request(format!("at most {PORTS_MAX} ports can be forwarded on one connection"))),
    }
}

async fn serve(state: &State, pod: &Pod, ports: &[u16], socket: WebSocket) {
    let (mut to_client, mut from_client) = socket.split();
    let (tx, mut rx) = mpsc::channel::<Bytes>(WAITING_MAX);
    let mut inputs: Vec<Option<Input>> = Vec::new();
    let mut pumps = JoinSet::new();
    for (data, port) in (0_u8..).step_by(2).zip(ports) {
        for message in [channel::port(data, *port), channel::port(data + 1, *port)] {
            if to_client.send(Message::Binary(message)).await.is_err() {
                return;
            }
        }
        match streams::open(state, pod, StreamKind::PortForward { port: *port }).await {
            Ok(io) => {
                inputs.push(Some(io.input()));
                pumps.spawn(pump(io, data, *port, tx.clone()));
            }
            Err(failure) => {
                inputs.push(None);
                let why = failure.body()["message"].as_str().unwrap_or_default().to_owned();
                let _ = to_client.send(Message::Binary(channel::write(data + 1, why.as_bytes()))).await;
            }
        }
    }
    drop(tx);
    loop {
        tokio::select! {
            piece = rx.recv() => match piece {
                Some(piece) => if to_client.send(Message::Binary(piece)).await.is_err() { return },
                // All connections have ended.
                None => break,
            },
            message = from_client.next() => match message {
                Some(Ok(Message::Binary(bytes))) => take(&inputs, &bytes).await,
                Some(Ok(Message::Text(_) | Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
        }
    }
    // A client that is gone already needs no farewell.
    let _ = to_client.send(Message::Close(None)).await;
    let _ = to_client.close().await;
}

async fn take(inputs: &[Option<Input>], message: &Bytes) {
    // Ours alone: the close of v5, so that a connection that is closed on one side goes on on the other.
    let (channel, ends) = match (message.first(), message.get(1)) {
        (Some(&channel::CLOSE), Some(channel)) => (*channel, true),
        (Some(channel), _) => (*channel, false),
        (None, _) => return,
    };
    if channel % 2 != 0 {
        return;
    }
    if let Some(Some(input)) = inputs.get(usize::from(channel / 2)) {
        // A connection that has ended takes no more; the others go on.
        let _ = if ends { input.close_stdin().await } else { input.stdin(message.slice(1..)).await };
    }
}

async fn pump(mut io: StreamIo, data: u8, port: u16, tx: mpsc::Sender<Bytes>) {
    while let Some(frame) = io.next().await {
        let message = match frame {
            OutputFrame::Stdout(bytes) => channel::write(data, &bytes),
            OutputFrame::Stderr(bytes) => channel::write(data + 1, &bytes),
            OutputFrame::Exit(Exit::Code(_)) => return,
            OutputFrame::Exit(Exit::Failed { message, .. }) => {
                channel::write(data + 1, format!("an error occurred forwarding {port}: {message}").as_bytes())
            }
        };
        if tx.send(message).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_in_both_forms() {
        let check = |query: &str, expect: Option<&[u16]>| {
            assert_eq!(ports(&Query::parse(query).unwrap()).ok().as_deref(), expect, "{query}")
        };
        check("ports=80", Some(&[80]));
        check("ports=80,81&ports=82", Some(&[80, 81, 82]));
        check("", None);
        check("ports=0", None);
        check("ports=65536", None);
        check(&"ports=1&".repeat(128), None);
    }
}
