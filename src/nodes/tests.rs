//! Both ends of the channel over loopback: joining, manifests, reports, streams, restarts.

use bytes::Bytes;
use masthead_agent::link::handle as link;
use masthead_agent::link::state::{LinkState, Options as LinkOptions, Streams};
use masthead_wire::channel::dial;
use masthead_wire::limits;
use masthead_wire::manifest::{Generation, NodeContent, NodeManifest};
use masthead_wire::object::{Attachment, PodEntry};
use masthead_wire::pb;
use masthead_wire::pb::join_client::JoinClient;
use masthead_wire::pb::node_link_client::NodeLinkClient;
use masthead_wire::pki::authority::{Authority, NODE_LIFETIME};
use masthead_wire::pki::identity::{Identity, NewKey};
use masthead_wire::pki::tls;
use masthead_wire::pki::token::{MemoryTokens, Token, TokenRecord};
use masthead_wire::report::{NodeFacts, PodGone, PodStatus, Problem};
use masthead_wire::stream::{AgentIo, Exit, OutputFrame, PodRef, Size, StreamKind, StreamRequest};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::Code;

use super::dispatcher::{self, Handle, Options};
use super::plan::Tables;
use super::report::{Report, What};

mod streams;
mod trust;

const PATIENCE: Duration = Duration::from_secs(20);

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let result = tokio::time::timeout(PATIENCE, future).await;
    result.unwrap_or_else(|_| panic!("{what} took more than {PATIENCE:?}"))
}

struct Control {
    handle: Handle,
    task: JoinHandle<()>,
    reports: mpsc::Receiver<Report>,
    address: SocketAddr,
    authority: Arc<Authority>,
    tokens: Arc<MemoryTokens>,
}

impl Control {
    async fn start(authority: Arc<Authority>, address: &str, term: u64) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let tokens = Arc::new(MemoryTokens::default());
        let options = Options {
            listener,
            authority: authority.clone(),
            names: vec!["127.0.0.1".into()],
            tokens: tokens.clone(),
            term,
            lease_s: 1,
            node_lifetime: NODE_LIFETIME,
            cluster: BTreeMap::from([("domain".into(), "cluster.local".into())]),
        };
        let (handle, task) = dispatcher::start(options).unwrap();
        let reports = handle.subscribe_reports().unwrap();
        Self { handle, task, reports, address, authority, tokens }
    }

    async fn new() -> Self {
        let authority = Arc::new(Authority::generate(SystemTime::now()).unwrap());
        Self::start(authority, "127.0.0.1:0", 1).await
    }

    fn token(&self, uses: Option<u32>, expires_unix_s: Option<u64>) -> Token {
        let token = Token::generate(self.authority.digest());
        self.tokens.insert(TokenRecord::new(&token, expires_unix_s, uses));
        token
    }

    /// The next report that `wanted` makes something of.
    async fn report<T>(&mut self, what: &str, wanted: impl Fn(&Report) -> Option<T>) -> T {
        let find = async {
            loop {
                let report = self.reports.recv().await.expect("the dispatcher runs");
                if let Some(found) = wanted(&report) {
                    return found;
                }
            }
        };
        within(what, find).await
    }

    async fn stop(self) {
        self.handle.stop();
        within("the shutdown", self.task).await.unwrap();
    }
}

/// What tests make of streams: logs print lines, exec echoes its input and tells the last size.
struct Echo;

impl Streams for Echo {
    fn open(&self, request: StreamRequest, io: AgentIo) {
        tokio::spawn(async move {
            match request.kind {
                StreamKind::Logs(logs) => {
                    let mut n = 0;
                    while logs.follow || n < 3 {
                        let line = Bytes::from(format!("{} line {n}\n", request.pod.name));
                        if io.output.stdout(line).await.is_err() || io.gone.is_cancelled() {
                            return;
                        }
                        n += 1;
                    }
                    let _ = io.output.exit(Exit::Code(0)).await;
                }
                StreamKind::Exec(_) => echo(io).await,
                StreamKind::PortForward { .. } => {
                    let mut stdin = io.stdin;
                    let mut out = io.output.stdout_writer();
                    tokio::io::copy(&mut stdin, &mut out).await.unwrap();
                    let _ = io.output.exit(Exit::Code(0)).await;
                }
                // Dropped without an exit.
                StreamKind::Attach(_) => {}
            }
        });
    }
}

