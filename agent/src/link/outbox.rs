//! Turns what the agent has to say into the next message: per pod only the newest, all bounded.

use bytes::Bytes;
use masthead_wire::limits::{EVENTS_PER_MESSAGE, MAX_MANIFEST_ITEMS, PART_BYTES, PART_ITEMS};
use masthead_wire::manifest::{Generation, NodeManifest};
use masthead_wire::object::PodEntry;
use masthead_wire::pb;
use masthead_wire::pb::from_agent::Message;
use masthead_wire::report::{Applied, Heartbeat, PodGone, PodStatus, Problems};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::plan::Reply;

/// Events that wait while there is no session.
const MAX_EVENTS: usize = 1000;
/// Answers that wait; only the newest matter.
const MAX_REPLIES: usize = 16;

/// What waits to be sent.
#[derive(Default)]
pub struct Outbox {
    replies: VecDeque<Reply>,
    pong: Option<u64>,
    heartbeat_due: bool,
    conditions: Bytes,
    applied: Option<Applied>,
    applied_due: bool,
    problems: Problems,
    problems_due: bool,
    statuses: BTreeMap<Arc<str>, Queued<PodStatus>>,
    gone: BTreeMap<Arc<str>, Queued<PodGone>>,
    /// Uids with something to send, in the order in which they first had.
    order: BTreeMap<u64, Arc<str>>,
    tickets: u64,
    sequence: u64,
    events: VecDeque<Bytes>,
    events_dropped: u64,
    recalled: Option<VecDeque<Arc<PodEntry>>>,
}

struct Queued<T> {
    value: T,
    /// Its place in the order; nothing when it was sent.
    ticket: Option<u64>,
}

impl Outbox {
    /// A pod's status; replaces one that was not sent yet. False when there are too many pods.
    pub fn status(&mut self, mut status: PodStatus) -> bool {
        self.sequence += 1;
        status.sequence = self.sequence;
        let uid = status.uid.clone();
        if self.gone.contains_key(&uid) {
            // A pod that is gone has nothing more to say.
            return true;
        }
        let full = self.statuses.len() >= MAX_MANIFEST_ITEMS;
        match self.statuses.get_mut(&uid) {
            Some(queued) => {
                queued.value = status;
                if queued.ticket.is_none() {
                    self.tickets += 1;
                    queued.ticket = Some(self.tickets);
                    self.order.insert(self.tickets, uid);
                }
            }
            None if full => return false,
            None => {
                let ticket = Some(self.ticket(&uid));
                let value = status;
                self.statuses.insert(uid, Queued { value, ticket });
            }
        }
        true
    }

    /// A pod's last trace is cleaned. Told again in each session until the manifest drops the pod.
    pub fn gone(&mut self, gone: PodGone) {
        let uid = gone.uid.clone();
        if let Some(ticket) = self.statuses.remove(&uid).and_then(|q| q.ticket) {
            self.order.remove(&ticket);
        }
        if self.gone.len() < MAX_MANIFEST_ITEMS && !self.gone.contains_key(&uid) {
            let ticket = Some(self.ticket(&uid));
            let value = gone;
            self.gone.insert(uid, Queued { value, ticket });
        }
    }

    fn ticket(&mut self, uid: &Arc<str>) -> u64 {
        self.tickets += 1;
        self.order.insert(self.tickets, uid.clone());
        self.tickets
    }

    /// Kubernetes Events; the oldest are dropped when too many wait.
    pub fn events(&mut self, events: impl IntoIterator<Item = Bytes>) {
        self.events.extend(events);
        while self.events.len() > MAX_EVENTS {
            self.events.pop_front();
            self.events_dropped += 1;
        }
    }

    /// An answer about a manifest.
    pub fn reply(&mut self, reply: Reply) {
        if self.replies.len() == MAX_REPLIES {
            self.replies.pop_front();
        }
        self.replies.push_back(reply);
    }

    /// A heartbeat is due.
    pub fn beat(&mut self) {
        self.heartbeat_due = true;
    }

    /// The node's conditions; goes out with a heartbeat at once when they changed.
    pub fn conditions(&mut self, conditions: Bytes) {
        self.heartbeat_due |= conditions != self.conditions;
        self.conditions = conditions;
    }

    /// How far the node's tables are.
    pub fn applied(&mut self, applied: Option<Applied>) {
        if self.applied != applied {
            self.applied_due = applied.is_some();
            self.applied = applied;
        }
    }

    /// What the node can't do.
    pub fn problems(&mut self, problems: Problems) {
        self.problems_due |= problems != self.problems;
        self.problems = problems;
    }

