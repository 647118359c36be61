//! Prints how long services take to get into the kernel, and what a service costs the connections that go through it.
//!
//! Run as root: `cargo run --release -p masthead-agent --example services_bench [SERVICES]`. It works in network and
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
use masthead_agent::network::datapath::handle::{Datapath, Options};
use masthead_agent::network::destroy::destroy;
use masthead_agent::network::netns;
use masthead_agent::network::routed::{Options as NetworkOptions, RoutedNetwork};
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
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(1);
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
    let services = std::env::args().nth(1).map_or(Ok(DEFAULT_SERVICES), |n| n.parse()).context("SERVICES")?;
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

/// Direct and through the service in turns, best of each: what else runs on the machine only ever takes away.
fn compare(place: &Place, target: IpAddr, services: usize) -> Result<()> {
    let service: IpAddr = SERVICE.parse()?;
    let (mut bytes, mut rates) = ([0.0_f64; 2], [0.0_f64; 2]);
    for _ in 0..ROUNDS {
        for (at, ip) in [target, service].into_iter().enumerate() {
            bytes[at] = bytes[at].max(inside(&place.netns, || throughput(ip))?);
            rates[at] = rates[at].max(inside(&place.netns, || rate(ip))?);
        }
    }
    let share = |of: [f64; 2]| of[1] / of[0] * 100.0;
    println!(
        "with {services} services: {:.2} GB/s direct, {:.2} through the service ({:.1} %); {:.0} connections/s direct, {:.0} through it ({:.1} %)",
        bytes[0] / 1e9,
        bytes[1] / 1e9,
        share(bytes),
        rates[0],
        rates[1],
        share(rates),
    );
    Ok(())
}

fn throughput(ip: IpAddr) -> Result<f64> {
    let mut stream = TcpStream::connect(SocketAddr::new(ip, 80))?;
    let buffer = vec![0; BUFFER_BYTES];
    let (begin, mut sent) = (Instant::now(), 0_usize);
    while begin.elapsed() < ROUND {
        sent += stream.write(&buffer)?;
    }
    Ok(sent as f64 / begin.elapsed().as_secs_f64())
}

fn rate(ip: IpAddr) -> Result<f64> {
    let (begin, mut count) = (Instant::now(), 0_u32);
    while begin.elapsed() < ROUND {
        let stream = TcpStream::connect(SocketAddr::new(ip, RATE_PORT))?;
        // No port is left waiting.
        nix::sys::socket::setsockopt(
            &stream,
            nix::sys::socket::sockopt::Linger,
            &nix::libc::linger { l_onoff: 1, l_linger: 0 },
        )?;
        count += 1;
    }
    Ok(f64::from(count) / begin.elapsed().as_secs_f64())
}

fn memory_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