async fn echo(mut io: AgentIo) {
    let mut text = String::new();
    io.stdin.read_to_string(&mut text).await.unwrap();
    let size = *io.resize.borrow();
    let size = size.map_or("none".into(), |s| format!("{}x{}", s.width, s.height));
    let _ = io.output.stdout(text.into()).await;
    let _ = io.output.stderr(size.into()).await;
    let _ = io.output.exit(Exit::Code(7)).await;
}

fn agent(dir: &Path, node: &str, address: SocketAddr, token: Option<Token>) -> link::Handle {
    let options = LinkOptions {
        servers: vec![address.to_string()],
        state_dir: dir.to_owned(),
        node: node.into(),
        token,
        facts: NodeFacts { capacity: BTreeMap::from([("cpu".into(), "2".into())]), ..NodeFacts::default() },
    };
    link::start(options, Arc::new(Echo)).unwrap().0
}

fn pod(uid: &str, version: usize, padding: usize) -> Arc<PodEntry> {
    let pad = "x".repeat(padding);
    let json = format!(
        r#"{{"metadata":{{"uid":"{uid}","namespace":"n","name":"{uid}"}},"spec":{{"v":{version},"p":"{pad}"}}}}"#
    );
    Arc::new(PodEntry::parse(json.into()).unwrap())
}

fn content(pods: &[(&str, usize)]) -> NodeContent {
    let mut content = NodeContent::default();
    for (uid, version) in pods {
        content.insert_pod(pod(uid, *version, 0));
    }
    let secret = r#"{"metadata":{"namespace":"n","name":"s"},"data":{"p":"aHVudGVyMg=="}}"#;
    let secret = Attachment::parse("Secret", Bytes::from_static(secret.as_bytes())).unwrap();
    content.insert_attachment(Arc::new(secret));
    content
}

async fn holds(agent: &link::Handle, wanted: &NodeContent) -> Arc<NodeManifest> {
    let mut manifest = agent.manifest();
    let same = |m: &Option<Arc<NodeManifest>>| m.as_ref().is_some_and(|m| m.content == *wanted);
    let held = within("the manifest", manifest.wait_for(same)).await.unwrap();
    held.clone().unwrap()
}

fn status(uid: &str, text: &str, observed: Generation) -> PodStatus {
    PodStatus {
        uid: uid.into(),
        namespace: "n".into(),
        name: uid.into(),
        status: Bytes::copy_from_slice(text.as_bytes()),
        observed,
        sequence: 0,
    }
}

fn hello(node: &str) -> impl Fn(&Report) -> Option<masthead_wire::report::Hello> {
    let node = node.to_owned();
    move |r| match &r.what {
        What::Hello(hello) if r.node == node => Some(hello.clone()),
        _ => None,
    }
}

#[tokio::test]
async fn a_node_joins_gets_its_pods_and_reports() {
    let mut control = Control::new().await;
    let dir = tempfile::tempdir().unwrap();
    let token = control.token(Some(1), None);
    let agent = agent(dir.path(), "one", control.address, Some(token));
    let said = control.report("the greeting", hello("one")).await;
    assert_eq!((said.held, said.holding.pods.len()), (None, 0));
    assert_eq!(said.facts.capacity["cpu"], "2");
    assert_eq!(*agent.manifest().borrow(), None, "nothing is known before it is said");
    let wanted = content(&[("a", 1), ("b", 1)]);
    control.handle.set_node("one", wanted.clone());
    let held = holds(&agent, &wanted).await;
    agent.report_status(status("a", "{}", held.generation));
    agent.report_events([Bytes::from_static(b"{\"kind\":\"Event\"}")]);
    agent.report_gone(PodGone { uid: "b".into(), namespace: "n".into(), name: "b".into() });
    let mut seen = (false, false, false, false, false);
    while seen != (true, true, true, true, true) {
        match control.report("a report", |r| Some(r.what.clone())).await {
            What::PodStatus(s) => {
                assert_eq!((&*s.uid, &s.status[..], s.observed), ("a", &b"{}"[..], held.generation));
                seen.0 = true;
            }
            What::PodGone(gone) => seen.1 = &*gone.uid == "b",
            What::Events { events, .. } => seen.2 = events.len() == 1,
            // On a slow machine beats come before the answer, and then it is sent again.
            What::Heartbeat(beat) => seen.3 |= beat.held >= Some(held.generation),
            What::Holds(generation) => seen.4 |= generation >= held.generation,
            _ => {}
        }
    }
    assert_eq!(control.handle.connected(), ["one"]);
    let settled = async {
        while !control.handle.nodes()[0].settled {
            control.reports.recv().await.expect("the dispatcher runs");
        }
    };
    within("all that was sent is held", settled).await;
    let next = content(&[("a", 2)]);
    control.handle.set_node("one", next.clone());
    let after = holds(&agent, &next).await;
    assert!(after.generation > held.generation);
    assert!(within("a ping", control.handle.ping("one")).await.unwrap() < PATIENCE);
    match &*agent.state().borrow() {
        LinkState::Connected(welcome) => assert_eq!(welcome.cluster["domain"], "cluster.local"),
        other => panic!("{other:?}"),
    }
    control.stop().await;
}

