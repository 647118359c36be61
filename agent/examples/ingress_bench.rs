//! Prints how many requests a second the Ingress passes on, beside nginx as a reverse proxy in the same run.
//!
//! `cargo run --release -p masthead-agent --example ingress_bench [SECONDS] [CONNECTIONS]`. It needs nginx (Debian's
//! `nginx-light` does). Proxy, pod and client have the same cores in both; each proxy has as many workers as there are
//! cores, keeps connections to the pod, and writes no access log. Only the loopback is used; nginx is started with a
//! configuration of its own in a directory that goes with it.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use masthead_agent::ingress::options::Options;
use masthead_agent::ingress::run;
use masthead_wire::manifest::NodeManifest;
use masthead_wire::object::Attachment;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Rounds that take turns, so that what else the machine does falls on both.
const ROUNDS: usize = 5;
const PODS: usize = 2;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 14\r\n\r\nhello, client\n";
const REQUEST: &[u8] = b"GET /some/path?with=query HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: bench/1.0\r\n\
    Accept: */*\r\nAccept-Encoding: gzip, br\r\nCookie: session=0123456789abcdef\r\n\r\n";

fn main() -> Result<()> {
    let number = |at: usize, default: usize| -> Result<usize> {
        std::env::args().nth(at).map_or(Ok(default), |text| text.parse()).context("no number")
    };
    let (seconds, connections) = (number(1, 4)? as u64, number(2, 64)?);
    let workers = std::thread::available_parallelism()?.get();
    let pods: Vec<SocketAddr> = (0..PODS).map(|_| pod()).collect::<Result<_>>()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let stop = CancellationToken::new();
    let ours = runtime.block_on(masthead(&pods, workers, stop.clone()))?;
    let nginx = Nginx::start(&pods, workers)?;
    println!("{workers} workers, {connections} connections, {PODS} pods, {ROUNDS} rounds of {seconds} s each");
    let load = |place: SocketAddr| -> Result<Figures> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(load(place, connections, Duration::from_secs(seconds)))
    };
    let (mut mine, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (name, place, all) in [("masthead", ours, &mut mine), ("nginx", nginx.place, &mut theirs)] {
            let figures = load(place)?;
            println!(
                "{name:9} {:8.0} requests/s  p50 {:6.2} ms  p99 {:6.2} ms",
                figures.rate, figures.p50, figures.p99
            );
            all.push(figures);
        }
    }
    let median = |all: &[Figures], of: fn(&Figures) -> f64| {
        let mut values: Vec<f64> = all.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let ratio = |of: fn(&Figures) -> f64| median(&mine, of) / median(&theirs, of);
    println!(
        "medians, masthead to nginx: requests/s {:.2} x, p50 {:.2} x, p99 {:.2} x",
        ratio(|f| f.rate),
        ratio(|f| f.p50),
        ratio(|f| f.p99)
    );
    stop.cancel();
    Ok(())
}

/// A pod on a thread of its own: it knows one request and one answer.
fn pod() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let place = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    std::thread::spawn(move || -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            loop {
                let (mut stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                tokio::spawn(async move {
                    let (mut buffer, mut held) = (vec![0; 8192], Vec::new());
                    while let Ok(size @ 1..) = stream.read(&mut buffer).await {
                        held.extend_from_slice(&buffer[..size]);
                        while let Some(end) = held.windows(4).position(|part| part == b"\r\n\r\n") {
                            held.drain(..end + 4);
                            if stream.write_all(ANSWER).await.is_err() {
                                return;
                            }
                        }
                    }
                });
            }
        })
    });
    Ok(place)
}

