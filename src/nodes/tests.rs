//! Both ends of the channel over loopback: joining, manifests, reports, streams, restarts.

use bytes::Bytes;
use masthead_agent::link::handle::{self as link, LinkState};
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
use masthead_wire::report::{NodeFacts, PodGone, PodStatus};
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

use super::dispatcher::{self, Handle, Options, Report, What};

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

impl link::Streams for Echo {
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
    let options = link::Options {
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
            What::Heartbeat(beat) => seen.3 = seen.3 || beat.held == Some(held.generation),
            What::Holds(generation) => seen.4 = generation == held.generation,
            _ => {}
        }
    }
    assert_eq!(control.handle.connected(), ["one"]);
    assert!(control.handle.nodes()[0].settled);
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

async fn joins(dir: &Path, name: &str, address: SocketAddr, token: Option<Token>) -> String {
    let agent = agent(dir, name, address, token);
    let ended = |s: &LinkState| !matches!(s, LinkState::Connecting | LinkState::Down { .. });
    let mut state = agent.state();
    let state = within("joining", state.wait_for(ended)).await.unwrap().clone();
    agent.stop();
    match state {
        LinkState::Connected(_) => "connected".into(),
        LinkState::Failed { why } => why,
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn who_may_not_join_is_told_why() {
    let control = Control::new().await;
    let other = Authority::generate(SystemTime::now()).unwrap();
    let once = control.token(Some(1), None);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let rogue = Token::generate(control.authority.digest());
    let cases = [
        ("good", Some(once.clone()), "connected"),
        ("used", Some(once), "has been used already"),
        ("expired", Some(control.token(None, Some(now - 1))), "has expired"),
        ("rogue", Some(rogue), "is not known here"),
        ("pinned", Some(Token::generate(other.digest())), "not the one that the join token names"),
        ("Bad_Name", Some(control.token(None, None)), "RFC 1123"),
        ("none", None, "has not joined"),
    ];
    for (name, token, expect) in cases {
        let dir = tempfile::tempdir().unwrap();
        let why = joins(dir.path(), name, control.address, token).await;
        assert!(why.contains(expect), "{name}: {why}");
    }
    control.stop().await;
}

async fn knock(control: &Control, config: Arc<rustls::ClientConfig>) -> String {
    let address = control.address.to_string();
    let channel = match dial(&address, config).await {
        Ok(channel) => channel,
        Err(error) => return error.to_string(),
    };
    let request = pb::RenewRequest::default();
    match NodeLinkClient::new(channel).renew(request).await {
        Ok(_) => "let in".into(),
        Err(status) if status.code() == Code::InvalidArgument => "let in".into(),
        Err(status) => format!("{status:?}"),
    }
}

fn identity(authority: &Authority, node: &str, at: SystemTime, life: Duration) -> Identity {
    let key = NewKey::generate().unwrap();
    let pem = authority.issue_node(node, &key.public_key(), at, life).unwrap();
    Identity::new(node, &key, &pem, authority.certificate_pem()).unwrap()
}

#[tokio::test]
async fn only_nodes_of_this_authority_with_a_valid_certificate_come_in() {
    let control = Control::new().await;
    let (ours, now) = (&control.authority, SystemTime::now());
    let other = Authority::generate(now).unwrap();
    let hour = Duration::from_secs(3600);
    let good = identity(ours, "one", now, hour);
    assert_eq!(knock(&control, tls::node(&good).unwrap()).await, "let in");
    // An agent whose clock runs ahead or behind by minutes still verifies, and is verified.
    for skewed in [now + Duration::from_secs(300), now - Duration::from_secs(300)] {
        let skewed = identity(ours, "one", skewed, hour);
        assert_eq!(knock(&control, tls::node(&skewed).unwrap()).await, "let in");
    }
    let expired = identity(ours, "one", now - 3 * hour, hour);
    let why = knock(&control, tls::node(&expired).unwrap()).await;
    assert!(why.contains("CertificateExpired"), "{why}");
    // A certificate of another authority, by one who trusts ours all the same.
    let key = NewKey::generate().unwrap();
    let pem = other.issue_node("one", &key.public_key(), now, hour).unwrap();
    let foreign = Identity::new("one", &key, &pem, ours.certificate_pem()).unwrap();
    let why = knock(&control, tls::node(&foreign).unwrap()).await;
    assert!(why.contains("alert") || why.contains("DecryptError"), "{why}");
    // One who trusts another authority does not talk to us.
    let stranger = identity(&other, "one", now, hour);
    let why = knock(&control, tls::node(&stranger).unwrap()).await;
    assert!(why.contains("invalid peer certificate"), "{why}");
    // No certificate: only joining is open.
    let nobody = tls::joining(&control.token(None, None)).unwrap();
    let why = knock(&control, nobody).await;
    assert!(why.contains("Unauthenticated"), "{why}");
    control.stop().await;
}

#[tokio::test]
async fn a_user_is_no_node_and_a_node_is_no_server() {
    let control = Control::new().await;
    let now = SystemTime::now();
    let hour = Duration::from_secs(3600);
    let user = control.authority.issue_user("ann", Some("system:masters"), now, hour).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(control.authority.certificate().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(user.chain, user.key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let why = knock(&control, Arc::new(config)).await;
    assert!(why.contains("not a node's"), "{why}");
    control.stop().await;
}

#[tokio::test]
async fn a_name_has_one_session() {
    let mut control = Control::new().await;
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let token = control.token(None, None);
    let first = agent(one.path(), "one", control.address, Some(token.clone()));
    control.report("the greeting", hello("one")).await;
    // Another machine with a token does not get the name while it is taken.
    let why = joins(two.path(), "one", control.address, Some(token)).await;
    assert!(why.contains("is connected already"), "{why}");
    // Nor does one with a certificate of its own.
    let hour = Duration::from_secs(3600);
    let intruder = identity(&control.authority, "one", SystemTime::now(), hour);
    intruder.save(&two.path().join("pki")).unwrap();
    let second = agent(two.path(), "one", control.address, None);
    let intruder = |r: &Report| match &r.what {
        What::Intruder { why } => Some(why.clone()),
        _ => None,
    };
    let why = control.report("the intruder", intruder).await;
    assert!(why.contains("with another certificate"), "{why}");
    second.stop();
    // The same key: an agent that was restarted, while its old connection still hangs.
    let again = agent(one.path(), "one", control.address, None);
    let instance = control.report("the greeting", hello("one")).await.instance;
    assert_eq!(control.handle.nodes()[0].instance.as_deref(), Some(instance.as_str()));
    first.stop();
    again.stop();
    control.stop().await;
}

#[tokio::test]
async fn a_certificate_is_renewed_and_the_session_goes_on() {
    let mut control = Control::new().await;
    let dir = tempfile::tempdir().unwrap();
    let pki = dir.path().join("pki");
    // Backdated by an hour, an hour left: two thirds of its time are over in some minutes, so a
    // lifetime of 1805 s (5405 in all, a third is 1801) asks for renewal in about 4 s.
    let old = identity(&control.authority, "one", SystemTime::now(), Duration::from_secs(1803));
    old.save(&pki).unwrap();
    let agent = agent(dir.path(), "one", control.address, None);
    let first = control.report("the greeting", hello("one")).await;
    let second = control.report("the second greeting", hello("one")).await;
    assert_eq!(first.instance, second.instance);
    let new = Identity::load(&pki).unwrap().unwrap();
    assert_ne!(new.certificate(), old.certificate());
    assert!(new.renew_in(SystemTime::now()) > Duration::from_secs(86_400));
    agent.stop();
    control.stop().await;
}

fn request(kind: StreamKind) -> StreamRequest {
    let pod = PodRef { namespace: "n".into(), name: "a".into(), uid: "u".into() };
    StreamRequest { pod, kind }
}

#[tokio::test]
async fn streams_carry_logs_exec_and_ports() {
    let mut control = Control::new().await;
    let dir = tempfile::tempdir().unwrap();
    let agent = agent(dir.path(), "one", control.address, Some(control.token(None, None)));
    control.report("the greeting", hello("one")).await;
    let handle = &control.handle;
    let open = |kind| within("opening", handle.open_stream("one", request(kind)));

    let mut logs = open(StreamKind::Logs(pb::Logs::default())).await.unwrap();
    let mut text = String::new();
    within("the log", logs.read_to_string(&mut text)).await.unwrap();
    assert_eq!(text, "a line 0\na line 1\na line 2\n");
    assert_eq!(logs.exit(), Some(&Exit::Code(0)));

    let mut exec = open(StreamKind::Exec(pb::Exec::default())).await.unwrap();
    let input = exec.input();
    input.resize(Size { width: 80, height: 24 }).await.unwrap();
    // More than one frame and more than the queue holds.
    let long = "y".repeat(3 * limits::FRAME_BYTES + 5);
    input.stdin(long.clone().into()).await.unwrap();
    input.close_stdin().await.unwrap();
    let (mut out, mut err, mut exit) = (Vec::new(), Vec::new(), None);
    while let Some(frame) = within("a frame", exec.next()).await {
        match frame {
            OutputFrame::Stdout(bytes) => {
                assert!(bytes.len() <= limits::FRAME_BYTES);
                out.extend(bytes);
            }
            OutputFrame::Stderr(bytes) => err.extend(bytes),
            OutputFrame::Exit(e) => exit = Some(e),
        }
    }
    assert_eq!((out == long.as_bytes(), &err[..], exit), (true, &b"80x24"[..], Some(Exit::Code(7))));

    let mut port = open(StreamKind::PortForward { port: 80 }).await.unwrap();
    let payload: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
    let (mut from, mut to) = tokio::io::split(&mut port);
    let send = async {
        to.write_all(&payload).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let mut back = Vec::new();
    let (_, read) = within("the echo", async { tokio::join!(send, from.read_to_end(&mut back)) }).await;
    read.unwrap();
    assert!(back == payload);

    let mut lost = open(StreamKind::Attach(pb::Attach::default())).await.unwrap();
    let frame = within("the end", lost.next()).await;
    assert!(matches!(frame, Some(OutputFrame::Exit(Exit::Failed { .. }))), "{frame:?}");
    let missing = handle.open_stream("two", request(StreamKind::PortForward { port: 1 })).await;
    assert_eq!(missing.err().unwrap().to_string(), "node two is not connected");
    drop(agent);
    control.stop().await;
}

#[tokio::test]
async fn a_reader_that_stops_holds_up_only_its_own_stream() {
    let mut control = Control::new().await;
    let dir = tempfile::tempdir().unwrap();
    let agent = agent(dir.path(), "one", control.address, Some(control.token(None, None)));
    control.report("the greeting", hello("one")).await;
    let follow = || StreamKind::Logs(pb::Logs { follow: true, ..pb::Logs::default() });
    let mut stuck = Vec::new();
    for _ in 0..20 {
        let stream = control.handle.open_stream("one", request(follow())).await;
        stuck.push(stream.unwrap());
    }
    let wanted = content(&[("a", 1)]);
    control.handle.set_node("one", wanted.clone());
    holds(&agent, &wanted).await;
    // Its bytes wait, none is lost.
    let mut first = vec![0; 9];
    stuck[0].read_exact(&mut first).await.unwrap();
    assert_eq!(first, b"a line 0\n");
    control.stop().await;
}

#[tokio::test]
async fn a_stream_that_nobody_asked_for_is_refused() {
    let control = Control::new().await;
    let hour = Duration::from_secs(3600);
    let thief = identity(&control.authority, "two", SystemTime::now(), hour);
    let address = control.address.to_string();
    let channel = dial(&address, tls::node(&thief).unwrap()).await.unwrap();
    let mut call = tonic::Request::new(tokio_stream::empty::<pb::Frame>());
    call.metadata_mut().insert("masthead-stream-id", "0".parse().unwrap());
    let status = NodeLinkClient::new(channel).stream(call).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
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
async fn a_token_is_not_spent_by_a_bad_request() {
    let control = Control::new().await;
    let token = control.token(Some(1), None);
    let address = control.address.to_string();
    let channel = dial(&address, tls::joining(&token).unwrap()).await.unwrap();
    let client = JoinClient::new(channel);
    let ask = |name: &str, key: Vec<u8>| {
        let request = pb::JoinRequest { token: token.reveal(), node_name: name.into(), public_key: key.into() };
        let mut client = client.clone();
        async move { client.join(request).await.map_err(|s| s.code()) }
    };
    let key = NewKey::generate().unwrap().public_key();
    assert_eq!(ask("a b", key.clone()).await.unwrap_err(), Code::InvalidArgument);
    assert_eq!(ask("a", vec![1]).await.unwrap_err(), Code::InvalidArgument);
    assert!(ask("a", key.clone()).await.is_ok());
    assert_eq!(ask("a", key).await.unwrap_err(), Code::PermissionDenied);
    let none = pb::JoinRequest::default();
    assert_eq!(client.clone().join(none).await.unwrap_err().code(), Code::InvalidArgument);
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
