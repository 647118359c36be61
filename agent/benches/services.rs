//! Prints how long services take to get into the kernel, and what a service costs the connections that go through it.
//!
//! Run as root: `cargo bench -p masthead-agent --bench services [-- SERVICES]`. It works in network and
//! mount namespaces of its own, two of them nodes that a link joins, and leaves nothing behind.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use masthead_agent::network::contract::{Attachment as Place, PodNetwork};
use masthead_agent::network::datapath::handle::Datapath;
use masthead_agent::network::datapath::state::Options;
use masthead_agent::network::destroy::destroy;
use masthead_agent::network::netns;
use masthead_agent::network::options::Options as NetworkOptions;
use masthead_agent::network::routed::RoutedNetwork;
use masthead_wire::manifest::{Generation, NodeManifest};
use masthead_wire::object::Attachment;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nlink::netlink::addr::Ipv4Address;
use nlink::netlink::link::VethLink;
use nlink::netlink::route::Ipv4Route;
use nlink::netlink::{Connection, Route};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const DEFAULT_SERVICES: usize = 5000;
const ENDPOINTS: usize = 10;
const CHANGES: usize = 200;
/// Pairs of turns, and how long a turn is.
const PAIRS: usize = 60;
const TURN: Duration = Duration::from_millis(60);
const BUFFER_BYTES: usize = 128 << 10;
const RATE_PORT: u16 = 81;
const SERVICE: &str = "10.96.255.1";

/// A node with a pod.
struct Node {
    sender: watch::Sender<Option<Arc<NodeManifest>>>,
    manifest: NodeManifest,
    datapath: Datapath,
    place: Place,
    _network: RoutedNetwork,
}

impl Node {
    fn put(&mut self, kind: &str, object: &Value) -> Result<()> {
        let attachment = Attachment::parse(kind, Bytes::from(object.to_string()))?;
        self.manifest.content.insert_attachment(Arc::new(attachment));
        Ok(())
    }

    /// How long it takes until the kernel has what the manifest says.
    fn tell(&mut self, runtime: &Runtime) -> Result<Duration> {
        self.manifest.generation = Generation { term: 1, counter: self.manifest.generation.counter + 1 };
        let manifest = Arc::new(self.manifest.clone());
        let begin = Instant::now();
        self.sender.send_replace(Some(manifest));
        runtime.block_on(self.datapath.applied(self.manifest.generation))?;
        Ok(begin.elapsed())
    }
}

fn main() -> Result<()> {
    let services = std::env::args()
        .filter(|arg| arg != "--bench")
        .nth(1)
        .map_or(Ok(DEFAULT_SERVICES), |n| n.parse())
        .context("SERVICES")?;
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).context("a namespace to work in needs root")?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).context("private mounts")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let data = tempfile::tempdir()?;
    let far = data.path().join("far");
    join(&runtime, &far)?;
    let mut here = node(&runtime, data.path(), "a", 0)?;
    let mut there = inside(&far, || {
        node(&tokio::runtime::Builder::new_current_thread().enable_all().build()?, data.path(), "b", 1)
    })?;
    for node in [&mut here, &mut there] {
        for (number, name) in ["a", "b"].into_iter().enumerate() {
            node.put(
                "Node",
                &json!({
                    "metadata": {"name": name}, "spec": {"podCIDRs": [format!("10.42.{number}.0/24")]},
                    "status": {"addresses": [{"type": "InternalIP", "address": format!("192.0.2.{}", number + 1)}]},
                }),
            )?;
        }
        node.tell(&runtime)?;
    }
    let target = there.place.ips[0];
    serve(&there.place)?;
    put_service(&mut here, "bench", SERVICE, &[target])?;
    println!("one service, first load: {:.2} ms", ms(here.tell(&runtime)?));
    compare(&here.place, target, 1)?;

    let before = memory_kib()?;
    for number in 0..services {
        let [.., high, low] = u32::try_from(number)?.to_be_bytes();
        let endpoints: Vec<IpAddr> = (0..ENDPOINTS).map(|at| IpAddr::from([10, 43 + (at as u8), high, low])).collect();
        put_service(&mut here, &format!("s{number}"), &format!("10.97.{high}.{low}"), &endpoints)?;
    }
    println!("{services} services x {ENDPOINTS} endpoints, first load: {:.1} ms", ms(here.tell(&runtime)?));
    println!(
        "memory with them (manifest, book and all): {} MiB, {} MiB more",
        memory_kib()? >> 10,
        (memory_kib()? - before) >> 10
    );
    let mut took = Vec::with_capacity(CHANGES);
    for change in 0..CHANGES {
        let count = ENDPOINTS - (change & 1);
        let endpoints: Vec<IpAddr> = (0..count).map(|at| IpAddr::from([10, 43 + (at as u8), 0, 7])).collect();
        put_service(&mut here, "s7", "10.97.0.7", &endpoints)?;
        took.push(here.tell(&runtime)?);
    }
    took.sort();
    let at = |share: usize| ms(took[(took.len() - 1) * share / 100]);
    println!("one endpoint's change: median {:.3} ms, p99 {:.3} ms", at(50), at(99));
    compare(&here.place, target, services)?;
    let Node { datapath, sender, .. } = here;
    drop((datapath, sender));
    runtime.block_on(destroy(&data.path().join("a")))?;
    Ok(())
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

