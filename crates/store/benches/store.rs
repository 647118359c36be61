//! Prints what the store does in a second, beside a real etcd if there is one.
//!
//! `cargo bench -p masthead-store --bench store [-- DIR]`; DIR (default: the system's
//! temporary directory) is where the disk is that is to be measured.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::StreamExt;
use masthead_store::embedded::store::{Embedded, Options};
use masthead_store::kv::{KeyRange, Kv, Op, Revision, Txn, WatchRequest};
use masthead_store::open::open;

const WRITERS: usize = 64;
const VALUE_BYTES: usize = 256;
const SECONDS: u64 = 5;
const WATCHED: usize = 1000;
const KEYS: usize = 100_000;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let base = std::env::args().filter(|arg| arg != "--bench").nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = base.join(format!("store-bench-{}", std::process::id()));
    let result = run(&dir).await;
    std::fs::remove_dir_all(&dir)?;
    result
}

async fn run(dir: &Path) -> Result<(), Failure> {
    let embedded: Arc<dyn Kv> = Arc::new(Embedded::open(dir.join("embedded"), Options::default()).await?);
    measure("embedded", &embedded).await?;
    drop(embedded);
    reopen(&dir.join("reopen")).await?;
    match Etcd::start(&dir.join("etcd")) {
        Ok(etcd) => measure("etcd", &etcd.connect().await?).await?,
        Err(error) => println!("etcd: skipped: {error}"),
    }
    Ok(())
}

async fn measure(name: &str, kv: &Arc<dyn Kv>) -> Result<(), Failure> {
    let until = Instant::now() + Duration::from_secs(SECONDS);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let kv = Arc::clone(kv);
            tokio::spawn(async move {
                let mut took = Vec::new();
                for n in 0.. {
                    if Instant::now() >= until {
                        break;
                    }
                    let key = format!("/bench/{writer:02}/{:04}", n % 1000);
                    let start = Instant::now();
                    kv.put(key.into(), vec![b'x'; VALUE_BYTES].into()).await?;
                    took.push(start.elapsed());
                }
                Ok::<_, masthead_store::kv::Error>(took)
            })
        })
        .collect();
    let mut took = Vec::new();
    for writer in writers {
        took.extend(writer.await??);
    }
    let rate = took.len() as u64 / SECONDS;
    println!("{name}: {rate} durable writes/s ({VALUE_BYTES} B, {WRITERS} writers), {}", percentiles(took));
    for (load, beside) in [(false, "alone"), (true, "beside 64 writers")] {
        let (called, committed) = watch(kv, load).await?;
        println!("{name}: {beside}, a watcher sees a write {} after the call", percentiles(called));
        println!("{name}: {beside}, and {} after its writer is answered (0: not later)", percentiles(committed));
    }
    Ok(())
}

/// How long after the call, and after the writer knew of its commit, the watcher did.
async fn watch(kv: &Arc<dyn Kv>, load: bool) -> Result<(Vec<Duration>, Vec<Duration>), Failure> {
    let mut watch = kv.watch(WatchRequest::new(KeyRange::key("/bench/watched"), Revision::ZERO)).await?;
    let watcher = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.len() < WATCHED {
            match watch.next().await {
                Some(Ok(_)) => seen.push(Instant::now()),
                other => return Err(format!("the watch ended: {other:?}")),
            }
        }
        Ok(seen)
    });
    let noise: Vec<_> = (0..if load { WRITERS } else { 0 })
        .map(|writer| {
            let kv = Arc::clone(kv);
            tokio::spawn(async move {
                while kv.put(format!("/noise/{writer}").into(), vec![b'x'; VALUE_BYTES].into()).await.is_ok() {}
            })
        })
        .collect();
    let (mut called, mut committed) = (Vec::new(), Vec::new());
    for _ in 0..WATCHED {
        called.push(Instant::now());
        kv.put("/bench/watched".into(), vec![b'x'; VALUE_BYTES].into()).await?;
        committed.push(Instant::now());
    }
    let seen = watcher.await??;
    noise.iter().for_each(|writer| writer.abort());
    let since =
        |from: Vec<Instant>| from.iter().zip(&seen).map(|(from, seen)| seen.saturating_duration_since(*from)).collect();
    Ok((since(called), since(committed)))
}

async fn reopen(dir: &Path) -> Result<(), Failure> {
    let kv = Embedded::open(dir, Options::default()).await?;
    let value = vec![b'x'; VALUE_BYTES];
    for chunk in (0..KEYS).collect::<Vec<_>>().chunks(500) {
        let put = |n: &usize| Op::put(format!("/masthead/pods/default/pod-{n}"), value.clone());
        kv.txn(Txn::of(chunk.iter().map(put).collect())).await?;
    }
    drop(kv);
    let start = Instant::now();
    let kv = Embedded::open(dir, Options::default()).await?;
    println!("embedded: opens {KEYS} keys in {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    drop(kv);
    Ok(())
}

fn percentiles(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    let at = |share: usize| took.get(took.len() * share / 100).map_or(0.0, |took| took.as_secs_f64() * 1e3);
    format!("p50 {:.3} ms, p99 {:.3} ms", at(50), at(99))
}

/// A real one on loopback.
struct Etcd {
    child: Child,
    port: u16,
}

impl Etcd {
    fn start(dir: &Path) -> Result<Self, Failure> {
        let free = || Ok::<_, Failure>(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port());
        let (port, peer) = (free()?, format!("http://127.0.0.1:{}", free()?));
        let client = format!("http://127.0.0.1:{port}");
        let child = Command::new("etcd")
            .arg("--data-dir")
            .arg(dir)
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}"), "--log-level", "error"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { child, port })
    }

    async fn connect(&self) -> Result<Arc<dyn Kv>, Failure> {
        let address = format!("etcd://127.0.0.1:{}", self.port);
        for _ in 0..100 {
            if let Ok(kv) = open(&address, Options::default()).await {
                return Ok(kv);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("etcd does not answer".into())
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        // Nothing to do about an etcd that is already gone.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
