//! The two halves of the manifest protocol against a network that loses, doubles and delays.
//!
//! Harsher than the real one: gRPC keeps order within a session and drops what a session leaves;
//! here messages of an old session, and of a control plane that lost its lead, still arrive.

use masthead_agent::link::plan::{Action as Does, Input, Reply, State};
use masthead_wire::manifest::{Generation, Holding, NodeContent, NodeManifest};
use masthead_wire::object::{Attachment, PodEntry};
use masthead_wire::parts::{self, Part};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::plan::{Action, Event, Sender};

const SEEDS: u64 = 400;
const STEPS: usize = 250;

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n
    }
}

struct World {
    random: Random,
    faults: bool,
    sender: Sender,
    /// A control plane that lost its lead and does not know it yet.
    old_sender: Option<Sender>,
    agent: State,
    /// What survives the agent's crash.
    disk: Option<Arc<NodeManifest>>,
    wanted: Arc<NodeContent>,
    to_agent: Vec<Part>,
    to_control: Vec<Event>,
    term: u64,
    sent: BTreeMap<Generation, Arc<NodeContent>>,
    accepted: usize,
}

fn content(random: &mut Random) -> Arc<NodeContent> {
    let mut content = NodeContent::default();
    let count = random.below(8);
    content.setup.pod_cidrs = vec![format!("10.0.{}.0/24", random.below(3))];
    for _ in 0..count {
        let (uid, version) = (random.below(12), random.below(3));
        let json = format!(r#"{{"metadata":{{"uid":"u{uid}","namespace":"n","name":"p{uid}"}},"spec":{version}}}"#);
        content.insert_pod(Arc::new(PodEntry::parse(json.into()).unwrap()));
        let json = format!(r#"{{"metadata":{{"namespace":"n","name":"s{uid}"}},"data":{version}}}"#);
        content.insert_attachment(Arc::new(Attachment::parse("Secret", json.into()).unwrap()));
    }
    Arc::new(content)
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            random.below(2);
        }
        let wanted = content(&mut random);
        let mut world = Self {
            random,
            faults: true,
            sender: Sender::new(1),
            old_sender: None,
            agent: State::default(),
            disk: None,
            wanted: wanted.clone(),
            to_agent: Vec::new(),
            to_control: Vec::new(),
            term: 1,
            sent: BTreeMap::new(),
            accepted: 0,
        };
        world.tell(Event::Wanted(wanted));
        world
    }

    /// The control plane takes an event; what it sends is cut into parts of one or two entries.
    fn tell(&mut self, event: Event) {
        let actions = self.sender.step(event);
        self.act(actions);
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send(step) => {
                    self.note(&step);
                    self.to_agent.extend(cut(&step, 1 + self.random.below(3)));
                }
                Action::Ahead(held) => {
                    // It leads: it takes a term after every one that was ever seen.
                    self.term = self.term.max(held.term) + 1;
                    self.tell(Event::Term(self.term));
                }
                Action::Rejected { why, .. } => panic!("good content was rejected: {why}"),
            }
        }
    }

    /// A generation names one content for ever.
    fn note(&mut self, step: &masthead_wire::manifest::Manifest) {
        let wanted = self.wanted.clone();
        let before = self.sent.insert(step.generation, wanted);
        assert!(before.is_none(), "generation {} was used twice", step.generation);
    }

    fn receive(&mut self, part: Part) {
        let before = self.agent.generation();
        for action in self.agent.step(Input::Part(part)) {
            match action {
                Does::Accept { next, step } => {
                    let from = self.disk.as_deref().cloned().unwrap_or_default();
                    assert_eq!(from.after(&step).as_ref(), Some(&*next), "what is stored is what is held");
                    assert!(Some(next.generation) > before, "the node went back");
                    let meant = &self.sent[&next.generation];
                    assert_eq!(next.content, **meant, "{} holds something else", next.generation);
                    self.disk = Some(next);
                    self.accepted += 1;
                }
                Does::Reply(reply) => self.to_control.push(event(reply)),
            }
        }
        assert!(self.agent.generation() >= before);
    }

    fn connect(&mut self) {
        self.agent.reconnect();
        if !self.faults {
            self.to_agent.clear();
            self.to_control.clear();
        }
        let held = self.agent.generation();
        let holding = self.agent.held().map(|m| Holding::from(&m.content)).unwrap_or_default();
        self.tell(Event::Down);
        self.tell(Event::Hello { held, holding });
    }

    fn beat(&mut self) {
        let held = self.agent.generation();
        self.to_control.push(Event::Heartbeat { held });
    }

    /// Takes a message from anywhere in a queue, sometimes leaving a copy behind.
    fn pick<T: Clone>(random: &mut Random, faults: bool, queue: &mut Vec<T>) -> Option<T> {
        if queue.is_empty() {
            return None;
        }
        if !faults {
            return Some(queue.remove(0));
        }
        // Mostly in order, else nothing long would ever arrive whole.
        let at = if random.below(8) == 0 { random.below(queue.len()) } else { 0 };
        match random.below(24) {
            0 => Some(queue[at].clone()),
            1 => {
                queue.remove(at);
                None
            }
            _ => Some(queue.remove(at)),
        }
    }

    fn deliver(&mut self) {
        if let Some(part) = Self::pick(&mut self.random, self.faults, &mut self.to_agent) {
            self.receive(part);
        }
        if let Some(event) = Self::pick(&mut self.random, self.faults, &mut self.to_control) {
            self.tell(event);
        }
    }

    fn step(&mut self) {
        match self.random.below(40) {
            0..=2 => {
                self.wanted = content(&mut self.random);
                self.tell(Event::Wanted(self.wanted.clone()));
            }
            3 => self.connect(),
            4 => {
                // The agent is killed and starts from its disk.
                self.agent = State::new(self.disk.clone());
                self.connect();
            }
            5 => {
                // Another control plane leads from now on; the old one may still talk.
                self.term += 1;
                let old = std::mem::replace(&mut self.sender, Sender::new(self.term));
                self.old_sender = Some(old);
                self.tell(Event::Wanted(self.wanted.clone()));
                self.connect();
            }
            6 => {
                // The state was wiped: the term begins at 1 again.
                self.old_sender = None;
                self.sender = Sender::new(1);
                self.tell(Event::Wanted(self.wanted.clone()));
                // Messages of a history with the same numbers can't cross sessions.
                self.to_agent.clear();
                self.to_control.clear();
                let held = self.agent.generation();
                self.sent.retain(|generation, _| Some(*generation) <= held);
                self.connect();
            }
            7 => {
                if let Some(mut old) = self.old_sender.take() {
                    let stale = content(&mut self.random);
                    for action in old.step(Event::Wanted(stale.clone())) {
                        if let Action::Send(step) = action {
                            self.sent.insert(step.generation, stale.clone());
                            self.to_agent.extend(cut(&step, 2));
                        }
                    }
                    self.old_sender = Some(old);
                }
            }
            8..=11 => self.beat(),
            _ => self.deliver(),
        }
    }

    /// The faults stop; everything must come to rest at what is wanted.
    fn settle(&mut self, reconnect: bool) {
        self.faults = false;
        self.old_sender = None;
        if reconnect {
            self.connect();
        }
        for _ in 0..200 {
            self.deliver();
            if self.to_agent.is_empty() && self.to_control.is_empty() {
                if self.sender.settled() {
                    break;
                }
                self.beat();
            }
        }
    }
}

