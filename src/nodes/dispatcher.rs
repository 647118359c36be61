//! Starts the server that agents dial, and is what the rest of the control plane holds of it.

use masthead_wire::limits::STREAM_OPEN_TIMEOUT;
use masthead_wire::listen;
use masthead_wire::manifest::NodeContent;
use masthead_wire::pb;
use masthead_wire::pb::join_server::JoinServer;
use masthead_wire::pb::node_link_server::NodeLinkServer;
use masthead_wire::pki::authority::Authority;
use masthead_wire::pki::tls;
use masthead_wire::pki::token::TokenStore;
use masthead_wire::stream::{StreamIo, StreamRequest};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::members::{Node, Nodes};
use super::plan::{Event, Tables};
use super::report::Report;
use super::service::{Edge, MAX_FROM_AGENT_BYTES};
use super::shared::Shared;
use super::streams::Pending;

/// Reports that wait for the control loop. When it is full, agents keep what they have to say.
const REPORTS: usize = 4096;
/// How long open connections may take to end at a shutdown.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// Why the dispatcher can't do what it is asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No TLS configuration.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// The node has no session.
    #[error("node {0} is not connected")]
    NotConnected(String),
    /// The node has a session and does not dial the stream.
    #[error("node {0} did not answer within {STREAM_OPEN_TIMEOUT:?}")]
    NoAnswer(String),
    /// Somebody has the reports already.
    #[error("reports have one subscriber, and it is there already")]
    Subscribed,
}

/// How the dispatcher is set up.
pub struct Options {
    /// Where agents dial.
    pub listener: TcpListener,
    /// Signs and verifies.
    pub authority: Arc<Authority>,
    /// Names and addresses for the server's certificate, beside the one that agents ask for.
    pub names: Vec<String>,
    /// Join tokens.
    pub tokens: Arc<dyn TokenStore>,
    /// Higher than that of every control plane that led before; see [`super::report::What::Ahead`].
    pub term: u64,
    /// A node that is silent for this long is taken for lost; agents beat four times as often.
    pub lease_s: u32,
    /// How long a node's certificate is valid.
    pub node_lifetime: Duration,
    /// Facts that every agent is told: domain, DNS address, version.
    pub cluster: BTreeMap<String, String>,
}

/// How a node is, seen from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// Its name.
    pub name: String,
    /// Which instance of the agent has a session.
    pub instance: Option<String>,
    /// Whether it holds, by its own word, all that it should.
    pub settled: bool,
}

/// The dispatcher, cheap to clone.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

/// Starts to serve. The task ends after [`Handle::stop`].
pub fn start(options: Options) -> Result<(Handle, JoinHandle<()>), Error> {
    let config = tls::server(options.authority.clone(), options.names)?;
    let (reports, unclaimed) = mpsc::channel(REPORTS);
    let stop = CancellationToken::new();
    let shared = Arc::new(Shared {
        authority: options.authority,
        tokens: options.tokens,
        lease_s: options.lease_s.max(1),
        node_lifetime: options.node_lifetime,
        cluster: options.cluster,
        nodes: Mutex::new(Nodes::new(options.term)),
        streams: Pending::default(),
        reports,
        unclaimed: Mutex::new(Some(unclaimed)),
        stop: stop.clone(),
    });
    let edge = Edge(shared.clone());
    let link = NodeLinkServer::new(edge.clone()).max_decoding_message_size(MAX_FROM_AGENT_BYTES);
    let incoming = listen::incoming(options.listener, config, stop.clone());
    let task = tokio::spawn(async move {
        let serve = listen::server()
            .add_service(JoinServer::new(edge))
            .add_service(link)
            .serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
        let late = async {
            stop.cancelled().await;
            tokio::time::sleep(SHUTDOWN).await;
        };
        tokio::select! {
            served = serve => if let Err(error) = served {
                tracing::error!(%error, "the server for agents has ended");
            },
            () = late => {}
        }
    });
    Ok((Handle(shared), task))
}

