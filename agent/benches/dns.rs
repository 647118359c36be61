//! Prints how many questions the name server answers in a second on one core, and how fast a change is answered.
//!
//! `cargo bench -p masthead-agent --bench dns [-- SERVICES [SECONDS]]`. The server runs on one core, the
//! client on the others; only the loopback is used.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use masthead_agent::dns::run::{self, Options};
use masthead_wire::manifest::{Generation, NodeManifest};
use masthead_wire::object::Attachment;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::Pid;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Questions on their way at a time: what several busy pods would have.
const OPEN: usize = 64;

/// What is measured: its name, the type, and the name that question `n` asks for.
type Kind = (&'static str, u16, fn(usize) -> String);

fn main() -> Result<()> {
    let number = |at: usize, default: usize| -> Result<usize> {
        std::env::args()
            .filter(|arg| arg != "--bench")
            .nth(at)
            .map_or(Ok(default), |text| text.parse())
            .context("no number")
    };
    let (services, seconds) = (number(1, 5000)?, number(2, 5)?);
    let begin = Instant::now();
    let mut manifest = cluster(services)?;
    println!("{services} services with 10 endpoints each, made in {:.0} ms", ms(begin));
    let (tx, rx) = watch::channel(None);
    let (told, place) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || serve(rx, &told));
    let begin = Instant::now();
    tx.send_replace(Some(Arc::new(manifest.clone())));
    let (place, stop) = place.recv().context("the server did not start")?;
    println!("loaded and listening after {:.0} ms", ms(begin));
    let kinds: [Kind; 4] = [
        ("A of a service", 1, |n: usize| format!("s{n}.default.svc.cluster.local")),
        ("A of 10 endpoints", 1, |n: usize| format!("h{}.default.svc.cluster.local", n % 100)),
        ("SRV of 10 endpoints", 33, |n: usize| format!("_p._tcp.h{}.default.svc.cluster.local", n % 100)),
        ("no such name", 1, |n: usize| format!("www{n}.example.com.default.svc.cluster.local")),
    ];
    for (what, kind, name) in kinds {
        let questions: Vec<Vec<u8>> = (0..services.min(4096)).map(|n| question(&name(n), kind)).collect();
        rate(what, place, &questions, seconds as u64)?;
    }
    changes(&mut manifest, &tx, place)?;
    stop.cancel();
    drop(tx);
    server.join().map_err(|_| anyhow::anyhow!("the server's thread broke"))?
}

fn ms(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1e3
}

/// Keeps this thread on one core, or off it; a machine of one core has no choice.
fn pin(is_server: bool) -> Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    let mut set = CpuSet::new();
    for core in (0..cores).filter(|core| cores == 1 || (*core == 0) == is_server) {
        set.set(core)?;
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

type Told = std::sync::mpsc::Sender<(SocketAddr, CancellationToken)>;

fn serve(manifest: watch::Receiver<Option<Arc<NodeManifest>>>, told: &Told) -> Result<()> {
    pin(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let options = Options { port: 0, workers: 1, servers: Some(Vec::new()), ..Options::default() };
        let handle = run::start(manifest, options, stop.clone());
        let mut listening = handle.listening.clone();
        let place = listening.wait_for(|all| !all.is_empty()).await?[0];
        told.send((place, stop))?;
        Ok(handle.task.await?)
    })
}

fn put(manifest: &mut NodeManifest, kind: &str, object: &serde_json::Value) -> Result<()> {
    manifest.generation = Generation { term: 1, counter: manifest.generation.counter + 1 };
    let attachment = Attachment::parse(kind, Bytes::from(object.to_string()))?;
    manifest.content.insert_attachment(Arc::new(attachment));
    Ok(())
}

