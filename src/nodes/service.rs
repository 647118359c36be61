//! Turns gRPC calls into joins, renewals, sessions and streams; here it is decided who may.

use futures::StreamExt;
use masthead_wire::limits::{HANDSHAKE_TIMEOUT, MAX_MESSAGE_BYTES, PROTOCOL};
use masthead_wire::pb;
use masthead_wire::pb::from_agent::Message;
use masthead_wire::pb::join_server::Join;
use masthead_wire::pb::node_link_server::NodeLink;
use masthead_wire::pki::authority;
use masthead_wire::pki::identity::{Peer, peer};
use masthead_wire::pki::token::{Error as TokenError, Token};
use masthead_wire::report::Hello;
use masthead_wire::stream::STREAM_ID;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::report::What;
use super::shared::Shared;
use super::{members, session};

/// Largest message that an agent may send.
pub const MAX_FROM_AGENT_BYTES: usize = MAX_MESSAGE_BYTES;
/// A token that two nodes use at the same time is read again this often.
const REDEEM_ATTEMPTS: usize = 5;

/// The gRPC edge.
#[derive(Clone)]
pub struct Edge(pub(super) Arc<Shared>);

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Who speaks: from the certificate that TLS has verified, never from a message.
fn who<T>(request: &Request<T>) -> Result<Peer, Status> {
    let certificates = request.peer_certs();
    let certificate = certificates.as_deref().and_then(|c| c.first());
    let certificate =
        certificate.ok_or_else(|| Status::unauthenticated("a node's certificate is needed: join first"))?;
    peer(certificate).ok_or_else(|| Status::permission_denied("the certificate is not a node's"))
}

fn internal(error: impl std::fmt::Display) -> Status {
    tracing::error!(%error, "can't serve a node");
    Status::unavailable("the control plane can't answer now")
}

impl Edge {
    async fn redeem(&self, token: &Token, node: &str, public_key: &[u8]) -> Result<String, Status> {
        let unknown = || refused(TokenError::Unknown(token.id().to_owned()));
        for _ in 0..REDEEM_ATTEMPTS {
            let record = self.0.tokens.load(token.id()).await.map_err(internal)?;
            let record = record.ok_or_else(unknown)?;
            let now = SystemTime::now();
            let now_unix_s = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let after = record.redeem(token, now_unix_s).map_err(refused)?;
            // Only one with a good token learns which nodes are connected.
            if self.0.nodes().is_live(node) {
                let why = format!("a node {node} is connected already; take another name");
                return Err(Status::already_exists(why));
            }
            let certificate = self.issue(node, public_key, now)?;
            let replaced = self.0.tokens.replace(&record, &after).await;
            if replaced.map_err(internal)? {
                return Ok(certificate);
            }
        }
        Err(Status::unavailable("too many nodes join with this token at the same time"))
    }

    fn issue(&self, node: &str, public_key: &[u8], now: SystemTime) -> Result<String, Status> {
        let lifetime = self.0.node_lifetime;
        let issued = self.0.authority.issue_node(node, public_key, now, lifetime);
        issued.map_err(|error| match error {
            authority::Error::NodeName(_) | authority::Error::PublicKey => Status::invalid_argument(error.to_string()),
            other => internal(other),
        })
    }

    fn credentials(&self, certificate_pem: String) -> Response<pb::Credentials> {
        let ca_pem = self.0.authority.certificate_pem().to_owned();
        Response::new(pb::Credentials { certificate_pem, ca_pem })
    }
}

fn refused(error: TokenError) -> Status {
    match error {
        TokenError::Form => Status::invalid_argument(error.to_string()),
        _ => Status::permission_denied(error.to_string()),
    }
}

#[tonic::async_trait]
impl Join for Edge {
    async fn join(&self, request: Request<pb::JoinRequest>) -> Result<Response<pb::Credentials>, Status> {
        let request = request.into_inner();
        let token: Token = request.token.parse().map_err(refused)?;
        let node = &request.node_name;
        let certificate = self.redeem(&token, node, &request.public_key).await;
        if let Err(status) = &certificate {
            tracing::warn!(token = token.id(), why = status.message(), "a node may not join");
        }
        let certificate = certificate?;
        tracing::info!(%node, token = token.id(), "a node has joined");
        self.0.notice(node, What::Joined);
        Ok(self.credentials(certificate))
    }
}

#[tonic::async_trait]
impl NodeLink for Edge {
    type ConnectStream = Answers<pb::ToAgent>;
    type StreamStream = Answers<pb::Frame>;

    async fn connect(
        &self,
        request: Request<Streaming<pb::FromAgent>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let peer = who(&request)?;
        let node = peer.node.clone();
        let mut messages = request.into_inner();
        let hello = hello(&mut messages).await?;
        let (to_agent, answers) = members::queue();
        let stop = self.0.stop.child_token();
        let admitted = self.0.nodes().admit(peer, &hello.instance, to_agent, stop);
        let admitted = match admitted {
            Ok(admitted) => admitted,
            Err(status) => {
                let why = status.message().to_owned();
                tracing::warn!(%node, %why, "a session was turned away");
                self.0.notice(&node, What::Intruder { why });
                return Err(status);
            }
        };
        tracing::info!(%node, instance = %hello.instance, "a node has connected");
        tokio::spawn(session::run(self.0.clone(), admitted, hello, messages));
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }

    async fn stream(&self, request: Request<Streaming<pb::Frame>>) -> Result<Response<Self::StreamStream>, Status> {
        let peer = who(&request)?;
        let id = request.metadata().get(STREAM_ID);
        let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
        let ends = self.0.streams.dialled(&peer.node, id);
        let (feed, frames) = ends.ok_or_else(|| Status::not_found("nobody waits for this stream any more"))?;
        let stop = self.0.stop.clone();
        let incoming = request.into_inner();
        tokio::spawn(async move {
            tokio::select! {
                () = feed.run(incoming) => {}
                () = stop.cancelled() => {}
            }
        });
        let stop = self.0.stop.clone().cancelled_owned();
        let frames = ReceiverStream::new(frames).map(Ok).take_until(stop);
        Ok(Response::new(Box::pin(frames)))
    }

    async fn renew(&self, request: Request<pb::RenewRequest>) -> Result<Response<pb::Credentials>, Status> {
        let peer = who(&request)?;
        let public_key = request.into_inner().public_key;
        let certificate = self.issue(&peer.node, &public_key, SystemTime::now())?;
        tracing::info!(node = %peer.node, "a node's certificate was renewed");
        Ok(self.credentials(certificate))
    }
}

async fn hello(messages: &mut Streaming<pb::FromAgent>) -> Result<Hello, Status> {
    let late = || Status::deadline_exceeded("no greeting came");
    let first = tokio::time::timeout(HANDSHAKE_TIMEOUT, messages.message()).await;
    let first = first.map_err(|_| late())??.and_then(|m| m.message);
    let Some(Message::Hello(hello)) = first else {
        return Err(Status::invalid_argument("the first message is not a greeting"));
    };
    let hello = Hello::try_from(hello).map_err(|e| Status::invalid_argument(e.to_string()))?;
    if hello.protocol != PROTOCOL {
        let theirs = hello.protocol;
        return Err(Status::failed_precondition(format!(
            "the agent speaks version {theirs} of the protocol, the control plane {PROTOCOL}"
        )));
    }
    Ok(hello)
}
