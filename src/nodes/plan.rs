//! (what a node should hold, what it says) → what it is sent: the whole, a delta, or nothing.
//!
//! One step at a time is under way per node; what changes meanwhile is part of the next one, so
//! nothing queues. The agent's half is `masthead_agent::link::plan`.

use std::collections::VecDeque;
use std::sync::Arc;

use masthead_wire::manifest::{Generation, Holding, Manifest, NodeContent};
use masthead_wire::object::{Attachment, AttachmentKey, PodEntry};
use masthead_wire::report::Applied;

/// Heartbeats that name another manifest than the one sent, before it counts as lost.
const MISSED_BEATS: u32 = 2;
/// Manifests that a node holds and has not put into its tables yet, of which the content is kept.
const UNAPPLIED_MAX: usize = 64;

/// What the tables of a node say: services, policies, routes, names, ingresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tables {
    /// What this content says.
    Are(Arc<NodeContent>),
    /// The node has not said yet.
    Unknown,
    /// The node can't bring them to what they should be, and has said so: nothing is gained by waiting for it.
    Broken,
}

/// What a node is known to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Held {
    /// As its greeting said.
    Reported(Holding),
    /// As we sent it and it acknowledged.
    Content(Arc<NodeContent>),
}

impl Held {
    /// Pods to send and to take away. Of content that we sent, nothing is compared that is the same allocation.
    fn pods(&self, wanted: &NodeContent) -> (Vec<Arc<PodEntry>>, Vec<Arc<str>>) {
        match self {
            Self::Reported(h) => {
                let is_held = |pod: &PodEntry| h.pods.get(&pod.uid) == Some(&pod.digest);
                let send = wanted.pods.values().filter(|pod| !is_held(pod)).cloned().collect();
                let gone = h.pods.keys().filter(|uid| !wanted.pods.contains_key(*uid)).cloned().collect();
                (send, gone)
            }
            Self::Content(c) => wanted.pods.since(&c.pods),
        }
    }

    /// Attachments to send and to take away. Of content that we sent, the cost follows what differs.
    fn attachments(&self, wanted: &NodeContent) -> (Vec<Arc<Attachment>>, Vec<AttachmentKey>) {
        match self {
            Self::Reported(h) => {
                let is_held = |a: &Attachment| h.attachments.get(&a.key) == Some(&a.digest);
                let send = wanted.attachments.values().filter(|a| !is_held(a)).cloned().collect();
                let gone = h.attachments.keys().filter(|key| !wanted.attachments.contains_key(key)).cloned().collect();
                (send, gone)
            }
            Self::Content(c) => {
                let (mut send, mut gone) = (Vec::new(), Vec::new());
                for difference in wanted.attachments.since(&c.attachments) {
                    match (difference.old, difference.new) {
                        (_, Some(new)) => send.push(new),
                        (old, None) => gone.extend(old.map(|old| old.key.clone())),
                    }
                }
                (send, gone)
            }
        }
    }
}

/// The step from `held` (at `base`) to `wanted`.
fn delta(base: Generation, held: &Held, generation: Generation, wanted: &NodeContent) -> Manifest {
    let (pods, removed_pods) = held.pods(wanted);
    let (attachments, removed_attachments) = held.attachments(wanted);
    Manifest {
        base: Some(base),
        generation,
        setup: wanted.setup.clone(),
        pods,
        removed_pods,
        attachments,
        removed_attachments,
    }
}

/// Whether a node that holds `old` as we sent it would see no difference.
fn same(old: &Arc<NodeContent>, new: &Arc<NodeContent>) -> bool {
    let are_pods_same = || {
        let (changed, gone) = new.pods.since(&old.pods);
        changed.is_empty() && gone.is_empty()
    };
    Arc::ptr_eq(old, new) || (old.setup == new.setup && are_pods_same() && old.attachments == new.attachments)
}