#[tokio::test]
async fn a_node_says_what_its_tables_are_and_what_it_cannot_do() {
    let mut control = Control::new().await;
    let dir = tempfile::tempdir().unwrap();
    let token = control.token(Some(1), None);
    let agent = agent(dir.path(), "one", control.address, Some(token));
    let (tables, problems) = (agent.tables(), agent.problems());
    let services = tables.part("services");
    let wanted = content(&[("a", 1)]);
    control.handle.set_node("one", wanted.clone());
    let held = holds(&agent, &wanted).await;
    control.report("an acknowledgement", |r| matches!(r.what, What::Holds(_)).then_some(())).await;
    assert_eq!(control.handle.tables(), [Tables::Unknown], "held, and in no table");
    let applied = |why: &'static str| {
        move |r: &Report| matches!(&r.what, What::Applied(applied) if applied.why == why).then_some(())
    };
    // On a slow machine it was sent more than once by now.
    let last = Generation { counter: held.generation.counter + 100, ..held.generation };
    services.applied(last, Some("no room".into()));
    control.report("the fault", applied("services: no room")).await;
    assert_eq!(control.handle.tables(), [Tables::Broken]);
    services.applied(last, None);
    control.report("the tables", applied("")).await;
    assert_eq!(control.handle.tables(), [Tables::Are(Arc::new(wanted))]);
    let problem = Problem { kind: "Service".into(), name: "web".into(), ..Problem::default() };
    problems.set("services", vec![problem.clone()]);
    let told = |r: &Report| match &r.what {
        What::Problems(told) => Some(told.problems.clone()),
        _ => None,
    };
    assert_eq!(control.report("the problems", told).await, [problem]);
    control.stop().await;
}

#[tokio::test]
async fn a_control_plane_that_lost_everything_learns_it_again() {
    let mut control = Control::new().await;
    let dir = tempfile::tempdir().unwrap();
    let token = control.token(None, None);
    let agent = agent(dir.path(), "one", control.address, Some(token));
    let wanted = content(&[("a", 1), ("b", 1)]);
    control.handle.set_node("one", wanted.clone());
    let held = holds(&agent, &wanted).await;
    agent.report_status(status("a", "first", held.generation));
    control.report("a status", |r| matches!(r.what, What::PodStatus(_)).then_some(())).await;
    let (address, authority) = (control.address, control.authority.clone());
    control.stop().await;
    let down = |s: &LinkState| matches!(s, LinkState::Down { .. });
    within("the loss", agent.state().wait_for(down)).await.unwrap();
    agent.report_status(status("a", "second", held.generation));

    // The same address and authority, and nothing else: not even the term.
    let mut control = Control::start(authority, &address.to_string(), 1).await;
    let said = control.report("the greeting", hello("one")).await;
    assert_eq!(said.held, Some(held.generation));
    assert_eq!(said.holding.pods.len(), 2);
    let status = control
        .report("the status", |r| match &r.what {
            What::PodStatus(status) => Some(status.clone()),
            _ => None,
        })
        .await;
    assert_eq!(&status.status[..], b"second", "only the newest is told");
    control.handle.recall("one", Vec::new()).await.unwrap();
    let pods = control
        .report("the pods", |r| match &r.what {
            What::Recalled { pods, last: true } => Some(pods.clone()),
            _ => None,
        })
        .await;
    let mut found = NodeContent::default();
    pods.into_iter().for_each(|p| found.insert_pod(p));
    assert_eq!(found.pods, wanted.pods);
    assert_eq!(*agent.manifest().borrow(), Some(held.clone()), "the node keeps what it has");
    control.handle.set_node("one", wanted.clone());
    assert_eq!(said.held.map(|g| g.term), Some(1), "our term, and not sent by us");
    control.handle.set_term(2);
    let settled = |r: &Report| matches!(r.what, What::Holds(_)).then_some(());
    control.report("an acknowledgement", settled).await;
    let now = agent.manifest().borrow().clone().unwrap();
    assert!(now.generation > held.generation && now.content == held.content);
    control.stop().await;
}

