//! The control plane as one process: the very loops of `src/control/run.rs` and `src/sync/run.rs`, woken as production
//! wakes them, on the simulation's clock.
//!
//! It holds nothing that a crash may not take: a crash drops the loops wherever they wait.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use masthead::control::run;
use masthead::control::view::View;
use masthead::git::commit::{Commit, CommitId, Person};
use masthead::git::error::Error;
use masthead::nodes::channel;
use masthead::nodes::convert;
use masthead::nodes::plan::{Action, Event, Sender, Tables};
use masthead::nodes::report::{Report, What};
use masthead::source::tree::Version;
use masthead::sync::commits::Commits;
use masthead::sync::handle::{Handle, Tracked};
use masthead::sync::observe::{Fault, Observed};
use masthead::sync::record::Outcome;
use masthead::sync::run::Sync;
use masthead_api::key::ObjectKey;
use masthead_plan::context::Ids;
use masthead_plan::desired::{CommitFacts, Desired};
use masthead_plan::sync::guard::CONFIRM_TRAILER;
use masthead_plan::sync::journal::Journal;
use masthead_store::kv::Kv;
use masthead_store::objects::Objects;
use masthead_wire::manifest::{Generation, Manifest, NodeContent};
use masthead_wire::pb::from_agent::Message;
use masthead_wire::report::Hello;
use tokio::sync::mpsc;

use super::clock::Clock;
use super::git::Git;
use super::store::{Store, now};
use super::trace;

/// Reports that wait for the control loop.
const REPORTS_MAX: usize = 4096;

/// What goes to agents.
#[derive(Clone, Debug)]
pub enum ToAgent {
    Step(Manifest),
    Recall(Vec<String>),
}

/// A loop, which runs on when something has woken it.
struct Task {
    future: BoxFuture<'static, ()>,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Task {
    fn new(future: BoxFuture<'static, ()>) -> Task {
        Task { future, woken: Arc::new(Woken(AtomicBool::new(true))) }
    }

    fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::Relaxed)
    }

    /// Runs until it has to wait for something.
    fn run(&mut self) {
        if self.woken.0.swap(false, Ordering::Relaxed) {
            let waker = Waker::from(self.woken.clone());
            let ended = self.future.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(ended == Poll::Pending, "a loop of the control plane ends");
        }
    }
}

/// A node, as the channel knows it.
struct Node {
    sender: Sender,
    session: Option<u64>,
}

/// Connections to nodes, whose messages the world carries.
struct Link {
    nodes: BTreeMap<String, Node>,
    term: u64,
    /// The newest that a node which is forgotten was sent.
    forgotten: Generation,
    sent: Vec<(String, u64, ToAgent)>,
    reports: mpsc::Sender<Report>,
}

impl Link {
    fn node(&mut self, name: &str) -> &mut Node {
        let after = self.forgotten.max(Generation { term: self.term, counter: 0 });
        self.nodes.entry(name.to_owned()).or_insert_with(|| Node { sender: Sender::after(after), session: None })
    }

    fn report(&self, node: &str, what: What) {
        self.reports.try_send(Report { node: node.to_owned(), what }).expect("room for a report");
    }

    /// Takes an event as a session does: what is to be sent is sent, the rest is reported.
    fn take(&mut self, name: &str, event: Event) {
        let told = convert::told(&event);
        let node = self.node(name);
        let (actions, session) = (node.sender.step(event), node.session);
        for action in actions {
            match (action, session) {
                (Action::Send(step), Some(session)) => self.sent.push((name.to_owned(), session, ToAgent::Step(step))),
                (Action::Send(_), None) => panic!("something is sent to {name}, which has no session"),
                (Action::Rejected { why, .. }, _) => panic!("good content was rejected: {why}"),
                (action, _) => convert::outcome(action).into_iter().for_each(|what| self.report(name, what)),
            }
        }
        told.into_iter().for_each(|what| self.report(name, what));
    }
}

struct Channel(Mutex<Link>);

impl Channel {
    fn link(&self) -> MutexGuard<'_, Link> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl channel::Channel for Channel {
    fn set_node(&self, node: &str, content: Arc<NodeContent>) {
        self.link().take(node, Event::Wanted(content));
    }