/// What happens to a node.
#[derive(Clone, Debug)]
pub enum Event {
    /// A session began.
    Hello {
        /// Which manifest the node holds.
        held: Option<Generation>,
        /// What it says.
        holding: Holding,
    },
    /// The session ended.
    Down,
    /// This is what the node should hold now.
    Wanted(Arc<NodeContent>),
    /// The control plane's term is another.
    Term(u64),
    /// The node holds what it was sent.
    Ack(Generation),
    /// The node does not take what it was sent.
    Refused {
        /// Which.
        generation: Generation,
        /// What it holds.
        held: Generation,
        /// Why.
        why: String,
    },
    /// The node can't apply what it was sent.
    Resync {
        /// Which.
        generation: Generation,
    },
    /// The node's tables are as a manifest says, or were tried.
    Applied(Applied),
    /// The node says what it holds, some time after everything was sent.
    Heartbeat {
        /// Which.
        held: Option<Generation>,
    },
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this.
    Send(Manifest),
    /// The node holds a manifest that is later than any we sent: another leads, or our state was
    /// lost. Nothing is sent before our term is higher.
    Ahead(Generation),
    /// The node can't take the content; nothing is sent before there is other content.
    Rejected {
        /// Which.
        generation: Generation,
        /// Why.
        why: String,
    },
}

/// What is under way.
#[derive(Clone, Debug)]
struct InFlight {
    generation: Generation,
    content: Arc<NodeContent>,
}

/// A session, as far as manifests go.
#[derive(Clone, Debug)]
struct Link {
    held: Held,
    generation: Generation,
    /// The node holds nothing that a delta could start from.
    whole: bool,
    /// The node's manifest is one that we sent in this session: it knows our term.
    ours: bool,
    in_flight: Option<InFlight>,
    /// What the node held since the manifest that is in its tables, the oldest first.
    contents: VecDeque<(Generation, Arc<NodeContent>)>,
    applied: Option<Applied>,
    missed_beats: u32,
    ahead: bool,
    rejected: bool,
}

impl Link {
    /// Forgets contents that are older than the one in the tables. When too many wait, a later one stands for those
    /// before it: the node is then taken to be further behind than it is, never further ahead.
    fn forget_contents(&mut self) {
        let applied = self.applied.as_ref().map(|applied| applied.generation).unwrap_or_default();
        while self.contents.get(1).is_some_and(|(next, _)| *next <= applied) {
            self.contents.pop_front();
        }
        if self.contents.len() > UNAPPLIED_MAX {
            self.contents.remove(1);
        }
    }
}

/// What is known of one node; outlives its sessions.
#[derive(Clone, Debug)]
pub struct Sender {
    term: u64,
    counter: u64,
    wanted: Option<Arc<NodeContent>>,
    link: Option<Link>,
}

impl Sender {
    /// A node that nothing is known of. Nothing is sent before [`Event::Wanted`]: not to know
    /// what a node should run is not the same as that it should run nothing.
    pub fn new(term: u64) -> Self {
        Self::after(Generation { term, counter: 0 })
    }

    /// The same, when the node may hold what it was sent up to a generation.
    pub fn after(Generation { term, counter }: Generation) -> Self {
        Self { term, counter, wanted: None, link: None }
    }

    /// The generation that was sent last.
    pub fn newest(&self) -> Generation {
        Generation { term: self.term, counter: self.counter }
    }

    /// Whether the node holds, by its own word, all that it should.
    pub fn settled(&self) -> bool {
        let (Some(link), Some(wanted)) = (&self.link, &self.wanted) else {
            return false;
        };
        link.in_flight.is_none() && link.ours && matches!(&link.held, Held::Content(held) if same(held, wanted))
    }

    /// What the node's tables say, by its own word; nothing without a session, and for a node that is sent nothing.
    pub fn tables(&self) -> Option<Tables> {
        let link = self.link.as_ref()?;
        if self.wanted.is_none() || link.ahead {
            return None;
        }
        let Some(applied) = &link.applied else { return Some(Tables::Unknown) };
        if !applied.why.is_empty() {
            return Some(Tables::Broken);
        }
        let there = link.contents.iter().rev().find(|(generation, _)| *generation <= applied.generation);
        Some(there.map_or(Tables::Unknown, |(_, content)| Tables::Are(content.clone())))
    }