#[tokio::test]
async fn an_older_term_is_refused_until_it_is_raised() {
    let authority = Arc::new(Authority::generate(SystemTime::now()).unwrap());
    let control = Control::start(authority.clone(), "127.0.0.1:0", 7).await;
    let dir = tempfile::tempdir().unwrap();
    let token = control.token(None, None);
    let agent = agent(dir.path(), "one", control.address, Some(token));
    let wanted = content(&[("a", 1)]);
    control.handle.set_node("one", wanted.clone());
    holds(&agent, &wanted).await;
    let address = control.address;
    control.stop().await;
    let mut control = Control::start(authority, &address.to_string(), 3).await;
    control.handle.set_node("one", content(&[]));
    let ahead = |r: &Report| match r.what {
        What::Ahead(held) => Some(held),
        _ => None,
    };
    let ahead = control.report("the refusal", ahead).await;
    assert_eq!(ahead.term, 7);
    assert_eq!(agent.manifest().borrow().as_ref().unwrap().content, wanted);
    control.handle.set_term(ahead.term + 1);
    holds(&agent, &content(&[])).await;
    control.stop().await;
}

#[tokio::test]
async fn an_agent_that_restarts_alone_keeps_its_pods() {
    let control = Control::new().await;
    let dir = tempfile::tempdir().unwrap();
    let first = agent(dir.path(), "one", control.address, Some(control.token(Some(1), None)));
    let wanted = content(&[("a", 1)]);
    control.handle.set_node("one", wanted.clone());
    holds(&first, &wanted).await;
    let (address, authority) = (control.address, control.authority.clone());
    first.stop();
    control.stop().await;
    // No control plane, and the token is used up: the disk is all there is.
    let second = agent(dir.path(), "one", address, None);
    assert_eq!(second.manifest().borrow().as_ref().unwrap().content, wanted);
    let mut control = Control::start(authority, &address.to_string(), 2).await;
    let said = control.report("the greeting", hello("one")).await;
    assert_eq!(said.holding.pods.len(), 1);
    control.stop().await;
}

#[tokio::test]
async fn fifty_nodes_come_back_after_a_restart() {
    let control = Control::new().await;
    let token = control.token(None, None);
    let mut agents = Vec::new();
    for n in 0..50 {
        let (dir, name) = (tempfile::tempdir().unwrap(), format!("n{n}"));
        let handle = agent(dir.path(), &name, control.address, Some(token.clone()));
        control.handle.set_node(&name, content(&[("a", n)]));
        agents.push((dir, handle));
    }
    for (n, (_, agent)) in agents.iter().enumerate() {
        holds(agent, &content(&[("a", n)])).await;
    }
    let (address, authority) = (control.address, control.authority.clone());
    control.stop().await;
    let mut control = Control::start(authority, &address.to_string(), 2).await;
    let begun = Instant::now();
    for n in 0..agents.len() {
        control.handle.set_node(&format!("n{n}"), content(&[("a", n), ("b", n)]));
    }
    let greeting = |r: &Report| matches!(r.what, What::Hello(_)).then_some(());
    for _ in 0..agents.len() {
        control.report("a greeting", greeting).await;
    }
    for (n, (_, agent)) in agents.iter().enumerate() {
        holds(agent, &content(&[("a", n), ("b", n)])).await;
    }
    println!("50 nodes were back after {:?}", begun.elapsed());
    control.stop().await;
}

#[tokio::test]
async fn what_can_not_be_stored_is_not_acted_on() {
    let control = Control::new().await;
    let dir = tempfile::tempdir().unwrap();
    // In the way of the file that the manifest is drafted in.
    let obstacle = dir.path().join(".manifest.draft");
    std::fs::create_dir(&obstacle).unwrap();
    let agent = agent(dir.path(), "one", control.address, Some(control.token(None, None)));
    let wanted = content(&[("a", 1)]);
    control.handle.set_node("one", wanted.clone());
    let told = |s: &LinkState| matches!(s, LinkState::Down { why } if why.contains("can't store"));
    within("the failure", agent.state().wait_for(told)).await.unwrap();
    assert_eq!(*agent.manifest().borrow(), None);
    std::fs::remove_dir(&obstacle).unwrap();
    holds(&agent, &wanted).await;
    control.stop().await;
}