    fn forget_node(&self, node: &str) -> bool {
        let mut link = self.link();
        let is_live = link.nodes.get(node).is_some_and(|node| node.session.is_some());
        if !is_live && let Some(node) = link.nodes.remove(node) {
            link.forgotten = link.forgotten.max(node.sender.newest());
        }
        !is_live
    }

    fn set_term(&self, term: u64) {
        let mut link = self.link();
        link.term = link.term.max(term);
        let nodes: Vec<String> = link.nodes.keys().cloned().collect();
        nodes.iter().for_each(|node| link.take(node, Event::Term(term)));
    }

    fn recall(&self, node: &str, uids: Vec<String>) {
        let mut link = self.link();
        if let Some(session) = link.nodes.get(node).and_then(|node| node.session) {
            link.sent.push((node.to_owned(), session, ToAgent::Recall(uids)));
        }
    }

    fn tables(&self) -> Vec<Tables> {
        self.link().nodes.values().filter_map(|node| node.sender.tables()).collect()
    }
}

/// The commits that were made so far.
#[derive(Default)]
struct Branch {
    commits: Mutex<Vec<Desired>>,
    /// The one that was read last.
    taken: Mutex<Option<usize>>,
    /// What it asks for, and how that differs from what those before it ask for.
    last: Mutex<Desired>,
    journal: Arc<Mutex<Journal>>,
}

impl Branch {
    fn find(&self, id: CommitId) -> (usize, Desired) {
        let commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        let found = commits.iter().enumerate().find(|(_, desired)| desired.commit.id == id.to_string());
        let (place, desired) = found.expect("only commits of the branch are read");
        (place, desired.clone())
    }

    /// Notes how a commit differs from the one before.
    fn version(&self, desired: &Desired) -> Version {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *last, desired.clone());
        let keys = before.objects.keys().chain(desired.objects.keys());
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let differs = |key: &&ObjectKey| before.objects.get(key) != desired.objects.get(key);
        keys.filter(differs).for_each(|key| journal.note(key));
        drop(journal);
        Version::newest(&self.journal)
    }
}

impl Commits for Branch {
    fn is_there(&self) -> bool {
        !self.commits.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn facts(&self, id: CommitId) -> Result<CommitFacts, Error> {
        Ok(self.find(id).1.commit)
    }

    fn observe(&self, id: CommitId) -> BoxFuture<'_, Result<Observed, Fault>> {
        let (place, desired) = self.find(id);
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
        let who = Person::new("somebody", "somebody@example.test", desired.commit.time_s);
        let confirms = |what: &str| (CONFIRM_TRAILER.to_owned(), what.to_owned());
        let commit = Commit {
            id,
            tree: id.to_string().parse().expect("forty digits"),
            parents: Vec::new(),
            author: who.clone(),
            committer: who,
            subject: desired.commit.subject.clone(),
            body: String::new(),
            trailers: vec![confirms("delete"), confirms("replace")],
        };
        let version = self.version(&desired);
        ready(Ok(Observed { commit, desired: Arc::new(desired), version, notes: Vec::new() })).boxed()
    }

    fn free(&self, past: Box<dyn Any + Send>) {
        drop(past);
    }
}

pub struct Control {
    pub view: Arc<View>,
    clock: Arc<Clock>,
    channel: Arc<Channel>,
    branch: Arc<Branch>,
    sync: Handle,
    /// How many commits the sync was told of.
    told: usize,
    control_loop: Task,
    sync_loop: Task,
    rng: Ids,
}

