//! A running name server with a manifest to write, a client, and name servers that it asks.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RData, Record, RecordType, rdata};
use masthead_agent::dns::run::{self, Handle, Options};
use masthead_wire::manifest::{Generation, NodeManifest};
use masthead_wire::object::Attachment;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The server, its manifest, its address.
pub struct Bed {
    pub handle: Handle,
    pub place: SocketAddr,
    manifest: Arc<watch::Sender<Option<Arc<NodeManifest>>>>,
    stop: CancellationToken,
}

impl Bed {
    /// A server that asks these, for as long as it takes.
    pub async fn start(servers: Vec<SocketAddr>) -> Self {
        Self::with_attempt(servers, PATIENCE).await
    }

    /// A server that gives each of these this long.
    pub async fn with_attempt(servers: Vec<SocketAddr>, attempt: Duration) -> Self {
        let facts = [("dns_ip", "127.0.0.1"), ("service_cidr", "10.96.0.0/16"), ("cluster_cidr", "10.88.0.0/16")];
        let mut manifest = NodeManifest::default();
        manifest.content.setup.facts = facts.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let (tx, rx) = watch::channel(Some(Arc::new(manifest)));
        let stop = CancellationToken::new();
        let options = Options { port: 0, servers: Some(servers), workers: 2, attempt, ..Options::default() };
        let handle = run::start(rx, options, stop.clone());
        let mut listening = handle.listening.clone();
        let place = timeout(PATIENCE, listening.wait_for(|all| !all.is_empty())).await.unwrap().unwrap()[0];
        Self { handle, place, manifest: Arc::new(tx), stop }
    }

    /// Puts an object into the manifest.
    pub fn put(&self, kind: &str, object: &Value) {
        let attachment = Attachment::parse(kind, Bytes::from(object.to_string())).unwrap();
        self.manifest.send_modify(|held| {
            let mut next = NodeManifest::clone(held.as_ref().unwrap());
            next.generation = Generation { term: 1, counter: next.generation.counter + 1 };
            next.content.insert_attachment(Arc::new(attachment));
            *held = Some(Arc::new(next));
        });
    }

    /// Asks over UDP.
    pub async fn ask(&self, name: &str, kind: RecordType) -> Message {
        ask(self.place, name, kind).await
    }

    /// Asks until the answer is as expected.
    pub async fn until(&self, name: &str, kind: RecordType, expect: &[&str]) {
        let wait = async {
            loop {
                if data(&self.ask(name, kind).await) == expect {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{name} never became {expect:?}"));
    }

    /// Ends the server.
    pub async fn end(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.handle.task).await.unwrap().unwrap();
    }
}

/// The data of the answers, sorted.
pub fn data(message: &Message) -> Vec<String> {
    let mut lines: Vec<String> = message.answers.iter().map(|record| record.data.to_string()).collect();
    lines.sort();
    lines
}

/// A question as a packet.
pub fn packet(id: u16, name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message.to_vec().unwrap()
}

/// Asks a server over UDP, again when the packet is lost.
pub async fn ask(place: SocketAddr, name: &str, kind: RecordType) -> Message {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket.connect(place).await.unwrap();
    let id = rand::random();
    let mut buffer = vec![0; 65_535];
    for _ in 0..6 {
        socket.send(&packet(id, name, kind)).await.unwrap();
        if let Ok(size) = timeout(PATIENCE / 6, socket.recv(&mut buffer)).await {
            let message = Message::from_vec(&buffer[..size.unwrap()]).unwrap();
            assert_eq!(message.metadata.id, id);
            return message;
        }
    }
    panic!("{name}: no answer");
}

/// How a name server behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    Good,
    /// It says nothing.
    Silent,
    /// It says that it failed.
    Failing,
    /// Over UDP it cuts each answer.
    Cutting,
    /// It gives names back in lower case.
    Lowering,
    /// It answers with something else first.
    Forged,
    /// It answers when it is let.
    Held,
}

/// A name server of names elsewhere: every name is 192.0.2.1, but those that begin with `no`.
pub struct Elsewhere {
    pub place: SocketAddr,
    pub udp: Arc<AtomicUsize>,
    pub tcp: Arc<AtomicUsize>,
    /// Lets a held one answer.
    pub release: CancellationToken,
    /// The names as they were spelled.
    pub spelled: Arc<Mutex<Vec<String>>>,
}

impl Elsewhere {
    /// One of a manner, on an address of the loopback.
    pub async fn start(manner: Manner) -> Self {
        let any = (IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let (listener, socket) = loop {
            let listener = TcpListener::bind(any).await.unwrap();
            // Somebody else may have the port for UDP.
            if let Ok(socket) = UdpSocket::bind(listener.local_addr().unwrap()).await {
                break (listener, socket);
            }
        };
        let place = listener.local_addr().unwrap();
        let made = Self {
            place,
            udp: Arc::default(),
            tcp: Arc::default(),
            release: CancellationToken::new(),
            spelled: Arc::default(),
        };
        let (count, release, spelled) = (made.udp.clone(), made.release.clone(), made.spelled.clone());
        tokio::spawn(async move {
            let mut buffer = vec![0; 65_535];
            loop {
                let (size, peer) = socket.recv_from(&mut buffer).await.unwrap();
                let asked = Message::from_vec(&buffer[..size]).unwrap();
                spelled.lock().unwrap().push(asked.queries[0].name().to_ascii());
                if asked.queries[0].name().to_ascii().starts_with("masthead-loop-") {
                    continue;
                }
                count.fetch_add(1, Ordering::SeqCst);
                if manner == Manner::Held {
                    release.cancelled().await;
                }
                for answer in answers(&asked, manner) {
                    socket.send_to(&answer, peer).await.unwrap();
                }
            }
        });
        let count = made.tcp.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let size = stream.read_u16().await.unwrap();
                let mut bytes = vec![0; usize::from(size)];
                stream.read_exact(&mut bytes).await.unwrap();
                let answer = &answers(&Message::from_vec(&bytes).unwrap(), Manner::Good)[0];
                stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
                stream.write_all(answer).await.unwrap();
            }
        });
        made
    }

    /// Packets and connections that came, but for probes.
    pub fn asked(&self) -> (usize, usize) {
        (self.udp.load(Ordering::SeqCst), self.tcp.load(Ordering::SeqCst))
    }
}

