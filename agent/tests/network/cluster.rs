//! What a control plane would say of services, and servers and clients to try them with.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use masthead_agent::network::datapath::handle::Datapath;
use masthead_agent::network::datapath::state::Options;
use masthead_wire::manifest::{Generation, NodeManifest};
use masthead_wire::object::{Attachment, AttachmentKey};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::bed::{Bed, inside};

/// Longest wait for what must come: a loaded machine is slow, and nothing is measured here.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What the node is told.
pub struct Told {
    sender: watch::Sender<Option<Arc<NodeManifest>>>,
    manifest: NodeManifest,
}

impl Told {
    /// A node with pods in `pod_cidr`, in a cluster of 10.42.0.0/16 with services in 10.96.0.0/16.
    pub fn new(pod_cidr: &str) -> Self {
        let mut manifest = NodeManifest::default();
        manifest.content.setup.pod_cidrs = vec![pod_cidr.to_owned()];
        for (fact, value) in
            [("cluster_cidr", "10.42.0.0/16"), ("service_cidr", "10.96.0.0/16"), ("dns_ip", "10.96.0.10")]
        {
            manifest.content.setup.facts.insert(fact.to_owned(), value.to_owned());
        }
        Self { sender: watch::Sender::new(None), manifest }
    }

    /// The node of this number in a cluster of both families.
    pub fn dual(number: u8) -> Self {
        let mut told = Self::new(&format!("10.42.{number}.0/24"));
        let content = &mut told.manifest.content;
        content.setup.pod_cidrs.push(format!("fd00:42:0:{number:x}::/64"));
        for (fact, value) in
            [("cluster_cidr", "10.42.0.0/16,fd00:42::/56"), ("service_cidr", "10.96.0.0/16,fd00:96::/112")]
        {
            content.setup.facts.insert(fact.to_owned(), value.to_owned());
        }
        told
    }

    /// The slice of a service's endpoints of IPv6; the service itself is told as any other.
    pub fn slice_v6(&mut self, name: &str, endpoints: Value, port: u16, protocol: &str) {
        let rest = json!({"addressType": "IPv6", "ports": [{"port": port, "protocol": protocol}]});
        self.slice(&format!("{name}-v6"), name, rest, endpoints);
    }

    fn slice(&mut self, name: &str, of: &str, mut slice: Value, endpoints: Value) {
        let labels = json!({"kubernetes.io/service-name": of});
        slice["metadata"] = json!({"namespace": "n", "name": name, "labels": labels});
        slice["endpoints"] = endpoints;
        self.put("EndpointSlice", &slice);
    }

    /// Adds or replaces an object.
    pub fn put(&mut self, kind: &str, object: &Value) {
        let attachment = Attachment::parse(kind, Bytes::from(object.to_string())).unwrap();
        self.manifest.content.insert_attachment(Arc::new(attachment));
    }

    /// Takes one out.
    pub fn take(&mut self, kind: &str, namespace: &str, name: &str) {
        let key = AttachmentKey { kind: kind.into(), namespace: namespace.into(), name: name.into() };
        self.manifest.content.attachments.remove(&key);
    }

    /// A service and its endpoints.
    pub fn service(&mut self, name: &str, spec: Value, endpoints: Value, port: u16) {
        let mut service = json!({"metadata": {"namespace": "n", "name": name}, "spec": spec});
        if let Some(status) = service["spec"].as_object_mut().and_then(|spec| spec.remove("status")) {
            service["status"] = status;
        }
        let protocol = service["spec"]["ports"][0]["protocol"].as_str().unwrap_or("TCP");
        let rest = json!({"addressType": "IPv4", "ports": [{"port": port, "protocol": protocol}]});
        self.put("Service", &service);
        self.slice(name, name, rest, endpoints);
    }

    /// Tells it, and waits until it is done without a problem.
    pub fn tell(&mut self, bed: &Bed, datapath: &Datapath) {
        self.tell_anyway(bed, datapath);
        let problems = datapath.state().borrow().problems.clone();
        assert!(problems.is_empty(), "{problems:?}");
    }

    /// Tells it, and waits until it is done.
    pub fn tell_anyway(&mut self, bed: &Bed, datapath: &Datapath) {
        self.manifest.generation = Generation { term: 1, counter: self.manifest.generation.counter + 1 };
        self.sender.send_replace(Some(Arc::new(self.manifest.clone())));
        let at = self.manifest.generation;
        let done = bed.wait(async { tokio::time::timeout(PATIENCE, datapath.applied(at)).await });
        done.unwrap_or_else(|_| panic!("not applied: {:?}", datapath.state().borrow())).unwrap();
    }

    /// Ends the data path; what it was told is told to the next.
    pub fn tell_nobody(&mut self) {
        self.sender = watch::Sender::new(None);
    }