impl Control {
    /// Starts over a store that was made at `born_s`.
    pub fn start(store: &Arc<Store>, born_s: i64, now_ms: i64, seed: u64) -> Control {
        let kv: Arc<dyn Kv> = store.clone();
        let store = Objects::new(kv, None);
        let view = Arc::new(View::default());
        let mut rng = Ids::new(seed);
        let clock = Arc::new(Clock::new(now_ms, rng.bits()));
        let (reports, heard) = mpsc::channel(REPORTS_MAX);
        let term = u64::try_from(now_ms).unwrap_or(0);
        let link = Link { nodes: BTreeMap::new(), term, forgotten: Generation::default(), sent: Vec::new(), reports };
        let channel = Arc::new(Channel(Mutex::new(link)));
        let mut control = run::Control::new(view.clone(), store.clone(), channel.clone(), clock.clone(), heard, born_s);
        let watch = now(control.load()).expect("the memory store answers");
        let control_loop = async move {
            let ended = control.run(watch).await;
            panic!("the control loop ends: {ended:?}");
        };
        let tracked = Tracked { url: String::new(), branch: "main".to_owned(), path: String::new(), hosted: false };
        let branch = Arc::new(Branch::default());
        let commits: Arc<dyn Commits> = branch.clone();
        let sync = Sync::over(tracked, PathBuf::new(), view.clone(), store, clock.clone(), |_| commits);
        let handle = sync.handle();
        Control {
            view,
            clock,
            channel,
            branch,
            sync: handle,
            told: 0,
            control_loop: Task::new(control_loop.boxed()),
            sync_loop: Task::new(sync.run().boxed()),
            rng,
        }
    }

    /// When it has to go on even if nothing comes in.
    pub fn due_ms(&self, now_ms: i64) -> Option<i64> {
        let is_woken = self.control_loop.is_woken() || self.sync_loop.is_woken();
        let due = self.clock.due_ms().map(|at| at.max(now_ms + 1));
        is_woken.then_some(now_ms + 1).into_iter().chain(due).min()
    }

    /// Whether a commit was made of which the sync does not know.
    pub fn is_behind(&self, git: &Git) -> bool {
        self.told < git.commits.len()
    }

    /// The commit that the sync took up last.
    pub fn commit(&self) -> Option<usize> {
        *self.branch.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a commit is called healthy.
    pub fn is_healthy(&self, id: &str) -> bool {
        self.view.commit(id).is_some_and(|record| record.outcome == Outcome::Healthy)
    }

    /// Goes on until both loops wait.
    pub fn step(&mut self, git: &Git, now_ms: i64) {
        self.clock.set(now_ms);
        if self.is_behind(git) {
            self.told = git.commits.len();
            let mut commits = self.branch.commits.lock().unwrap_or_else(PoisonError::into_inner);
            *commits = git.commits.iter().map(|commit| commit.desired.clone()).collect();
            let tip = commits.last().expect("there is one").commit.id.parse().expect("forty digits");
            now(self.sync.tip(tip));
        }
        let (first, second) = match self.rng.below(2) {
            0 => (&mut self.control_loop, &mut self.sync_loop),
            _ => (&mut self.sync_loop, &mut self.control_loop),
        };
        first.run();
        second.run();
        if let Some(fault) = trace::fault() {
            panic!("the control plane logs a fault of its own:{fault}");
        }
    }

    /// What is to be sent: node, session, what.
    pub fn sent(&mut self) -> Vec<(String, u64, ToAgent)> {
        std::mem::take(&mut self.channel.link().sent)
    }

    /// A session of a node begins.
    pub fn admit(&mut self, name: &str, session: u64, hello: Hello) {
        let mut link = self.channel.link();
        link.node(name).session = Some(session);
        let begin = Event::Hello { held: hello.held, holding: hello.holding.clone() };
        link.report(name, What::Hello(hello));
        link.take(name, begin);
    }

    /// A session ends.
    pub fn leave(&mut self, name: &str, session: u64) {
        let mut link = self.channel.link();
        let node = link.node(name);
        if node.session == Some(session) {
            node.session = None;
            link.take(name, Event::Down);
            link.report(name, What::Disconnected { why: "simulated".to_owned() });
        }
    }

    /// An agent says something.
    pub fn hear(&mut self, name: &str, session: u64, message: Message) {
        let mut link = self.channel.link();
        if link.node(name).session != Some(session) {
            return;
        }
        let (event, what) = convert::meaning(message, true).expect("agents speak our language");
        what.into_iter().for_each(|what| link.report(name, what));
        event.into_iter().for_each(|event| link.take(name, event));
    }
}