    /// Takes one event.
    pub fn step(&mut self, event: Event) -> Vec<Action> {
        match event {
            Event::Hello { held, holding } => return self.hello(held, holding),
            Event::Down => {
                self.link = None;
                return Vec::new();
            }
            Event::Wanted(wanted) => {
                let old = self.wanted.replace(wanted.clone());
                if let Some(link) = &mut self.link
                    && !old.is_some_and(|old| same(&old, &wanted))
                {
                    link.rejected = false;
                }
            }
            Event::Term(term) if term > self.term => {
                (self.term, self.counter) = (term, 0);
                if let Some(link) = &mut self.link {
                    link.ahead = false;
                    link.ours = false;
                    // What is under way has the old term: it is sent again with the new one.
                    link.whole |= link.in_flight.take().is_some();
                }
            }
            Event::Term(_) => {}
            Event::Ack(generation) => self.ack(generation),
            Event::Refused { generation, held, why } => return self.refused(generation, held, why),
            Event::Resync { generation } => {
                if let Some(link) = &mut self.link
                    && link.in_flight.as_ref().is_some_and(|f| f.generation == generation)
                {
                    link.in_flight = None;
                    link.whole = true;
                }
            }
            Event::Heartbeat { held } => self.heartbeat(held),
            Event::Applied(applied) => {
                if let Some(link) = &mut self.link {
                    link.applied = Some(applied);
                    link.forget_contents();
                }
                return Vec::new();
            }
        }
        self.send()
    }

    fn hello(&mut self, held: Option<Generation>, holding: Holding) -> Vec<Action> {
        let generation = held.unwrap_or_default();
        let ahead = self.is_ahead(generation);
        self.link = Some(Link {
            held: Held::Reported(holding),
            generation,
            whole: held.is_none(),
            ours: false,
            in_flight: None,
            contents: VecDeque::new(),
            applied: None,
            missed_beats: 0,
            ahead,
            rejected: false,
        });
        if ahead {
            return vec![Action::Ahead(generation)];
        }
        self.send()
    }

    /// A manifest of our own term that we did not send is somebody else's too: a number names one
    /// content for ever.
    fn is_ahead(&self, held: Generation) -> bool {
        let (term, counter) = (self.term, self.counter);
        held > Generation { term, counter }
    }

    fn ack(&mut self, generation: Generation) {
        let Some(link) = &mut self.link else {
            return;
        };
        match link.in_flight.take() {
            Some(sent) if sent.generation == generation => {
                link.contents.push_back((generation, sent.content.clone()));
                link.forget_contents();
                link.held = Held::Content(sent.content);
                link.generation = generation;
                link.whole = false;
                link.ours = true;
                link.missed_beats = 0;
            }
            // Doubled or late.
            other => link.in_flight = other,
        }
    }

    fn refused(&mut self, generation: Generation, held: Generation, why: String) -> Vec<Action> {
        let ahead = self.is_ahead(held);
        let Some(link) = &mut self.link else {
            return Vec::new();
        };
        if ahead {
            link.in_flight = None;
            let known = std::mem::replace(&mut link.ahead, true);
            return if known { Vec::new() } else { vec![Action::Ahead(held)] };
        }
        let sent = link.in_flight.as_ref().map(|f| f.generation);
        if sent != Some(generation) {
            return Vec::new();
        }
        link.in_flight = None;
        if held >= generation {
            link.whole = true;
            return self.send();
        }
        link.rejected = true;
        vec![Action::Rejected { generation, why }]
    }

    fn heartbeat(&mut self, held: Option<Generation>) {
        let held_generation = held.unwrap_or_default();
        if let Some(link) = &self.link
            && let Some(sent) = &link.in_flight
            && held == Some(sent.generation)
        {
            // The answer was lost, the manifest was not.
            return self.ack(held_generation);
        }
        let Some(link) = &mut self.link else {
            return;
        };
        if link.in_flight.is_none() && held_generation == link.generation {
            link.missed_beats = 0;
            return;
        }
        link.missed_beats += 1;
        if link.missed_beats >= MISSED_BEATS {
            link.missed_beats = 0;
            link.in_flight = None;
            link.whole = true;
        }
    }