fn put_service(node: &mut Node, name: &str, ip: &str, endpoints: &[IpAddr]) -> Result<()> {
    let ports = json!([{"name": "a", "port": 80}, {"name": "b", "port": RATE_PORT}]);
    let ports = if endpoints.len() == 1 { ports } else { json!([{"name": "a", "port": 80}]) };
    node.put(
        "Service",
        &json!({"metadata": {"namespace": "n", "name": name}, "spec": {"clusterIP": ip, "ports": ports}}),
    )?;
    let endpoint = |ip: &IpAddr| {
        let reference =
            json!({"kind": "Pod", "namespace": "n", "name": format!("{name}-7d9c5b8f6-abcde"), "uid": name});
        let conditions = json!({"ready": true, "serving": true, "terminating": false});
        json!({"addresses": [ip], "nodeName": "b", "conditions": conditions, "targetRef": reference})
    };
    let endpoints: Vec<Value> = endpoints.iter().map(endpoint).collect();
    node.put("EndpointSlice", &json!({
        "metadata": {"namespace": "n", "name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4", "endpoints": endpoints,
        "ports": [{"name": "a", "port": 80, "protocol": "TCP"}, {"name": "b", "port": RATE_PORT, "protocol": "TCP"}],
    }))
}

/// The two nodes' link.
fn join(runtime: &Runtime, far: &Path) -> Result<()> {
    let ns = netns::create()?;
    netns::pin(&ns, far)?;
    runtime.block_on(async {
        let near = Connection::<Route>::new()?;
        let beyond = Connection::<Route>::new_in(ns.as_fd())?;
        near.add_link(VethLink::new("lan0", "lan0").peer_netns_fd(&ns)).await?;
        for (conn, last) in [(&near, 1), (&beyond, 2)] {
            conn.set_link_up("lo").await?;
            conn.add_address(Ipv4Address::new("lan0", Ipv4Addr::new(192, 0, 2, last), 24)).await?;
            conn.set_link_up("lan0").await?;
        }
        near.add_route(Ipv4Route::default_route().gateway(Ipv4Addr::new(192, 0, 2, 2))).await?;
        Ok::<_, nlink::Error>(())
    })?;
    Ok(())
}

fn node(runtime: &Runtime, data: &Path, name: &str, number: u8) -> Result<Node> {
    let data = data.join(name);
    std::fs::create_dir_all(&data)?;
    let network = RoutedNetwork::start(NetworkOptions { pool_size: 0, ..NetworkOptions::new(&data) })?;
    let cidr = format!("10.42.{number}.0/24");
    runtime.block_on(network.set_ranges(vec![cidr.clone()], vec!["10.42.0.0/16".to_owned()]))?;
    let place = runtime.block_on(network.attach("pod"))?;
    let mut manifest = NodeManifest::default();
    manifest.content.setup.pod_cidrs = vec![cidr];
    for (fact, value) in [("cluster_cidr", "10.42.0.0/16"), ("service_cidr", "10.96.0.0/15")] {
        manifest.content.setup.facts.insert(fact.to_owned(), value.to_owned());
    }
    let sender = watch::Sender::new(None);
    let options = Options { data_dir: data, node: name.to_owned(), is_routed: true };
    let datapath = Datapath::start(options, sender.subscribe(), CancellationToken::new())?;
    Ok(Node { sender, manifest, datapath, place, _network: network })
}

/// Runs work in a namespace.
fn inside<T: Send>(ns: &Path, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let ns = File::open(ns)?;
    let run = move || {
        setns(ns, CloneFlags::CLONE_NEWNET)?;
        work()
    };
    thread::scope(|scope| scope.spawn(run).join().map_err(|_| anyhow!("a thread panicked"))?)
}

/// On port 80 whatever comes is read; on the other a connection is taken and let go.
fn serve(place: &Place) -> Result<()> {
    for port in [80, RATE_PORT] {
        let listener = inside(&place.netns, || Ok(TcpListener::bind(("0.0.0.0", port))?))?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if port == 80 {
                    thread::spawn(move || swallow(stream));
                }
            }
        });
    }
    Ok(())
}