impl Handle {
    /// Says what a node should hold. Level-triggered: the newest wins, only the difference is
    /// sent, and it may be said before the node connects. Before the first call nothing is sent:
    /// a node keeps what it has, so learn what it holds first ([`super::report::What::Hello`], [`Handle::recall`]).
    pub fn set_node(&self, name: &str, content: impl Into<Arc<NodeContent>>) {
        let wanted = Event::Wanted(content.into());
        self.0.nodes().entry(name).step(wanted);
    }

    /// Forgets a node without a session, with what it should hold; false where it has one.
    pub fn forget_node(&self, name: &str) -> bool {
        self.0.nodes().forget(name)
    }

    /// Raises the term; a lower one changes nothing. See [`super::report::What::Ahead`].
    pub fn set_term(&self, term: u64) {
        self.0.nodes().set_term(term);
    }

    /// What agents say. There is one subscriber; while it does not read, agents keep the newest
    /// of each pod and wait.
    pub fn subscribe_reports(&self) -> Result<mpsc::Receiver<Report>, Error> {
        let unclaimed = &self.0.unclaimed;
        let mut unclaimed = unclaimed.lock().unwrap_or_else(PoisonError::into_inner);
        unclaimed.take().ok_or(Error::Subscribed)
    }

    /// Asks a node for the pods that it holds (no uids: for all); [`super::report::What::Recalled`] answers.
    pub async fn recall(&self, node: &str, uids: Vec<String>) -> Result<(), Error> {
        let recall = pb::to_agent::Message::Recall(pb::Recall { uids });
        self.tell(node, recall).await
    }

    /// How long a message to a node and back takes.
    pub async fn ping(&self, node: &str) -> Result<Duration, Error> {
        let (nonce, pong) = self.0.streams.await_pong();
        let sent = Instant::now();
        let ping = pb::to_agent::Message::Ping(pb::Ping { nonce });
        self.tell(node, ping).await?;
        pong.wait().await.map_err(|_| Error::NoAnswer(node.into()))?;
        Ok(sent.elapsed())
    }

    /// Opens a stream to a node: logs, exec, attach or port-forward.
    pub async fn open_stream(&self, node: &str, request: StreamRequest) -> Result<StreamIo, Error> {
        let (id, io, dialled) = self.0.streams.add(node);
        let open = pb::to_agent::Message::Open(request.into_open(id));
        self.tell(node, open).await?;
        let answer = dialled.wait().await;
        answer.map_err(|_| Error::NoAnswer(node.into()))?;
        Ok(io)
    }

    async fn tell(&self, node: &str, message: pb::to_agent::Message) -> Result<(), Error> {
        let to_agent = self.0.nodes().to_agent(node);
        let gone = || Error::NotConnected(node.to_owned());
        let to_agent = to_agent.ok_or_else(gone)?;
        let message = pb::ToAgent { message: Some(message) };
        let sent = tokio::time::timeout(STREAM_OPEN_TIMEOUT, to_agent.send(Ok(message))).await;
        match sent {
            Ok(sent) => sent.map_err(|_| gone()),
            Err(_) => Err(Error::NoAnswer(node.to_owned())),
        }
    }

    /// Nodes that have a session or content, by name.
    pub fn nodes(&self) -> Vec<NodeState> {
        let nodes = self.0.nodes();
        let state = |(name, node): (&String, &Node)| NodeState {
            name: name.clone(),
            instance: node.instance().map(str::to_owned),
            settled: node.settled(),
        };
        nodes.iter().map(state).collect()
    }

    /// What the tables of the nodes that have a session say, by their own word.
    pub fn tables(&self) -> Vec<Tables> {
        let nodes = self.0.nodes();
        nodes.iter().filter_map(|(_, node)| node.tables()).collect()
    }

    /// Names of the nodes that have a session.
    pub fn connected(&self) -> Vec<String> {
        let nodes = self.0.nodes();
        let live = nodes.iter().filter(|(_, n)| n.instance().is_some());
        live.map(|(name, _)| name.clone()).collect()
    }

    /// Ends the session of a node, which dials again.
    pub fn end_session(&self, node: &str, why: &str) {
        self.0.nodes().end(node, why);
    }

    /// Ends every session and stream and stops to listen. Nodes keep what they run.
    pub fn stop(&self) {
        self.0.nodes().end_all("the control plane stops");
        self.0.stop.cancel();
    }
}