fn slice(name: &str, addresses: &[String]) -> serde_json::Value {
    let endpoints: Vec<_> =
        addresses.iter().map(|ip| json!({"addresses": [ip], "conditions": {"ready": true}})).collect();
    json!({"metadata": {"namespace": "default", "name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4", "endpoints": endpoints, "ports": [{"name": "p", "port": 80, "protocol": "TCP"}]})
}

fn cluster(services: usize) -> Result<NodeManifest> {
    let mut manifest = NodeManifest::default();
    manifest.content.setup.facts = [("dns_ip", "127.0.0.1"), ("service_cidr", "10.96.0.0/16")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    let ten = |n: usize| (0..10).map(|at| format!("10.88.{}.{}", n % 256, at)).collect::<Vec<_>>();
    for (letter, count) in [("s", services), ("h", 100)] {
        for n in 0..count {
            let name = format!("{letter}{n}");
            let ip = if letter == "h" { "None".to_owned() } else { format!("10.96.{}.{}", n / 256, n % 256) };
            let spec = json!({"clusterIP": ip, "ports": [{"name": "p", "port": 80}]});
            put(&mut manifest, "Service", &json!({"metadata": {"namespace": "default", "name": name}, "spec": spec}))?;
            put(&mut manifest, "EndpointSlice", &slice(&name, &ten(n)))?;
        }
    }
    Ok(manifest)
}

fn question(name: &str, kind: u16) -> Vec<u8> {
    let mut out = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in name.split('.') {
        out.push(u8::try_from(label.len()).unwrap_or(0));
        out.extend(label.bytes());
    }
    out.push(0);
    out.extend(kind.to_be_bytes());
    // Class IN, then EDNS with 1232 bytes.
    out.extend([0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    out
}

/// Asks for some seconds with a window of open questions.
fn rate(what: &str, place: SocketAddr, questions: &[Vec<u8>], seconds: u64) -> Result<()> {
    pin(false)?;
    let socket = UdpSocket::bind(("127.0.0.1", 0))?;
    socket.connect(place)?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut buffer = [0; 4096];
    let (mut sent, mut got) = (0, 0_u64);
    let used = || -> Result<f64> {
        let all = getrusage(UsageWho::RUSAGE_SELF)?;
        let own = getrusage(UsageWho::RUSAGE_THREAD)?;
        let s = |t: nix::sys::time::TimeVal| t.tv_sec() as f64 + t.tv_usec() as f64 / 1e6;
        Ok(s(all.user_time()) + s(all.system_time()) - s(own.user_time()) - s(own.system_time()))
    };
    let (begin, cpu) = (Instant::now(), used()?);
    for _ in 0..OPEN {
        socket.send(&questions[sent % questions.len()])?;
        sent += 1;
    }
    while begin.elapsed() < Duration::from_secs(seconds) {
        // The clock is read once in a while only: it costs as much as an answer.
        for _ in 0..256 {
            socket.recv(&mut buffer).context("an answer was lost")?;
            got += 1;
            socket.send(&questions[sent % questions.len()])?;
            sent += 1;
        }
    }
    let (wall, cpu) = (begin.elapsed().as_secs_f64(), used()? - cpu);
    println!(
        "{what:20} {:9.0} answers/s by the clock, {:9.0} answers per second of the server's core ({:.0} % of it used)",
        got as f64 / wall,
        got as f64 / cpu,
        100.0 * cpu / wall
    );
    Ok(())
}

/// How long it takes until a changed endpoint is answered.
fn changes(
    manifest: &mut NodeManifest,
    tx: &watch::Sender<Option<Arc<NodeManifest>>>,
    place: SocketAddr,
) -> Result<()> {
    let socket = UdpSocket::bind(("127.0.0.1", 0))?;
    socket.connect(place)?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    let asked = question("h7.default.svc.cluster.local", 1);
    let mut took = Vec::new();
    for round in 0..200_u8 {
        let ip = [10, 88, 200, round];
        put(manifest, "EndpointSlice", &slice("h7", &[std::net::Ipv4Addr::from(ip).to_string()]))?;
        let next = Arc::new(manifest.clone());
        let begin = Instant::now();
        tx.send_replace(Some(next));
        let mut buffer = [0; 4096];
        loop {
            socket.send(&asked)?;
            let size = socket.recv(&mut buffer).context("an answer was lost")?;
            if buffer[..size].windows(4).any(|window| window == ip) {
                break;
            }
        }
        took.push(ms(begin));
    }
    took.sort_by(f64::total_cmp);
    println!(
        "a change is answered after {:.2} ms (median), {:.2} ms (most)",
        took[took.len() / 2],
        took[took.len() - 1]
    );
    Ok(())
}