    fn send(&mut self) -> Vec<Action> {
        let (Some(link), Some(wanted)) = (&mut self.link, &self.wanted) else {
            return Vec::new();
        };
        if link.in_flight.is_some() || link.ahead || link.rejected {
            return Vec::new();
        }
        let settled = matches!(&link.held, Held::Content(held) if same(held, wanted));
        if settled && link.ours && !link.whole {
            return Vec::new();
        }
        self.counter += 1;
        let generation = Generation { term: self.term, counter: self.counter };
        let step = if link.whole {
            Manifest::whole(generation, wanted)
        } else {
            delta(link.generation, &link.held, generation, wanted)
        };
        let content = wanted.clone();
        link.in_flight = Some(InFlight { generation, content });
        link.missed_beats = 0;
        vec![Action::Send(step)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use masthead_wire::object::PodEntry;

    fn content(pods: &[(&str, u32)]) -> Arc<NodeContent> {
        let mut content = NodeContent::default();
        for (uid, version) in pods {
            let json = format!(r#"{{"metadata":{{"uid":"{uid}","namespace":"n","name":"{uid}"}},"spec":{version}}}"#);
            content.insert_pod(Arc::new(PodEntry::parse(json.into()).unwrap()));
        }
        Arc::new(content)
    }

    fn hello(held: Option<(u64, u64)>, content: &NodeContent) -> Event {
        let held = held.map(|(term, counter)| Generation { term, counter });
        let holding = Holding::from(content);
        Event::Hello { held, holding }
    }

    /// What is sent, in short: base→generation +upserts -removals.
    fn short(actions: &[Action]) -> String {
        let one = |action: &Action| match action {
            Action::Send(m) => {
                let base = m.base.map_or("whole".into(), |b| b.to_string());
                let (up, down) = (m.pods.len(), m.removed_pods.len());
                format!("{base}→{} +{up} -{down}", m.generation)
            }
            Action::Ahead(held) => format!("ahead {held}"),
            Action::Rejected { .. } => "rejected".into(),
        };
        actions.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    fn check(name: &str, steps: Vec<(Event, &str)>) {
        let mut sender = Sender::new(5);
        for (index, (event, expect)) in steps.into_iter().enumerate() {
            assert_eq!(short(&sender.step(event)), expect, "{name}, step {index}");
        }
    }

    fn ack(counter: u64) -> Event {
        Event::Ack(Generation { term: 5, counter })
    }

    #[test]
    fn a_session_from_nothing() {
        let (one, two) = (content(&[("a", 1)]), content(&[("a", 1), ("b", 1)]));
        check(
            "new node",
            vec![
                (hello(None, &NodeContent::default()), ""),
                (Event::Wanted(one.clone()), "whole→5.1 +1 -0"),
                (Event::Wanted(two.clone()), ""),
                (ack(1), "5.1→5.2 +1 -0"),
                (ack(1), ""),
                (ack(2), ""),
                (Event::Wanted(content(&[("a", 1), ("b", 1)])), ""),
                (Event::Wanted(content(&[("b", 2)])), "5.2→5.3 +1 -1"),
            ],
        );
    }

    #[test]
    fn a_session_from_what_the_node_holds() {
        let two = content(&[("a", 1), ("b", 1)]);
        let at = |counter| Some(Generation { term: 5, counter });
        check(
            "nothing changed, but the node must learn the term",
            vec![(Event::Wanted(two.clone()), ""), (hello(Some((4, 9)), &two), "4.9→5.1 +0 -0")],
        );
        check(
            "our own term, by somebody else",
            vec![(hello(Some((5, 9)), &two), "ahead 5.9"), (Event::Wanted(content(&[("a", 2)])), "")],
        );
        check(
            "a later term stops us until we have a later one",
            vec![
                (Event::Wanted(two.clone()), ""),
                (hello(Some((7, 3)), &two), "ahead 7.3"),
                (Event::Wanted(content(&[])), ""),
                (Event::Term(8), "7.3→8.1 +0 -2"),
            ],
        );
        check(
            "our own term, by us",
            vec![
                (hello(None, &two), ""),
                (Event::Wanted(two.clone()), "whole→5.1 +2 -0"),
                (Event::Down, ""),
                (hello(Some((5, 1)), &two), "5.1→5.2 +0 -0"),
            ],
        );
        check(
            "lost messages",
            vec![
                (Event::Wanted(two.clone()), ""),
                (hello(Some((4, 9)), &content(&[])), "4.9→5.1 +2 -0"),
                (Event::Heartbeat { held: Some(Generation { term: 4, counter: 9 }) }, ""),
                (Event::Heartbeat { held: Some(Generation { term: 4, counter: 9 }) }, "whole→5.2 +2 -0"),
                (Event::Heartbeat { held: at(2) }, ""),
                (Event::Heartbeat { held: at(2) }, ""),
                (Event::Wanted(content(&[("a", 1)])), "5.2→5.3 +0 -1"),
                (Event::Resync { generation: Generation { term: 5, counter: 1 } }, ""),
                (Event::Resync { generation: Generation { term: 5, counter: 3 } }, "whole→5.4 +1 -0"),
            ],
        );
    }

    #[test]
    fn what_a_node_rejects_is_not_sent_twice() {
        let refused = Event::Refused {
            generation: Generation { term: 5, counter: 1 },
            held: Generation::default(),
            why: "bad".into(),
        };
        check(
            "rejected",
            vec![
                (Event::Wanted(content(&[("a", 1)])), ""),
                (hello(None, &NodeContent::default()), "whole→5.1 +1 -0"),
                (refused, "rejected"),
                (Event::Wanted(content(&[("a", 1)])), ""),
                (Event::Heartbeat { held: None }, ""),
                (Event::Wanted(content(&[("a", 2)])), "whole→5.2 +1 -0"),
            ],
        );
    }

    #[test]
    fn what_is_in_the_tables_is_what_the_node_says() {
        let contents: Vec<Arc<NodeContent>> = (0..4).map(|n| content(&[("a", n)])).collect();
        let applied = |counter, why: &str| {
            Event::Applied(Applied { generation: Generation { term: 5, counter }, why: why.to_owned() })
        };
        let mut sender = Sender::new(5);
        let mut check = |event: Event, expect: &str| {
            sender.step(event);
            let found = match sender.tables() {
                None => "-".to_owned(),
                Some(Tables::Unknown) => "unknown".to_owned(),
                Some(Tables::Broken) => "broken".to_owned(),
                Some(Tables::Are(held)) => {
                    contents.iter().position(|content| *content == held).map_or("other".to_owned(), |n| n.to_string())
                }
            };
            assert_eq!(found, expect);
        };
        check(Event::Wanted(contents[0].clone()), "-");
        check(hello(None, &NodeContent::default()), "unknown");
        check(ack(1), "unknown");
        check(applied(1, ""), "0");
        check(Event::Wanted(contents[1].clone()), "0");
        check(ack(2), "0");
        check(Event::Wanted(contents[2].clone()), "0");
        // The word of the tables comes before that of the manifest.
        check(applied(3, ""), "1");
        check(ack(3), "2");
        check(Event::Wanted(contents[3].clone()), "2");
        check(ack(4), "2");
        check(applied(4, "no room"), "broken");
        check(applied(4, ""), "3");
        for n in 0..200 {
            check(Event::Wanted(content(&[("b", n)])), "3");
            check(ack(u64::from(n) + 5), "3");
        }
        check(applied(900, ""), "other");
        check(Event::Down, "-");
        check(hello(Some((5, 204)), &contents[3]), "unknown");
        check(hello(Some((9, 1)), &contents[3]), "-");
    }

    #[test]
    fn planning_after_applying_is_empty() {
        let mut seed = 3_u64;
        let mut random = |n: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % n
        };
        for _ in 0..500 {
            let mut pick = || {
                let uids = ["a", "b", "c", "d"];
                let chosen = uids.into_iter().filter_map(|uid| match random(3) {
                    0 => None,
                    version => Some((uid, version as u32)),
                });
                content(&chosen.collect::<Vec<_>>())
            };
            let (old, new) = (pick(), pick());
            let at = |counter| Generation { term: 1, counter };
            let held = Held::Reported(Holding::from(&*old));
            let step = delta(at(1), &held, at(2), &new);
            let node = masthead_wire::manifest::NodeManifest { generation: at(1), content: (*old).clone() };
            let after = node.after(&step).unwrap();
            assert_eq!(after.content, *new);
            let held = Held::Content(Arc::new(after.content));
            let again = delta(at(2), &held, at(3), &new);
            let sizes = (again.pods.len(), again.removed_pods.len());
            assert_eq!(sizes, (0, 0));
        }
    }
}