fn answers(asked: &Message, manner: Manner) -> Vec<Vec<u8>> {
    let mut answer = Message::new(asked.metadata.id, MessageType::Response, OpCode::Query);
    answer.metadata.recursion_desired = true;
    answer.metadata.recursion_available = true;
    let question = asked.queries[0].clone();
    let name = question.name().clone();
    answer.add_query(question);
    let record = |ip: [u8; 4]| Record::from_rdata(name.clone(), 60, RData::A(rdata::A(Ipv4Addr::from(ip))));
    match manner {
        Manner::Silent => return Vec::new(),
        Manner::Failing => answer.metadata.response_code = hickory_proto::op::ResponseCode::ServFail,
        Manner::Cutting => answer.metadata.truncation = true,
        Manner::Lowering => {
            answer.queries[0].set_name(name.to_lowercase());
            answer.add_answer(record([192, 0, 2, 66]));
        }
        Manner::Forged => {
            let mut other = answer.clone();
            other.metadata.id = asked.metadata.id.wrapping_add(1);
            other.add_answer(record([192, 0, 2, 66]));
            answer.add_answer(record([192, 0, 2, 1]));
            return vec![b"\0".to_vec(), other.to_vec().unwrap(), answer.to_vec().unwrap()];
        }
        Manner::Good | Manner::Held if name.to_lowercase().to_ascii().starts_with("no") => {
            answer.metadata.response_code = hickory_proto::op::ResponseCode::NXDomain;
            let soa = rdata::SOA::new(Name::root(), Name::root(), 1, 2, 3, 4, 60);
            answer.add_authority(Record::from_rdata(Name::root(), 60, RData::SOA(soa)));
        }
        Manner::Good | Manner::Held => {
            answer.add_answer(record([192, 0, 2, 1]));
        }
    }
    vec![answer.to_vec().unwrap()]
}

/// A connection that asks without waiting.
pub struct Pipe(TcpStream);

impl Pipe {
    pub async fn open(place: SocketAddr) -> Self {
        Self(TcpStream::connect(place).await.unwrap())
    }

    pub async fn send(&mut self, packets: &[Vec<u8>]) {
        let framed: Vec<u8> = packets
            .iter()
            .flat_map(|packet| [&u16::try_from(packet.len()).unwrap().to_be_bytes()[..], packet].concat())
            .collect();
        self.0.write_all(&framed).await.unwrap();
    }

    /// The next answer; nothing when the connection ended.
    pub async fn next(&mut self) -> Option<Message> {
        let read = async {
            let size = self.0.read_u16().await.ok()?;
            let mut bytes = vec![0; usize::from(size)];
            self.0.read_exact(&mut bytes).await.ok()?;
            Some(Message::from_vec(&bytes).unwrap())
        };
        timeout(PATIENCE, read).await.unwrap()
    }
}

/// A Service's JSON.
pub fn service(namespace: &str, name: &str, spec: &Value) -> Value {
    serde_json::json!({"metadata": {"namespace": namespace, "name": name}, "spec": spec})
}

/// An EndpointSlice's JSON of ready addresses.
pub fn slice(namespace: &str, service: &str, addresses: &[&str]) -> Value {
    let endpoints: Vec<Value> = addresses.iter().map(|ip| serde_json::json!({"addresses": [ip]})).collect();
    let labels = BTreeMap::from([("kubernetes.io/service-name", service)]);
    serde_json::json!({"metadata": {"namespace": namespace, "name": service, "labels": labels},
        "addressType": "IPv4", "endpoints": endpoints, "ports": []})
}
