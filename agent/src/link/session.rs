//! One session: what the control plane says goes to the plan and the streams, what the agent has
//! to say goes out of the outbox.

use masthead_wire::limits::{MAX_MESSAGE_BYTES, MESSAGE_QUEUE, PROTOCOL};
use masthead_wire::manifest::{Generation, Holding, Manifest, NodeManifest};
use masthead_wire::parts::Part;
use masthead_wire::pb;
use masthead_wire::pb::from_agent::Message;
use masthead_wire::pb::node_link_client::NodeLinkClient;
use masthead_wire::report::Hello;
use masthead_wire::stream::{Exit, STREAM_ID, StreamRequest, agent_end};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

use super::join::describe;
use super::persist;
use super::plan::{Action, Input};
use super::state::{LinkState, Shared, Welcome};

/// How often problems that stay are told again: the Events that they are told by last for an hour (kube-apiserver's
/// `--event-ttl`).
const PROBLEMS_AGAIN: Duration = Duration::from_secs(15 * 60);

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The control plane ended it, or the connection did.
    #[error("{}", describe(.0))]
    Status(#[from] Status),
    /// The control plane closed it without a word.
    #[error("the control plane closed the session")]
    Closed,
    /// The control plane speaks another version.
    #[error("the control plane speaks version {0} of the protocol, this agent {PROTOCOL}")]
    Protocol(u32),
    /// The control plane broke the rules.
    #[error("the control plane's first message is not a welcome")]
    NoWelcome,
    /// The manifest can't be stored: what can't survive a restart is not acted on.
    #[error("can't store the manifest: {0}")]
    Persist(#[from] persist::Error),
    /// A task of ours broke.
    #[error("can't store the manifest: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// Runs a session until it ends. `welcomed` is set once it was up.
pub(super) async fn run(shared: &Arc<Shared>, channel: Channel, welcomed: &mut bool) -> Result<(), Error> {
    let (tx, rx) = mpsc::channel(MESSAGE_QUEUE);
    shared.plan().reconnect();
    shared.outbox().reconnect();
    let hello = from_agent(Message::Hello(hello(shared).into()));
    // The queue is new and empty: this does not wait.
    tx.send(hello).await.map_err(|_| Error::Closed)?;
    let mut client = client(channel.clone());
    let answer = client.connect(ReceiverStream::new(rx)).await?;
    let mut messages = answer.into_inner();
    let welcome = match next(&mut messages).await? {
        pb::to_agent::Message::Welcome(welcome) => welcome,
        _ => return Err(Error::NoWelcome),
    };
    if welcome.protocol != PROTOCOL {
        return Err(Error::Protocol(welcome.protocol));
    }
    *welcomed = true;
    let welcome = Welcome { lease_s: welcome.lease_s, term: welcome.term, cluster: welcome.cluster };
    // Three beats may be lost before the lease is.
    let beat = Duration::from_millis(u64::from(welcome.lease_s.max(1)) * 250);
    shared.state.send_replace(LinkState::Connected(welcome));
    tokio::select! {
        ended = write(shared, tx, beat) => ended,
        ended = read(shared, channel, messages) => ended,
    }
}

fn client(channel: Channel) -> NodeLinkClient<Channel> {
    NodeLinkClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES)
}

fn from_agent(message: Message) -> pb::FromAgent {
    let message = Some(message);
    pb::FromAgent { message }
}

fn hello(shared: &Shared) -> Hello {
    let plan = shared.plan();
    let held = plan.held();
    let holding = held.map(|m| Holding::from(&m.content));
    Hello {
        protocol: PROTOCOL,
        instance: shared.instance.clone(),
        facts: shared.facts.borrow().clone(),
        held: plan.generation(),
        holding: holding.unwrap_or_default(),
    }
}

async fn next(messages: &mut Streaming<pb::ToAgent>) -> Result<pb::to_agent::Message, Error> {
    loop {
        match messages.message().await? {
            Some(pb::ToAgent { message: Some(m) }) => return Ok(m),
            // A kind of message that a later version added.
            Some(pb::ToAgent { message: None }) => {}
            None => return Err(Error::Closed),
        }
    }
}

async fn write(shared: &Shared, tx: mpsc::Sender<pb::FromAgent>, beat: Duration) -> Result<(), Error> {
    // The outbox begins with one: a second at once would name the old manifest while the new one is on its way, and two
    // that do are taken for a loss.
    let mut beats = tokio::time::interval_at(tokio::time::Instant::now() + beat, beat);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut again = tokio::time::interval_at(tokio::time::Instant::now() + PROBLEMS_AGAIN, PROBLEMS_AGAIN);
    again.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut tables, mut problems) = (shared.tables.subscribe(), shared.problems.subscribe());
    shared.outbox().problems(shared.problems.report());
    loop {
        // Room first, so that what goes is the newest there is then.
        let room = tx.reserve().await.map_err(|_| Error::Closed)?;
        let held = shared.plan().generation();
        let message = {
            let mut outbox = shared.outbox();
            outbox.applied(shared.tables.applied());
            outbox.next(held)
        };
        match message {
            Some(message) => room.send(from_agent(message)),
            None => {
                drop(room);
                tokio::select! {
                    () = shared.wake.notified() => {}
                    () = tables.changed() => {}
                    () = problems.changed() => shared.outbox().problems(shared.problems.report()),
                    _ = again.tick() => shared.outbox().problems_again(),
                    _ = beats.tick() => shared.outbox().beat(),
                    () = tx.closed() => return Err(Error::Closed),
                }
            }
        }
    }
}

