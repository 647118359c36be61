//! `pods/exec` and `pods/attach` over a WebSocket → a process on the pod's node, its streams as channels.

use axum::extract::FromRequestParts;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::request::Parts;
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use masthead_api::core::pod::Pod;
use masthead_wire::pb;
use masthead_wire::stream::{Exit, Input, OutputFrame, StreamKind};

use crate::server::channel::{self, PROTOCOLS, Said};
use crate::server::query::Query;
use crate::server::state::State;
use crate::server::status::Failure;
use crate::server::{containers, streams};

/// Bytes of one message at most.
const MESSAGE_MAX: usize = 1024 * 1024;

/// Bytes of a command at most.
const COMMAND_MAX: usize = 256 * 1024;

/// Runs a command in a container.
///
/// # Errors
/// 400 before the upgrade; later faults are the `Status` of channel 3.
pub async fn exec(state: &State, pod: &Pod, query: &Query, parts: &mut Parts) -> Result<Response, Failure> {
    let command: Vec<String> = query.all("command").map(str::to_owned).collect();
    if command.is_empty() {
        return Err(Failure::bad_request("you must specify at least one command for execution"));
    }
    if command.iter().map(String::len).sum::<usize>() > COMMAND_MAX {
        return Err(Failure::bad_request(format!("a command has at most {COMMAND_MAX} bytes")));
    }
    let (container, wants) = (containers::choose(pod, query.get("container"))?, Wants::of(query)?);
    let Wants { stdin, stdout, stderr, tty } = wants;
    let kind = StreamKind::Exec(pb::Exec { container, command, stdin, stdout, stderr, tty });
    upgrade(state, pod, kind, wants, parts).await
}

/// Joins the process of a container.
///
/// # Errors
/// 400 before the upgrade; later faults are the `Status` of channel 3.
pub async fn attach(state: &State, pod: &Pod, query: &Query, parts: &mut Parts) -> Result<Response, Failure> {
    let (container, wants) = (containers::choose(pod, query.get("container"))?, Wants::of(query)?);
    let Wants { stdin, stdout, stderr, tty } = wants;
    let kind = StreamKind::Attach(pb::Attach { container, stdin, stdout, stderr, tty });
    upgrade(state, pod, kind, wants, parts).await
}

/// Which streams a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wants {
    stdin: bool,
    stdout: bool,
    stderr: bool,
    tty: bool,
}

impl Wants {
    fn of(query: &Query) -> Result<Wants, Failure> {
        let wants = Wants {
            stdin: query.flag("stdin"),
            stdout: query.flag("stdout"),
            stderr: query.flag("stderr"),
            tty: query.flag("tty"),
        };
        if !(wants.stdin || wants.stdout || wants.stderr) {
            return Err(Failure::bad_request("you must specify at least one of stdin, stdout, stderr"));
        }
        // A terminal has one stream of output.
        Ok(Wants { stderr: wants.stderr && !wants.tty, ..wants })
    }
}

/// Takes the WebSocket of a request that wants one of these protocols.
///
/// # Errors
/// 400: SPDY, no WebSocket, or another protocol.
pub async fn websocket(parts: &mut Parts, protocols: &'static [&'static str]) -> Result<WebSocketUpgrade, Failure> {
    let wanted = parts.headers.get(header::UPGRADE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    if wanted.to_ascii_lowercase().starts_with("spdy/") {
        return Err(Failure::bad_request(format!(
            "{wanted} is not supported: use a WebSocket with the protocol {}",
            protocols.join(" or ")
        )));
    }
    if parts.method != Method::GET || !wanted.eq_ignore_ascii_case("websocket") {
        return Err(Failure::bad_request("Upgrade request required"));
    }
    let offered: Vec<String> = parts
        .headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .map(str::to_owned)
        .collect();
    let refused = |rejection: &dyn std::fmt::Display| {
        Failure::bad_request(format!("the WebSocket handshake is broken: {rejection}"))
    };
    let upgrade = WebSocketUpgrade::from_request_parts(parts, &()).await.map_err(|rejection| refused(&rejection))?;
    let upgrade =
        upgrade.protocols(protocols.iter().copied()).max_message_size(MESSAGE_MAX).max_frame_size(MESSAGE_MAX);
    if upgrade.selected_protocol().is_none() {
        return Err(Failure::bad_request(format!(
            "none of the protocols {:?} is supported: use {}",
            offered.join(", "),
            protocols.join(" or ")
        )));
    }
    Ok(upgrade)
}

async fn upgrade(
    state: &State,
    pod: &Pod,
    kind: StreamKind,
    wants: Wants,
    parts: &mut Parts,
) -> Result<Response, Failure> {
    streams::has_node(pod)?;
    let upgrade = websocket(parts, &PROTOCOLS).await?;
    let (state, pod) = (state.clone(), pod.clone());
    Ok(upgrade.on_upgrade(async move |socket| serve(&state, &pod, kind, wants, socket).await).into_response())
}

async fn serve(state: &State, pod: &Pod, kind: StreamKind, wants: Wants, socket: WebSocket) {
    let (mut to_client, from_client) = socket.split();
    let mut io = match streams::open(state, pod, kind).await {
        Ok(io) => io,
        Err(failure) => {
            let body = failure.body().to_string();
            return end(&mut to_client, body.as_bytes()).await;
        }
    };
    // Input goes on its own, so that a process that does not read holds up no output.
    let input = tokio::spawn(listen(from_client, io.input(), wants.stdin));
    let input = tokio_util::task::AbortOnDropHandle::new(input);
    loop {
        let sent = match io.next().await {
            Some(OutputFrame::Stdout(bytes)) if wants.stdout => {
                to_client.send(Message::Binary(channel::write(channel::STDOUT, &bytes))).await
            }
            Some(OutputFrame::Stderr(bytes)) if wants.stderr => {
                to_client.send(Message::Binary(channel::write(channel::STDERR, &bytes))).await
            }
            Some(OutputFrame::Stdout(_) | OutputFrame::Stderr(_)) => continue,
            Some(OutputFrame::Exit(exit)) => {
                break end(&mut to_client, channel::status(&exit).to_string().as_bytes()).await;
            }
            None => {
                break end(
                    &mut to_client,
                    channel::status(&Exit::internal("the stream to the node ended")).to_string().as_bytes(),
                )
                .await;
            }
        };
        if sent.is_err() || input.is_finished() {
            // The client has gone.
            break;
        }
    }
}

async fn end(to_client: &mut SplitSink<WebSocket, Message>, status: &[u8]) {
    // A client that is gone needs no status.
    let _ = to_client.send(Message::Binary(channel::write(channel::STATUS, status))).await;
    let _ = to_client.send(Message::Close(Some(CloseFrame { code: close_code::NORMAL, reason: "".into() }))).await;
    let _ = to_client.close().await;
}

async fn listen(mut from_client: SplitStream<WebSocket>, input: Input, stdin: bool) {
    while let Some(Ok(message)) = from_client.next().await {
        let said = match message {
            Message::Binary(bytes) => channel::read(&bytes),
            Message::Text(text) => channel::read(&text.as_bytes().to_vec().into()),
            Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) => continue,
        };
        let done = match said {
            Said::Stdin(bytes) if stdin => input.stdin(bytes).await,
            Said::StdinEnds if stdin => input.close_stdin().await,
            Said::Resize(size) => input.resize(size).await,
            _ => Ok(()),
        };
        if done.is_err() {
            // The process has ended; its status is on the way, and pings must be answered until it is out.
            continue;
        }
    }
}