    /// Changes where services have their addresses.
    pub fn service_cidr(&mut self, cidr: &str) {
        self.manifest.content.setup.facts.insert("service_cidr".to_owned(), cidr.to_owned());
    }

    /// Starts the data path of node `node` in the caller's namespace.
    pub fn start(&self, bed: &Bed, node: &str) -> Datapath {
        self.start_in(&bed.data, node)
    }

    pub fn start_in(&self, data: &Path, node: &str) -> Datapath {
        let options = Options { data_dir: data.to_owned(), node: node.to_owned(), is_routed: true };
        Datapath::start(options, self.sender.subscribe(), CancellationToken::new()).unwrap()
    }
}

/// An endpoint on a node.
pub fn on(node: &str, ip: IpAddr) -> Value {
    json!({"addresses": [ip], "nodeName": node, "conditions": {"ready": true, "serving": true, "terminating": false}})
}

/// A server that answers every connection with its own name and who asked, until it is dropped.
pub struct Server {
    stop: Arc<AtomicBool>,
    wake: Box<dyn Fn() + Send>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// On TCP, in the namespace at `netns`.
    pub fn tcp(netns: &Path, name: &str, port: u16) -> Self {
        let listener = inside(netns, move || listen(port));
        let (stop, name, at) = (Arc::new(AtomicBool::new(false)), name.to_owned(), netns.to_owned());
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while let Ok((mut peer, from)) = listener.accept() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let _ = peer.write_all(format!("{name} {}\n", from.ip().to_canonical()).as_bytes());
                // Then it says back what it hears, for those who stay.
                std::thread::spawn(move || {
                    let mut buffer = [0; 64];
                    while let Ok(count @ 1..) = peer.read(&mut buffer) {
                        if peer.write_all(&buffer[..count]).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        let wake = move || drop(inside(&at, move || TcpStream::connect(("127.0.0.1", port))));
        Self { stop, wake: Box::new(wake), thread: Some(thread) }
    }

    /// On UDP, in the namespace at `netns`.
    pub fn udp(netns: &Path, name: &str, port: u16) -> Self {
        let bind = move || UdpSocket::bind(("::", port)).or_else(|_| UdpSocket::bind(("0.0.0.0", port)));
        let socket = inside(netns, move || bind().unwrap());
        let (stop, name, at) = (Arc::new(AtomicBool::new(false)), name.to_owned(), netns.to_owned());
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 64];
            while let Ok((_, from)) = socket.recv_from(&mut buffer) {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let _ = socket.send_to(format!("{name} {}", from.ip().to_canonical()).as_bytes(), from);
            }
        });
        let wake = move || {
            inside(&at, move || {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                drop(socket.send_to(b"x", ("127.0.0.1", port)));
            });
        };
        Self { stop, wake: Box::new(wake), thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        (self.wake)();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// On all addresses; of IPv4 alone where there is no IPv6.
fn listen(port: u16) -> TcpListener {
    TcpListener::bind(("::", port)).or_else(|_| TcpListener::bind(("0.0.0.0", port))).unwrap()
}

/// Connects; waits as long as it takes for an answer, but not for what never comes.
pub fn connect(ip: &str, port: u16, wait: Duration) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::new(ip.parse().unwrap(), port), wait)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// What a server says: its name, and whom it saw.
pub fn hello(stream: &mut TcpStream) -> std::io::Result<(String, String)> {
    let mut line = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte)? == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&line).into_owned();
    let (name, from) = text.split_once(' ').unwrap_or_default();
    Ok((name.to_owned(), from.to_owned()))
}

/// Who answers at an address: name, and whom he saw. From the namespace, or from the machine itself.
pub fn who(from: Option<&Path>, ip: &str, port: u16) -> std::io::Result<(String, String)> {
    let ip = ip.to_owned();
    let ask = move || hello(&mut connect(&ip, port, PATIENCE)?);
    match from {
        Some(netns) => inside(netns, ask),
        None => ask(),
    }
}

/// Whether nothing at all comes back; a packet that is dropped takes its time to be known as such.
pub fn is_dropped(from: &Path, ip: &str, port: u16) -> bool {
    let ip = ip.to_owned();
    let answer = inside(from, move || connect(&ip, port, Duration::from_secs(2)).map(drop));
    matches!(answer, Err(error) if error.kind() == std::io::ErrorKind::TimedOut)
}

/// Whether the sender is told that nobody is there.
pub fn is_refused(from: Option<&Path>, ip: &str, port: u16) -> bool {
    matches!(who(from, ip, port), Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// Asks until `enough`, for as long as patience lasts.
pub fn until(what: &str, mut enough: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !enough() {
        assert!(begin.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