async fn read(shared: &Arc<Shared>, channel: Channel, mut messages: Streaming<pb::ToAgent>) -> Result<(), Error> {
    use pb::to_agent::Message;
    loop {
        match next(&mut messages).await? {
            Message::Manifest(part) => manifest(shared, part).await?,
            Message::Open(open) => {
                tokio::spawn(stream(shared.clone(), channel.clone(), open));
            }
            Message::Ping(ping) => {
                shared.outbox().pong(ping.nonce);
                shared.wake.notify_one();
            }
            Message::Recall(recall) => {
                let held = shared.plan().held().cloned();
                shared.outbox().recall(&recall.uids, held.as_deref());
                shared.wake.notify_one();
            }
            Message::Welcome(_) => {}
        }
    }
}

async fn manifest(shared: &Arc<Shared>, part: pb::ManifestPart) -> Result<(), Error> {
    let generation = part.generation.map(Generation::from).unwrap_or_default();
    let input = match Part::try_from(part) {
        Ok(part) => Input::Part(part),
        Err(error) => Input::Broken { generation, why: error.to_string() },
    };
    // The plan is put back to what is stored if storing fails: the next session then tells the
    // control plane the truth.
    let before = shared.plan().clone();
    let actions = shared.plan().step(input);
    for action in actions {
        match action {
            Action::Accept { next, step } => {
                if let Err(error) = accept(shared, next, step).await {
                    *shared.plan() = before;
                    return Err(error);
                }
            }
            Action::Reply(reply) => shared.outbox().reply(reply),
        }
    }
    shared.wake.notify_one();
    Ok(())
}

async fn accept(shared: &Arc<Shared>, next: Arc<NodeManifest>, step: Manifest) -> Result<(), Error> {
    let (journal, manifest) = (shared.journal.clone(), next.clone());
    let store = move || {
        let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
        journal.store(&manifest, &step)
    };
    tokio::task::spawn_blocking(store).await??;
    shared.outbox().accepted(&next);
    shared.tables.held(next.generation);
    shared.manifest.send_replace(Some(next));
    Ok(())
}

async fn stream(shared: Arc<Shared>, channel: Channel, open: pb::StreamOpen) {
    let Ok(id) = MetadataValue::try_from(open.id.as_str()) else {
        tracing::warn!("the control plane asked for a stream without a proper id");
        return;
    };
    let (io, feed, frames) = agent_end();
    match StreamRequest::try_from(open) {
        Ok(request) => shared.streams.open(request, io),
        Err(error) => {
            let exit = Exit::Failed { reason: "BadRequest".into(), message: error.to_string() };
            // The queue is new and empty: this does not wait.
            let _ = io.output.exit(exit).await;
        }
    }
    let mut request = Request::new(ReceiverStream::new(frames));
    request.metadata_mut().insert(STREAM_ID, id);
    match client(channel).stream(request).await {
        Ok(answer) => feed.run(answer.into_inner()).await,
        Err(status) => tracing::info!(why = %describe(&status), "a stream was not taken"),
    }
}