    /// Tells what the node can't do once more, if there is something.
    pub fn problems_again(&mut self) {
        self.problems_due |= !self.problems.problems.is_empty();
    }

    /// Answers a ping.
    pub fn pong(&mut self, nonce: u64) {
        self.pong = Some(nonce);
    }

    /// Sends pods back.
    pub fn recall(&mut self, uids: &[String], held: Option<&NodeManifest>) {
        let pods = held.map(|m| &m.content.pods);
        let found = match (pods, uids) {
            (None, _) => VecDeque::new(),
            (Some(pods), []) => pods.values().cloned().collect(),
            (Some(pods), uids) => {
                let found = uids.iter().filter_map(|uid| pods.get(uid.as_str()));
                found.cloned().collect()
            }
        };
        self.recalled = Some(found);
    }

    /// The node holds another manifest: what it does not name any more is forgotten once told.
    pub fn accepted(&mut self, manifest: &NodeManifest) {
        let named = |uid: &Arc<str>| manifest.content.pods.contains_key(uid);
        self.gone.retain(|uid, q| named(uid) || q.ticket.is_some());
        self.statuses.retain(|uid, q| named(uid) || q.ticket.is_some());
    }

    /// A session began: everything is told again, answers of the last one are void.
    pub fn reconnect(&mut self) {
        self.replies.clear();
        self.pong = None;
        self.recalled = None;
        self.heartbeat_due = true;
        self.applied_due = self.applied.is_some();
        self.problems_due = !self.problems.problems.is_empty();
        self.order.clear();
        let mut tickets = self.tickets;
        let mut again = |uid: &Arc<str>, ticket: &mut Option<u64>| {
            tickets += 1;
            *ticket = Some(tickets);
            self.order.insert(tickets, uid.clone());
        };
        for (uid, queued) in &mut self.gone {
            again(uid, &mut queued.ticket);
        }
        for (uid, queued) in &mut self.statuses {
            again(uid, &mut queued.ticket);
        }
        self.tickets = tickets;
    }

    /// The next message.
    pub fn next(&mut self, held: Option<Generation>) -> Option<Message> {
        if let Some(reply) = self.replies.pop_front() {
            return Some(reply_message(reply));
        }
        if let Some(nonce) = self.pong.take() {
            return Some(Message::Pong(pb::Pong { nonce }));
        }
        if std::mem::take(&mut self.applied_due)
            && let Some(applied) = self.applied.clone()
        {
            return Some(Message::Applied(applied.into()));
        }
        if std::mem::take(&mut self.heartbeat_due) {
            let conditions = self.conditions.clone();
            let beat = Heartbeat { held, conditions };
            return Some(Message::Heartbeat(beat.into()));
        }
        while let Some((ticket, uid)) = self.order.pop_first() {
            if let Some(queued) = self.gone.get_mut(&uid) {
                if queued.ticket == Some(ticket) {
                    queued.ticket = None;
                    return Some(Message::Gone(queued.value.clone().into()));
                }
            } else if let Some(queued) = self.statuses.get_mut(&uid)
                && queued.ticket == Some(ticket)
            {
                queued.ticket = None;
                return Some(Message::Status(queued.value.clone().into()));
            }
        }
        if std::mem::take(&mut self.problems_due) {
            return Some(Message::Problems(self.problems.clone().into()));
        }
        self.next_recalled().or_else(|| self.next_events())
    }

    fn next_recalled(&mut self) -> Option<Message> {
        let waiting = self.recalled.as_mut()?;
        let (mut pods, mut bytes) = (Vec::new(), 0);
        while pods.len() < PART_ITEMS && bytes < PART_BYTES {
            let Some(pod) = waiting.pop_front() else {
                break;
            };
            bytes += pod.bytes.len();
            pods.push(pod.bytes.clone());
        }
        let last = waiting.is_empty();
        if last {
            self.recalled = None;
        }
        Some(Message::Recalled(pb::Recalled { pods, last }))
    }

    fn next_events(&mut self) -> Option<Message> {
        if self.events.is_empty() {
            return None;
        }
        let count = self.events.len().min(EVENTS_PER_MESSAGE);
        let events = self.events.drain(..count).collect();
        let dropped = std::mem::take(&mut self.events_dropped);
        Some(Message::Events(pb::Events { events, dropped }))
    }
}