async fn masthead(pods: &[SocketAddr], workers: usize, stop: CancellationToken) -> Result<SocketAddr> {
    let mut manifest = NodeManifest::default();
    let mut put = |kind: &str, object: serde_json::Value| -> Result<()> {
        let attachment = Attachment::parse(kind, Bytes::from(object.to_string()))?;
        manifest.content.insert_attachment(Arc::new(attachment));
        Ok(())
    };
    put("Service", json!({"metadata": {"namespace": "n", "name": "web"}, "spec": {"ports": [{"port": 80}]}}))?;
    for (at, pod) in pods.iter().enumerate() {
        put(
            "EndpointSlice",
            json!({"metadata": {"namespace": "n", "name": format!("web-{at}"),
            "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4",
            "endpoints": [{"addresses": [pod.ip().to_string()]}], "ports": [{"port": pod.port()}]}),
        )?;
    }
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    let paths = json!([{"path": "/", "pathType": "Prefix", "backend": backend}]);
    put(
        "Ingress",
        json!({"metadata": {"namespace": "n", "name": "web"},
        "spec": {"ingressClassName": "masthead", "rules": [{"host": "bench.test", "http": {"paths": paths}}]}}),
    )?;
    let (tx, rx) = watch::channel(Some(Arc::new(manifest)));
    let options = Options {
        addresses: vec![Ipv4Addr::LOCALHOST.into()],
        http_port: Some(0),
        https_port: None,
        workers,
        access_log: false,
        ..Options::default()
    };
    let handle = run::start(rx, options, stop);
    let mut listening = handle.listening.clone();
    let place = listening.wait_for(|all| !all.is_empty()).await?[0].address;
    // The manifest is held for as long as the program runs.
    std::mem::forget(tx);
    Ok(place)
}

struct Nginx {
    place: SocketAddr,
    child: Child,
    _dir: tempfile::TempDir,
}

impl Nginx {
    fn start(pods: &[SocketAddr], workers: usize) -> Result<Self> {
        let program = ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|path| Path::new(path).exists());
        let Some(program) = program else { bail!("nginx is not installed") };
        let dir = tempfile::tempdir()?;
        // A port that was free a moment ago; nothing else of this program asks for one.
        let place = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let servers: String = pods.iter().map(|pod| format!("server {pod};")).collect();
        let at = dir.path().display();
        let config = format!(
            "daemon off; pid {at}/pid; error_log {at}/error.log; worker_processes {workers};
            events {{ worker_connections 4096; }}
            http {{ access_log off; client_body_temp_path {at}/a; proxy_temp_path {at}/b; fastcgi_temp_path {at}/c;
              uwsgi_temp_path {at}/d; scgi_temp_path {at}/e; keepalive_requests 100000000; tcp_nodelay on;
              upstream pods {{ {servers} keepalive 128; keepalive_requests 100000000; }}
              server {{ listen {place} reuseport; server_name bench.test;
                location / {{ proxy_pass http://pods; proxy_http_version 1.1; proxy_set_header Connection \"\";
                  proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
                  proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host;
                  proxy_set_header X-Real-IP $remote_addr; }} }} }}"
        );
        let path = dir.path().join("nginx.conf");
        std::fs::File::create(&path)?.write_all(config.as_bytes())?;
        let child = Command::new(program)
            .arg("-c")
            .arg(&path)
            .arg("-p")
            .arg(dir.path())
            .stdin(Stdio::null())
            .spawn()
            .context("nginx does not start")?;
        let begin = Instant::now();
        while std::net::TcpStream::connect(place).is_err() {
            if begin.elapsed() > Duration::from_secs(20) {
                let log = std::fs::read_to_string(dir.path().join("error.log"));
                bail!("nginx does not listen: {}", log.as_deref().map_or("no log", |text| text));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { place, child, _dir: dir })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM to the first process ends its workers, too.
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(0));
        if nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).is_ok() {
            let _ = self.child.wait();
        }
    }
}

struct Figures {
    rate: f64,
    p50: f64,
    p99: f64,
}

/// Asks on all connections at once, each the next as soon as it has its answer.
async fn load(place: SocketAddr, connections: usize, time: Duration) -> Result<Figures> {
    let begin = Instant::now();
    let warm = begin + Duration::from_millis(300);
    let end = warm + time;
    let tasks: Vec<_> = (0..connections).map(|_| tokio::spawn(one(place, warm, end))).collect();
    let mut took: Vec<u32> = Vec::new();
    for task in tasks {
        took.extend(task.await??);
    }
    took.sort_unstable();
    let at = |share: usize| f64::from(took[(took.len() - 1) * share / 100]) / 1e3;
    Ok(Figures { rate: took.len() as f64 / time.as_secs_f64(), p50: at(50), p99: at(99) })
}

async fn one(place: SocketAddr, warm: Instant, end: Instant) -> Result<Vec<u32>> {
    let mut stream = TcpStream::connect(place).await?;
    stream.set_nodelay(true)?;
    let (mut took, mut buffer, mut held) = (Vec::new(), vec![0; 8192], Vec::new());
    loop {
        let begin = Instant::now();
        if begin >= end {
            return Ok(took);
        }
        stream.write_all(REQUEST).await?;
        held.clear();
        // The answer's last bytes are known.
        while !held.ends_with(b"hello, client\n") {
            let size = stream.read(&mut buffer).await?;
            if size == 0 {
                bail!("the connection ended: {}", String::from_utf8_lossy(&held));
            }
            held.extend_from_slice(&buffer[..size]);
        }
        if !held.starts_with(b"HTTP/1.1 200") {
            bail!("no 200: {}", String::from_utf8_lossy(&held));
        }
        if begin >= warm {
            took.push(u32::try_from(begin.elapsed().as_micros())?);
        }
    }
}
