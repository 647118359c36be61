//! The sessions of all nodes: who has one, what waits to be sent, and the two loops of each.

use masthead_wire::limits::{MESSAGE_QUEUE, PROTOCOL};
use masthead_wire::manifest::Manifest;
use masthead_wire::parts;
use masthead_wire::pb;
use masthead_wire::pb::from_agent::Message;
use masthead_wire::pki::identity::Peer;
use masthead_wire::report::Hello;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::convert;
use super::dispatcher::{Report, Shared, What};
use super::plan::{Action, Event, Sender, Tables};

const REPLACED: &str = "another session of this node began";

type ToAgent = mpsc::Sender<Result<pb::ToAgent, Status>>;

/// All nodes that have a session or content.
pub struct Nodes {
    term: u64,
    sessions: u64,
    nodes: BTreeMap<String, Node>,
}

/// One node.
pub struct Node {
    sender: Sender,
    /// The step that the session sends next.
    outbox: Option<Manifest>,
    /// Parts of a step are on their way to the queue.
    sending: bool,
    has_content: bool,
    live: Option<Live>,
}

struct Live {
    number: u64,
    peer: Peer,
    instance: String,
    to_agent: ToAgent,
    wake: Arc<Notify>,
    stop: CancellationToken,
}

/// A session that was let in.
pub struct Admitted {
    pub(super) number: u64,
    pub(super) node: String,
    to_agent: ToAgent,
    wake: Arc<Notify>,
    stop: CancellationToken,
}

impl Nodes {
    /// No nodes, and the term of this control plane.
    pub fn new(term: u64) -> Self {
        Self { term, sessions: 0, nodes: BTreeMap::new() }
    }

    /// The term of this control plane.
    pub fn term(&self) -> u64 {
        self.term
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Node)> {
        self.nodes.iter()
    }

    pub(super) fn entry(&mut self, name: &str) -> &mut Node {
        if !self.nodes.contains_key(name) {
            let node =
                Node { sender: Sender::new(self.term), outbox: None, sending: false, has_content: false, live: None };
            self.nodes.insert(name.to_owned(), node);
        }
        self.nodes.get_mut(name).expect("it was inserted above")
    }

    pub(super) fn forget(&mut self, name: &str) {
        let Some(node) = self.nodes.get_mut(name) else {
            return;
        };
        node.has_content = false;
        node.sender.forget();
        if node.live.is_none() {
            self.nodes.remove(name);
        }
    }

    pub(super) fn set_term(&mut self, term: u64) {
        self.term = self.term.max(term);
        for node in self.nodes.values_mut() {
            node.step(Event::Term(term));
        }
    }

    pub(super) fn to_agent(&self, name: &str) -> Option<ToAgent> {
        let live = self.nodes.get(name)?.live.as_ref()?;
        Some(live.to_agent.clone())
    }

    pub(super) fn is_live(&self, name: &str) -> bool {
        self.nodes.get(name).is_some_and(|n| n.live.is_some())
    }

    pub(super) fn end_all(&mut self, why: &str) {
        for node in self.nodes.values_mut() {
            if let Some(live) = &node.live {
                live.end(why);
            }
        }
    }

    /// Lets a session in. One of the same agent, or of another with the same key, takes the
    /// place of the first; anybody else has to wait until the first is gone.
    pub(super) fn admit(
        &mut self,
        peer: Peer,
        instance: &str,
        to_agent: ToAgent,
        stop: CancellationToken,
    ) -> Result<Admitted, Status> {
        self.sessions += 1;
        let number = self.sessions;
        let name = peer.node.clone();
        let node = self.entry(&name);
        if let Some(first) = &node.live {
            if first.peer.key_digest != peer.key_digest && first.instance != instance {
                let why = format!("node {name} is connected already, with another certificate");
                return Err(Status::already_exists(why));
            }
            first.end(REPLACED);
        }
        let wake = Arc::new(Notify::new());
        node.outbox = None;
        node.sending = false;
        node.live = Some(Live {
            number,
            peer,
            instance: instance.to_owned(),
            to_agent: to_agent.clone(),
            wake: wake.clone(),
            stop: stop.clone(),
        });
        Ok(Admitted { number, node: name, to_agent, wake, stop })
    }

    /// Ends a session. False when another one has taken its place.
    fn leave(&mut self, admitted: &Admitted) -> bool {
        let Some(node) = self.current(admitted) else {
            return false;
        };
        node.live = None;
        node.outbox = None;
        node.step(Event::Down);
        if !node.has_content {
            self.nodes.remove(&admitted.node);
        }
        true
    }

    fn current(&mut self, admitted: &Admitted) -> Option<&mut Node> {
        let node = self.nodes.get_mut(&admitted.node)?;
        let number = node.live.as_ref()?.number;
        (number == admitted.number).then_some(node)
    }
}

impl Node {
    pub(super) fn instance(&self) -> Option<&str> {
        self.live.as_ref().map(|live| live.instance.as_str())
    }

    pub(super) fn tables(&self) -> Option<Tables> {
        self.sender.tables()
    }

    pub(super) fn settled(&self) -> bool {
        self.sender.settled()
    }

    /// Takes an event; what is to be sent waits in the outbox, the rest comes back.
    pub(super) fn step(&mut self, event: Event) -> Vec<Action> {
        self.has_content |= matches!(event, Event::Wanted(_));
        let mut rest = Vec::new();
        for action in self.sender.step(event) {
            match action {
                Action::Send(step) => {
                    self.outbox = Some(step);
                    if let Some(live) = &self.live {
                        live.wake.notify_one();
                    }
                }
                other => rest.push(other),
            }
        }
        rest
    }
}