fn event(reply: Reply) -> Event {
    match reply {
        Reply::Ack(generation) => Event::Ack(generation),
        Reply::Refused { generation, held, why } => Event::Refused { generation, held, why },
        Reply::Resync { generation, .. } => Event::Resync { generation },
    }
}

/// The parts of a step with at most `size` entries each, by way of the real messages.
fn cut(step: &masthead_wire::manifest::Manifest, size: usize) -> Vec<Part> {
    let whole: Vec<Part> = parts::split(step).map(|p| Part::try_from(p).unwrap()).collect();
    assert_eq!(whole.len(), 1, "small steps fit one message");
    let piece = &whole[0].piece;
    let entries =
        [piece.pods.len(), piece.removed_pods.len(), piece.attachments.len(), piece.removed_attachments.len()];
    let count = entries.into_iter().max().unwrap_or(0).div_ceil(size).max(1);
    fn slice<T: Clone>(all: &[T], index: usize, size: usize) -> Vec<T> {
        let from = (index * size).min(all.len());
        let to = (from + size).min(all.len());
        all[from..to].to_vec()
    }
    let part = |index: usize| {
        let piece = masthead_wire::manifest::Manifest {
            base: piece.base,
            generation: piece.generation,
            setup: piece.setup.clone(),
            pods: slice(&piece.pods, index, size),
            removed_pods: slice(&piece.removed_pods, index, size),
            attachments: slice(&piece.attachments, index, size),
            removed_attachments: slice(&piece.removed_attachments, index, size),
        };
        Part { index: index as u32, last: index + 1 == count, piece }
    };
    (0..count).map(part).collect()
}

#[test]
fn the_node_ends_with_the_newest_content_and_never_goes_back() {
    let mut accepted = 0;
    for seed in 0..SEEDS {
        let result = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            world.connect();
            for _ in 0..STEPS {
                world.step();
            }
            // Without a new session, heartbeats must find out what was lost.
            world.settle(seed % 2 == 0);
            let held = world.agent.held().cloned().unwrap_or_default();
            assert_eq!(held.content, *world.wanted, "at rest");
            assert!(world.sender.settled(), "the control plane knows");
            // Silence at rest.
            world.tell(Event::Heartbeat { held: Some(held.generation) });
            world.tell(Event::Wanted(Arc::new((*world.wanted).clone())));
            assert!(world.to_agent.is_empty(), "something was sent at rest");
            world.accepted
        });
        match result {
            Ok(count) => accepted += count,
            Err(_) => panic!("seed {seed}"),
        }
    }
    // The faults leave enough through for the test to mean something.
    assert!(accepted > SEEDS as usize * 10, "only {accepted} manifests were accepted");
}
