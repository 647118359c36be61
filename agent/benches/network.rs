//! Prints how long attaching and detaching a pod takes, with and without a pool of prepared namespaces.
//!
//! Run as root: `cargo bench -p masthead-agent --bench network [-- PODS]`. It works in a
//! network and mount namespace of its own and leaves nothing behind.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::future::join_all;
use masthead_agent::network::contract::PodNetwork;
use masthead_agent::network::destroy::destroy;
use masthead_agent::network::options::Options;
use masthead_agent::network::routed::RoutedNetwork;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

const DEFAULT_PODS: usize = 50;
/// A namespace with its link takes about 20 ms to prepare, of which this is a multiple.
const PREPARE_MS: u64 = 40;

fn main() -> Result<()> {
    let pods = std::env::args()
        .filter(|arg| arg != "--bench")
        .nth(1)
        .map_or(Ok(DEFAULT_PODS), |n| n.parse())
        .context("PODS is no number")?;
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).context("a namespace to work in needs root")?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).context("private mounts")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{pods} pods each; milliseconds");
    for pool in [0, pods] {
        for width in [1, 8] {
            runtime.block_on(round(pods, pool, width))?;
        }
    }
    Ok(())
}

async fn round(pods: usize, pool_size: usize, width: usize) -> Result<()> {
    let data = tempfile::tempdir()?;
    let network = RoutedNetwork::start(Options { pool_size, ..Options::new(data.path()) })?;
    network.set_cidrs(vec!["10.42.0.0/22".to_owned()]).await?;
    if pool_size > 0 {
        thread::sleep(Duration::from_millis(PREPARE_MS * pool_size as u64));
    }
    let uids: Vec<String> = (0..pods).map(|n| format!("pod-{n}")).collect();
    for attach in [true, false] {
        let begin = Instant::now();
        let mut took = Vec::with_capacity(pods);
        for part in uids.chunks(width) {
            let calls = part.iter().map(|uid| timed(&network, uid, attach));
            for call in join_all(calls).await {
                took.push(call?);
            }
        }
        let all = begin.elapsed();
        took.sort();
        let at = |share: usize| took[(took.len() - 1) * share / 100].as_secs_f64() * 1e3;
        println!(
            "{} pool {pool_size:3}, {width} at once: min {:6.2}  median {:6.2}  p95 {:6.2}  all {:7.1}",
            if attach { "attach" } else { "detach" },
            at(0),
            at(50),
            at(95),
            all.as_secs_f64() * 1e3,
        );
    }
    network.close().await?;
    destroy(data.path()).await?;
    Ok(())
}

async fn timed(network: &RoutedNetwork, uid: &str, attach: bool) -> Result<Duration> {
    let begin = Instant::now();
    if attach {
        network.attach(uid).await?;
    } else {
        network.detach(uid).await?;
    }
    Ok(begin.elapsed())
}
