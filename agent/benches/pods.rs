//! Fifty pods: the bare embedded runtime with its network, then the agent on the same, in one run.
//!
//! As root, with a static busybox: `cargo bench -p masthead-agent --bench pods [-- COUNT]`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::StreamExt;
use masthead_agent::images::assemble::Content;
use masthead_agent::images::manifest::Defaults;
use masthead_agent::images::reference::Reference;
use masthead_agent::images::store::{ImageStore, Options as ImageOptions};
use masthead_agent::network::contract::PodNetwork;
use masthead_agent::network::options::Options as NetworkOptions;
use masthead_agent::network::routed::RoutedNetwork;
use masthead_agent::pods::clock::Clock;
use masthead_agent::pods::convert::sandbox::Site;
use masthead_agent::pods::run;
use masthead_agent::pods::site::{Dirs, ImagesInUse, Reporter, Shared};
use masthead_agent::runtime::contract::{Runtime, SandboxRequest};
use masthead_agent::runtime::embedded::options::Options;
use masthead_agent::runtime::embedded::runtime::Embedded;
use masthead_agent::runtime::v1;
use masthead_wire::manifest::NodeManifest;
use masthead_wire::object::PodEntry;
use masthead_wire::report::{PodGone, PodStatus};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// Starts under way at a time in the bare run; more gain nothing on two cores.
const CONCURRENCY: usize = 4;
const IMAGE: &str = "bench/busybox:1";

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).filter(|arg| arg != "--bench").peekable();
    if args.peek().is_some_and(|word| word == "shim") {
        return masthead_agent::shim::main(args.skip(1));
    }
    let count = args.next().and_then(|text| text.to_str()?.parse().ok()).unwrap_or(50);
    match bench(count) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pods: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(count: usize) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).context("a machine of its own (needs root)")?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let dir = tempfile::tempdir()?;
        let store = ImageStore::open(&dir.path().join("images"), ImageOptions::default())?;
        assemble(&store)?;
        let mut figures = Vec::new();
        for round in 0..3 {
            let bare = bare(&dir.path().join(format!("bare{round}")), &store, count).await?;
            let agent = agent(&dir.path().join(format!("agent{round}")), &store, count).await?;
            println!(
                "round {round}: bare {bare:.3?}, agent {agent:.3?}, ratio {:.2}",
                agent.as_secs_f64() / bare.as_secs_f64()
            );
            figures.push(agent.as_secs_f64() / bare.as_secs_f64());
        }
        figures.sort_by(f64::total_cmp);
        println!("{count} pods ready: median ratio {:.2} (at most 1.5)", figures[1]);
        Ok(())
    })
}

fn assemble(store: &ImageStore) -> Result<()> {
    let mut files = vec![(PathBuf::from("/bin/busybox"), Content::File("/bin/busybox".into()))];
    files.push(("/bin/sleep".into(), Content::Link("busybox".into())));
    for dir in ["/proc", "/dev", "/sys", "/etc", "/tmp"] {
        files.push((dir.into(), Content::Dir(0o755)));
    }
    store.assemble(&Reference::parse(IMAGE)?, &files, Defaults::default())?;
    Ok(())
}

async fn engine(data: &Path, store: &ImageStore) -> Result<(Embedded, RoutedNetwork, Options)> {
    let options = Options {
        cgroup_root: format!("/masthead-bench-{}", std::process::id()),
        ..Options::new(data.join("runtime"))
    };
    let runtime = Embedded::open(options.clone(), Arc::new(store.clone())).await?;
    let settings = NetworkOptions::new(data);
    let network = tokio::task::spawn_blocking(move || RoutedNetwork::start(settings)).await??;
    network.set_cidrs(vec!["10.99.0.0/22".into()]).await?;
    // The pool fills in the background, as it has on a node that is up.
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok((runtime, network, options))
}

async fn clean(data: &Path, options: Options) -> Result<()> {
    let destroy = move || {
        Embedded::destroy_all(&options)?;
        masthead_agent::node::cgroups::remove(&options.cgroup_root)
    };
    tokio::task::spawn_blocking(destroy).await??;
    masthead_agent::network::destroy::destroy(data).await?;
    Ok(())
}