/// Passes bytes between the agent and the control plane until it is told to cut every connection.
async fn proxy(target: SocketAddr, mut cut: tokio::sync::watch::Receiver<u32>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let mut near = accepted.unwrap().0;
                    open.spawn(async move {
                        if let Ok(mut far) = tokio::net::TcpStream::connect(target).await {
                            let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                        }
                    });
                }
                changed = cut.changed() => match changed {
                    Ok(()) => open.abort_all(),
                    Err(_) => return,
                },
            }
        }
    });
    address
}

#[tokio::test]
async fn connections_that_break_at_any_moment_lose_nothing() {
    let mut control = Control::new().await;
    let dir = tempfile::tempdir().unwrap();
    let (cut, cuts) = tokio::sync::watch::channel(0);
    let address = proxy(control.address, cuts).await;
    let agent = agent(dir.path(), "one", address, Some(control.token(None, None)));
    let mut wanted = NodeContent::default();
    let mut last = Generation::default();
    for round in 0..30_usize {
        for n in 0..200 {
            wanted.insert_pod(pod(&format!("u{round}-{n}"), round, 2000));
        }
        control.handle.set_node("one", wanted.clone());
        agent.report_status(status("a", &round.to_string(), last));
        // Somewhere between the first byte and the last acknowledgement.
        tokio::time::sleep(Duration::from_micros(700 * round as u64)).await;
        cut.send_modify(|cut| *cut += 1);
        if round % 10 == 9 {
            let held = holds(&agent, &wanted).await;
            assert!(held.generation > last, "it never goes back");
            last = held.generation;
        }
    }
    let newest = |r: &Report| match &r.what {
        What::PodStatus(s) if &s.status[..] == b"29" => Some(()),
        _ => None,
    };
    control.report("the newest status", newest).await;
    control.stop().await;
}

#[tokio::test]
async fn ten_thousand_pods_in_one_go() {
    let mut control = Control::new().await;
    let dir = tempfile::tempdir().unwrap();
    let agent = agent(dir.path(), "one", control.address, Some(control.token(None, None)));
    control.report("the greeting", hello("one")).await;
    let mut wanted = NodeContent::default();
    for n in 0..10_000 {
        wanted.insert_pod(pod(&format!("u{n:05}"), 1, 2000));
    }
    let begun = Instant::now();
    control.handle.set_node("one", wanted.clone());
    holds(&agent, &wanted).await;
    let whole = begun.elapsed();
    wanted.insert_pod(pod("u00007", 2, 2000));
    let begun = Instant::now();
    control.handle.set_node("one", wanted.clone());
    holds(&agent, &wanted).await;
    println!("10,000 pods: whole in {whole:?}, one of them changed in {:?}", begun.elapsed());
    control.stop().await;
}

#[tokio::test]
async fn a_slow_control_loop_gets_the_newest_and_nothing_piles_up() {
    let mut control = Control::new().await;
    let dir = tempfile::tempdir().unwrap();
    let agent = agent(dir.path(), "one", control.address, Some(control.token(None, None)));
    control.report("the greeting", hello("one")).await;
    const ROUNDS: u64 = 400;
    const PODS: u64 = 50;
    for round in 1..=ROUNDS {
        for n in 0..PODS {
            let text = round.to_string();
            assert!(agent.report_status(status(&format!("u{n}"), &text, Generation::default())));
        }
        tokio::task::yield_now().await;
    }
    // Nobody has read a report so far, and manifests flow all the same once somebody does.
    control.handle.set_node("one", content(&[("a", 1)]));
    let mut last = BTreeMap::new();
    let mut count = 0;
    let newest = ROUNDS.to_string();
    while last.len() < PODS as usize || last.values().any(|text| *text != newest) {
        let status = |r: &Report| match &r.what {
            What::PodStatus(s) => Some((s.uid.clone(), s.sequence, s.status.clone())),
            _ => None,
        };
        let (uid, sequence, text) = control.report("a status", status).await;
        count += 1;
        assert!(sequence <= ROUNDS * PODS);
        last.insert(uid, String::from_utf8(text.to_vec()).unwrap());
    }
    println!("{count} of {} statuses were sent", ROUNDS * PODS);
    holds(&agent, &content(&[("a", 1)])).await;
    control.stop().await;
}
