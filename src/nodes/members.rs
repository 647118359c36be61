//! All nodes that have a session or content: who has one, and what waits to be sent.

use masthead_wire::limits::MESSAGE_QUEUE;
use masthead_wire::manifest::{Generation, Manifest};
use masthead_wire::pb;
use masthead_wire::pki::identity::Peer;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::plan::{Action, Event, Sender, Tables};

pub(super) const REPLACED: &str = "another session of this node began";

type ToAgent = mpsc::Sender<Result<pb::ToAgent, Status>>;

/// All nodes that have a session or content.
pub struct Nodes {
    term: u64,
    sessions: u64,
    nodes: BTreeMap<String, Node>,
    /// The newest that a node which is forgotten was sent: it may come back with it.
    forgotten: Generation,
}

/// One node.
pub struct Node {
    pub(super) sender: Sender,
    /// The step that the session sends next.
    pub(super) outbox: Option<Manifest>,
    /// Parts of a step are on their way to the queue.
    pub(super) sending: bool,
    pub(super) has_content: bool,
    pub(super) live: Option<Live>,
}

pub(super) struct Live {
    pub(super) number: u64,
    pub(super) peer: Peer,
    pub(super) instance: String,
    pub(super) to_agent: ToAgent,
    pub(super) wake: Arc<Notify>,
    pub(super) stop: CancellationToken,
}

/// A session that was let in.
pub struct Admitted {
    pub(super) number: u64,
    pub(super) node: String,
    pub(super) to_agent: ToAgent,
    pub(super) wake: Arc<Notify>,
    pub(super) stop: CancellationToken,
}

impl Nodes {
    /// No nodes, and the term of this control plane.
    pub fn new(term: u64) -> Self {
        Self { term, sessions: 0, nodes: BTreeMap::new(), forgotten: Generation::default() }
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
            let sender = Sender::after(self.forgotten.max(Generation { term: self.term, counter: 0 }));
            let node = Node { sender, outbox: None, sending: false, has_content: false, live: None };
            self.nodes.insert(name.to_owned(), node);
        }
        self.nodes.get_mut(name).expect("it was inserted above")
    }

    /// Forgets a node without a session, with what it should hold; false where it has one.
    pub(super) fn forget(&mut self, name: &str) -> bool {
        if self.is_live(name) {
            return false;
        }
        if let Some(node) = self.nodes.remove(name) {
            self.forgotten = self.forgotten.max(node.sender.newest());
        }
        true
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

    pub(super) fn end(&self, name: &str, why: &str) {
        if let Some(live) = self.nodes.get(name).and_then(|node| node.live.as_ref()) {
            live.end(why);
        }
    }

    pub(super) fn end_all(&self, why: &str) {
        self.nodes.values().filter_map(|node| node.live.as_ref()).for_each(|live| live.end(why));
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
    pub(super) fn leave(&mut self, admitted: &Admitted) -> bool {
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

    pub(super) fn current(&mut self, admitted: &Admitted) -> Option<&mut Node> {
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
    pub(super) fn end(&self, why: &str) {
        let _ = self.to_agent.try_send(Err(Status::aborted(why)));
        self.stop.cancel();
    }
}

/// The queue of a session's messages to its agent.
pub fn queue() -> (ToAgent, mpsc::Receiver<Result<pb::ToAgent, Status>>) {
    mpsc::channel(MESSAGE_QUEUE)
}

#[cfg(test)]
mod tests {
    use masthead_wire::manifest::{Holding, NodeContent};

    use super::*;

    #[test]
    fn a_node_that_is_forgotten_and_comes_back_is_told_by_later_generations() {
        let mut nodes = Nodes::new(7);
        let connect = |nodes: &mut Nodes, held| {
            let peer = Peer { node: "n".to_owned(), key_digest: [0; 32] };
            let admitted = nodes.admit(peer, "i", queue().0, CancellationToken::new()).unwrap();
            let rest = nodes.entry("n").step(Event::Hello { held, holding: Holding::default() });
            assert_eq!(rest, [], "it is not ahead");
            nodes.entry("n").step(Event::Wanted(Arc::new(NodeContent::default())));
            let generation = nodes.entry("n").outbox.as_ref().unwrap().generation;
            (admitted, generation)
        };
        let (admitted, first) = connect(&mut nodes, None);
        assert!(!nodes.forget("n"), "it has a session");
        assert!(nodes.leave(&admitted));
        assert_eq!(nodes.iter().count(), 1, "what it should hold is kept");
        assert!(nodes.forget("n") && nodes.forget("n"));
        assert_eq!(nodes.iter().count(), 0);
        let (_, second) = connect(&mut nodes, Some(first));
        assert!(second > first, "{second} after {first}");
    }
}