async fn bare(data: &Path, store: &ImageStore, count: usize) -> Result<Duration> {
    let (runtime, network, options) = engine(data, store).await?;
    let began = Instant::now();
    let one = |n: usize| {
        let (runtime, network, data) = (&runtime, &network, data);
        async move {
            let uid = format!("bare-{n}");
            let place = network.attach(&uid).await?;
            let logs = data.join("logs").join(&uid);
            std::fs::create_dir_all(logs.join("main"))?;
            let metadata = v1::PodSandboxMetadata { name: uid.clone(), uid, namespace: "bench".into(), attempt: 0 };
            let log_directory = logs.to_string_lossy().into_owned();
            let config = v1::PodSandboxConfig { metadata: Some(metadata), log_directory, ..Default::default() };
            let ips = place.ips.iter().map(ToString::to_string).collect();
            let request = SandboxRequest { config, netns_path: Some(place.netns), ips, ..Default::default() };
            let sandbox = runtime.run_pod_sandbox(request).await?;
            let config = v1::ContainerConfig {
                metadata: Some(v1::ContainerMetadata { name: "main".into(), attempt: 0 }),
                image: Some(v1::ImageSpec { image: IMAGE.into(), ..Default::default() }),
                command: vec!["/bin/sleep".into(), "100000".into()],
                log_path: "main/0.log".into(),
                ..Default::default()
            };
            let request =
                v1::CreateContainerRequest { pod_sandbox_id: sandbox, config: Some(config), sandbox_config: None };
            let id = runtime.create_container(request).await?;
            runtime.start_container(&id).await?;
            anyhow::Ok(())
        }
    };
    let starts = futures::stream::iter(0..count).map(one).buffer_unordered(CONCURRENCY);
    starts.collect::<Vec<_>>().await.into_iter().collect::<Result<Vec<()>>>()?;
    let took = began.elapsed();
    drop(runtime);
    drop(network);
    clean(data, options).await?;
    Ok(took)
}

/// Counts pods that are ready.
#[derive(Default)]
struct Ready {
    names: Mutex<std::collections::BTreeSet<String>>,
    count: AtomicUsize,
    news: Notify,
}

impl Reporter for Ready {
    fn status(&self, status: PodStatus) {
        let json: serde_json::Value = serde_json::from_slice(&status.status).unwrap_or_default();
        let conditions = json["conditions"].as_array().cloned().unwrap_or_default();
        if conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True") {
            let mut names = self.names.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            names.insert(status.name);
            self.count.store(names.len(), Ordering::Release);
            self.news.notify_one();
        }
    }

    fn gone(&self, _: PodGone) {}

    fn event(&self, _: Bytes) {}
}

async fn agent(data: &Path, store: &ImageStore, count: usize) -> Result<Duration> {
    let (runtime, network, options) = engine(data, store).await?;
    let ready = Arc::new(Ready::default());
    let (manifest, receiver) = watch::channel(Some(Arc::new(NodeManifest::default())));
    let shared = Arc::new(Shared {
        node: "bench".into(),
        runtime: Arc::new(runtime),
        runtime_name: "masthead".into(),
        images: Arc::new(store.clone()),
        image_store: Some(store.clone()),
        network: Arc::new(network),
        reporter: ready.clone(),
        clock: Clock::System,
        dirs: Dirs { pods: data.join("pods"), logs: data.join("logs") },
        site: Site { node: "bench".into(), cgroup_root: options.cgroup_root.clone(), ..Site::default() },
        host_ips: vec![[192, 0, 2, 1].into()],
        cpu_milli: 2000,
        memory_bytes: 1 << 30,
        slots: Semaphore::new(CONCURRENCY),
        pulls: Semaphore::new(1),
        in_use: Arc::new(ImagesInUse::default()),
        manifest: receiver.clone(),
    });
    let stop = CancellationToken::new();
    let task = tokio::spawn(run::run(shared, receiver, stop.clone()));
    let mut next = NodeManifest::default();
    for n in 0..count {
        let pod = serde_json::json!({
            "metadata": {"name": format!("p{n}"), "namespace": "bench", "uid": format!("uid-{n}")},
            "spec": {"restartPolicy": "Always", "containers": [{
                "name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["/bin/sleep", "100000"],
                "terminationMessagePath": "/dev/termination-log",
            }]},
        });
        next.content.insert_pod(Arc::new(PodEntry::parse(Bytes::from(pod.to_string()))?));
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let began = Instant::now();
    manifest.send_replace(Some(Arc::new(next)));
    while ready.count.load(Ordering::Acquire) < count {
        ready.news.notified().await;
    }
    let took = began.elapsed();
    stop.cancel();
    task.await?;
    clean(data, options).await?;
    Ok(took)
}