fn swallow(mut stream: TcpStream) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while matches!(stream.read(&mut buffer), Ok(1..)) {}
}

/// Direct and through the service in short turns, each pair in the other order than the one before, so that whatever
/// else runs on the machine is beside both; the median of the pairs' ratios counts.
fn compare(place: &Place, target: IpAddr, services: usize) -> Result<()> {
    let ways = [target, SERVICE.parse()?];
    inside(&place.netns, || {
        let mut streams = Vec::new();
        for ip in ways {
            streams.push(TcpStream::connect(SocketAddr::new(ip, 80))?);
        }
        let bytes = pairs(|way| throughput(&mut streams[way]))?;
        print("GB/s", 1e-9, services, &bytes);
        let rates = pairs(|way| rate(ways[way]))?;
        print("connections/s", 1.0, services, &rates);
        Ok(())
    })
}

/// One short turn: how much was done in a second of the clock, and in one of the processor.
#[derive(Clone, Copy)]
struct Turn {
    by_clock: f64,
    by_cpu: f64,
}

/// A figure of a turn.
type Measure = fn(&Turn) -> f64;

fn pairs(mut turn: impl FnMut(usize) -> Result<Turn>) -> Result<Vec<[Turn; 2]>> {
    // The first of each warms up what is cold.
    turn(0)?;
    turn(1)?;
    let mut out = Vec::with_capacity(PAIRS);
    for pair in 0..PAIRS {
        let first = pair & 1;
        let one = turn(first)?;
        let other = turn(1 - first)?;
        out.push(if first == 0 { [one, other] } else { [other, one] });
    }
    Ok(out)
}

fn print(unit: &str, scale: f64, services: usize, pairs: &[[Turn; 2]]) {
    let part = |mut all: Vec<f64>, share: usize| {
        all.sort_by(f64::total_cmp);
        all[(all.len() - 1) * share / 100]
    };
    let of = |way: usize| part(pairs.iter().map(|pair| pair[way].by_clock).collect(), 50) * scale;
    let ratio =
        |of: fn(&Turn) -> f64, share| part(pairs.iter().map(|p| of(&p[1]) / of(&p[0])).collect(), share) * 100.0;
    let (clock, cpu): (Measure, Measure) = (|turn| turn.by_clock, |turn| turn.by_cpu);
    println!(
        "with {services} services: {:.2} {unit} direct, {:.2} through the service: {:.1} % (half of the pairs {:.1} to {:.1}); per second of processor {:.1} % ({:.1} to {:.1})",
        of(0),
        of(1),
        ratio(clock, 50),
        ratio(clock, 25),
        ratio(clock, 75),
        ratio(cpu, 50),
        ratio(cpu, 25),
        ratio(cpu, 75),
    );
}

/// Runs until the turn is over; `step` says how much it did.
fn turn(mut step: impl FnMut() -> Result<f64>) -> Result<Turn> {
    let cpu = cpu()?;
    let (begin, mut done) = (Instant::now(), 0.0);
    while begin.elapsed() < TURN {
        done += step()?;
    }
    let took = begin.elapsed().as_secs_f64();
    Ok(Turn { by_clock: done / took, by_cpu: done / (self::cpu()? - cpu) })
}

/// Seconds that all threads of this program have had a processor for: the kernel's work for both nodes is among it.
fn cpu() -> Result<f64> {
    let used = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(used.user_time()) + seconds(used.system_time()))
}

fn throughput(stream: &mut TcpStream) -> Result<Turn> {
    let buffer = vec![0; BUFFER_BYTES];
    turn(|| Ok(stream.write(&buffer)? as f64))
}

fn rate(ip: IpAddr) -> Result<Turn> {
    turn(|| {
        let stream = TcpStream::connect(SocketAddr::new(ip, RATE_PORT))?;
        // No port is left waiting.
        let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        nix::sys::socket::setsockopt(&stream, nix::sys::socket::sockopt::Linger, &linger)?;
        Ok(1.0)
    })
}

fn memory_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