fn reply_message(reply: Reply) -> Message {
    match reply {
        Reply::Ack(generation) => Message::Ack(pb::Ack { generation: Some(generation.into()) }),
        Reply::Refused { generation, held, why } => {
            Message::Refused(pb::Refused { generation: Some(generation.into()), held: Some(held.into()), why })
        }
        Reply::Resync { generation, held, why } => {
            Message::Resync(pb::Resync { generation: Some(generation.into()), held: Some(held.into()), why })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use masthead_wire::report::Problem;

    fn status(uid: &str, text: &'static str) -> PodStatus {
        PodStatus {
            uid: uid.into(),
            namespace: "n".into(),
            name: uid.into(),
            status: Bytes::from_static(text.as_bytes()),
            observed: Generation::default(),
            sequence: 0,
        }
    }

    fn gone(uid: &str) -> PodGone {
        PodGone { uid: uid.into(), namespace: "n".into(), name: uid.into() }
    }

    /// All that waits, in short.
    fn drain(outbox: &mut Outbox) -> Vec<String> {
        let short = |m: Message| match m {
            Message::Status(s) => format!("{}={}", s.uid, String::from_utf8_lossy(&s.status)),
            Message::Gone(g) => format!("{} gone", g.uid),
            Message::Events(e) => format!("{} events, {} dropped", e.events.len(), e.dropped),
            Message::Heartbeat(_) => "beat".into(),
            Message::Applied(a) => format!("applied {}", a.generation.unwrap_or_default().counter),
            Message::Problems(p) => format!("{} problems", p.problems.len()),
            other => format!("{other:?}"),
        };
        std::iter::from_fn(|| outbox.next(None)).map(short).collect()
    }

    #[test]
    fn the_newest_status_of_a_pod_wins_and_nobody_starves() {
        let mut outbox = Outbox::default();
        for (uid, text) in [("b", "1"), ("a", "1"), ("b", "2"), ("b", "3")] {
            assert!(outbox.status(status(uid, text)));
        }
        assert_eq!(drain(&mut outbox), ["b=3", "a=1"]);
        outbox.status(status("a", "2"));
        assert_eq!(drain(&mut outbox), ["a=2"]);
    }

    #[test]
    fn a_session_hears_all_of_it_again() {
        let mut outbox = Outbox::default();
        outbox.status(status("a", "1"));
        outbox.status(status("b", "1"));
        outbox.gone(gone("b"));
        outbox.status(status("b", "2"));
        assert_eq!(drain(&mut outbox), ["a=1", "b gone"]);
        outbox.reconnect();
        assert_eq!(drain(&mut outbox), ["beat", "b gone", "a=1"]);
        outbox.accepted(&NodeManifest::default());
        outbox.reconnect();
        assert_eq!(drain(&mut outbox), ["beat"]);
    }

    #[test]
    fn what_was_not_told_is_not_forgotten() {
        let mut outbox = Outbox::default();
        outbox.gone(gone("b"));
        outbox.accepted(&NodeManifest::default());
        assert_eq!(drain(&mut outbox), ["b gone"]);
    }

    #[test]
    fn tables_and_problems_are_told_when_they_change_and_in_each_session() {
        let applied = |counter| Some(Applied { generation: Generation { term: 1, counter }, why: String::new() });
        let problems = |count| {
            let problem = |n: u64| Problem { name: n.to_string(), ..Problem::default() };
            Problems::new((0..count).map(problem))
        };
        let mut outbox = Outbox::default();
        outbox.applied(None);
        outbox.problems(problems(0));
        outbox.problems_again();
        assert!(drain(&mut outbox).is_empty());
        for _ in 0..2 {
            outbox.applied(applied(1));
            outbox.applied(applied(2));
            outbox.problems(problems(2));
        }
        outbox.reply(Reply::Ack(Generation { term: 1, counter: 2 }));
        let sent = drain(&mut outbox);
        assert_eq!((sent.len(), &sent[1..]), (3, ["applied 2".to_owned(), "2 problems".to_owned()].as_slice()));
        outbox.applied(applied(2));
        outbox.problems(problems(2));
        assert!(drain(&mut outbox).is_empty(), "told already");
        outbox.problems_again();
        assert_eq!(drain(&mut outbox), ["2 problems"]);
        outbox.problems(problems(0));
        assert_eq!(drain(&mut outbox), ["0 problems"], "that nothing is wrong any more is news");
        outbox.reconnect();
        assert_eq!(drain(&mut outbox), ["applied 2", "beat"]);
    }

    #[test]
    fn events_are_bounded_and_say_how_many_are_missing() {
        let mut outbox = Outbox::default();
        outbox.events((0..MAX_EVENTS + 7).map(|_| Bytes::from_static(b"{}")));
        let sent = drain(&mut outbox);
        assert_eq!(sent.len(), MAX_EVENTS / EVENTS_PER_MESSAGE);
        assert_eq!(sent[0], "100 events, 7 dropped");
        assert_eq!(sent[1], "100 events, 0 dropped");
    }
}