impl Live {
    fn end(&self, why: &str) {
        let _ = self.to_agent.try_send(Err(Status::aborted(why)));
        self.stop.cancel();
    }
}

/// The queue of a session's messages to its agent.
pub fn queue() -> (ToAgent, mpsc::Receiver<Result<pb::ToAgent, Status>>) {
    mpsc::channel(MESSAGE_QUEUE)
}

fn to_agent(message: pb::to_agent::Message) -> Result<pb::ToAgent, Status> {
    let message = Some(message);
    Ok(pb::ToAgent { message })
}

/// Runs a session until it ends.
pub(super) async fn run(shared: Arc<Shared>, admitted: Admitted, hello: Hello, messages: Streaming<pb::FromAgent>) {
    let welcome = pb::to_agent::Message::Welcome(pb::Welcome {
        protocol: PROTOCOL,
        lease_s: shared.lease_s,
        term: shared.nodes().term(),
        cluster: shared.cluster.clone(),
    });
    let session = async {
        // The queue is new: there is room.
        if admitted.to_agent.send(to_agent(welcome)).await.is_err() {
            return "the connection was lost".to_owned();
        }
        tokio::select! {
            why = write(&shared, &admitted) => why,
            why = read(&shared, &admitted, hello, messages) => why,
        }
    };
    let why = tokio::select! {
        why = session => why,
        () = admitted.stop.cancelled() => "another session of this node began, or the control plane stops".into(),
    };
    admitted.stop.cancel();
    tracing::info!(node = %admitted.node, %why, "a session has ended");
    let room = tokio::select! {
        room = shared.reports.reserve() => room.ok(),
        // Nobody waits for a report then.
        () = shared.stop.cancelled() => None,
    };
    // Under the lock, so that no report of a next session comes before this one.
    let mut nodes = shared.nodes();
    if nodes.leave(&admitted)
        && let Some(room) = room
    {
        let node = admitted.node;
        let what = What::Disconnected { why };
        room.send(Report { node, what });
    }
}

/// Waits for room. What a replaced session still has to say is not reported: the next one has
/// said it again. An error says why the session ends.
async fn report(shared: &Shared, admitted: &Admitted, what: What) -> Result<(), String> {
    let room = shared.reports.reserve().await;
    let room = room.map_err(|_| "nobody reads what nodes report".to_owned())?;
    let mut nodes = shared.nodes();
    if nodes.current(admitted).is_none() {
        return Err(REPLACED.into());
    }
    let node = admitted.node.clone();
    room.send(Report { node, what });
    Ok(())
}

/// Sends steps, part by part.
async fn write(shared: &Shared, admitted: &Admitted) -> String {
    loop {
        let step = match shared.nodes().current(admitted) {
            Some(node) => {
                let step = node.outbox.take();
                node.sending = step.is_some();
                step
            }
            None => return REPLACED.into(),
        };
        let Some(step) = step else {
            admitted.wake.notified().await;
            continue;
        };
        for part in parts::split(&step) {
            let part = pb::to_agent::Message::Manifest(part);
            if admitted.to_agent.send(to_agent(part)).await.is_err() {
                return "the connection was lost".into();
            }
        }
    }
}

async fn read(shared: &Shared, admitted: &Admitted, hello: Hello, messages: Streaming<pb::FromAgent>) -> String {
    match read_all(shared, admitted, hello, messages).await {
        Ok(never) => match never {},
        Err(why) => why,
    }
}

async fn read_all(
    shared: &Shared,
    admitted: &Admitted,
    hello: Hello,
    mut messages: Streaming<pb::FromAgent>,
) -> Result<Infallible, String> {
    let begin = Event::Hello { held: hello.held, holding: hello.holding.clone() };
    report(shared, admitted, What::Hello(hello)).await?;
    step(shared, admitted, begin).await?;
    loop {
        let message = match messages.message().await {
            Ok(Some(pb::FromAgent { message: Some(m) })) => m,
            // A kind of message that a later version added.
            Ok(Some(pb::FromAgent { message: None })) => continue,
            Ok(None) => return Err("the agent closed the session".into()),
            Err(status) => return Err(format!("the connection was lost: {}", status.message())),
        };
        let (event, what) = take(shared, admitted, message).map_err(|error| {
            let why = format!("the agent sent a message that is not ours: {error}");
            let _ = admitted.to_agent.try_send(Err(Status::invalid_argument(&why)));
            why
        })?;
        if let Some(what) = what {
            report(shared, admitted, what).await?;
        }
        if let Some(event) = event {
            step(shared, admitted, event).await?;
        }
    }
}

async fn step(shared: &Shared, admitted: &Admitted, event: Event) -> Result<(), String> {
    let told = convert::told(&event);
    let rest = match shared.nodes().current(admitted) {
        Some(node) => node.step(event),
        None => return Err(REPLACED.into()),
    };
    for what in rest.into_iter().filter_map(convert::outcome).chain(told) {
        report(shared, admitted, what).await?;
    }
    Ok(())
}

/// What a message means to the plan, and what is reported of it.
fn take(
    shared: &Shared,
    admitted: &Admitted,
    message: Message,
) -> Result<(Option<Event>, Option<What>), masthead_wire::convert::Error> {
    if let Message::Pong(pong) = &message {
        shared.streams.pong(pong.nonce);
    }
    let all_sent = match shared.nodes().current(admitted) {
        Some(node) => !node.sending && node.outbox.is_none(),
        None => false,
    };
    convert::meaning(message, all_sent)
}
