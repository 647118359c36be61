//! Fifty pods on a containerd of their own: bare CRI calls, then the agent on the same socket, in one run.
//!
//! As root, with containerd, runc, CNI's plugins in /usr/lib/cni and a static busybox:
//! `cargo bench -p masthead-agent --bench cri [-- COUNT]`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::StreamExt;
use masthead_agent::node::host_only::HostOnly;
use masthead_agent::pods::clock::Clock;
use masthead_agent::pods::convert::container::{self, Making};
use masthead_agent::pods::convert::context::Placed;
use masthead_agent::pods::convert::sandbox::{self, Site};
use masthead_agent::pods::references::Attached;
use masthead_agent::pods::site::{Dirs, ImagesInUse, Reporter, Shared};
use masthead_agent::pods::volumes::apply::Places;
use masthead_agent::pods::volumes::mounts;
use masthead_agent::pods::{files, kept, run};
use masthead_agent::runtime::contract::{Runtime, SandboxRequest};
use masthead_agent::runtime::cri::client::CriRuntime;
use masthead_agent::runtime::v1;
use masthead_api::core::pod::Pod;
use masthead_wire::manifest::NodeManifest;
use masthead_wire::object::PodEntry;
use masthead_wire::report::{PodGone, PodStatus};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::daemon::Daemon;

#[path = "../tests/cri/daemon.rs"]
mod daemon;

/// Calls under way at a time, on both sides; more gain nothing on two cores.
const CONCURRENCY: usize = 4;
const IMAGE: &str = "docker.io/bench/busybox:1";
const ROUNDS: usize = 3;
/// How long a pod may take to go.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<()> {
    let count = std::env::args()
        .filter(|arg| arg != "--bench")
        .nth(1)
        .map_or(Ok(50), |text| text.parse())
        .context("COUNT is a number")?;
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).context("a machine of its own (needs root)")?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    // What containerd and CNI keep outside of their own directories goes with this process.
    for dir in ["/run", "/var/lib"] {
        mount(Some("tmpfs"), dir, Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let containerd = Containerd::start()?;
        let mut ratios = Vec::new();
        for round in 0..ROUNDS {
            let bare = bare(&containerd, round, count).await?;
            containerd.clear().await?;
            let agent = agent(&containerd, round, count).await?;
            containerd.clear().await?;
            let ratio = agent.as_secs_f64() / bare.as_secs_f64();
            println!("round {round}: bare {bare:.3?}, agent {agent:.3?}, ratio {ratio:.2}");
            ratios.push(ratio);
        }
        ratios.sort_by(f64::total_cmp);
        println!("{count} pods ready on containerd: median ratio {:.2} (at most 1.15)", ratios[ROUNDS / 2]);
        Ok(())
    })
}

/// A running containerd and its client.
struct Containerd {
    // In the order in which they go.
    daemon: Daemon,
    client: CriRuntime,
    cgroup: Cgroup,
}

/// Where the pods' cgroups are.
struct Cgroup(String);

impl Containerd {
    fn start() -> Result<Self> {
        let said = Command::new("ip").args(["link", "set", "lo", "up"]).status().context("ip")?;
        ensure!(said.success(), "ip link set lo up: {said}");
        let daemon = Daemon::start(IMAGE, Some(("bench0", "10.98.0.0/22")));
        let archive = daemon.dir.path().join("image.tar");
        std::fs::write(&archive, image()?)?;
        daemon.import(&archive);
        let client = CriRuntime::new(&daemon.endpoint())?;
        Ok(Self { daemon, client, cgroup: Cgroup(format!("/masthead-cri-bench-{}", std::process::id())) })
    }

    /// Removes every pod.
    async fn clear(&self) -> Result<()> {
        let sandboxes = self.client.list_pod_sandboxes(v1::PodSandboxFilter::default()).await?;
        let remove = |sandbox: v1::PodSandbox| async move {
            self.client.stop_pod_sandbox(&sandbox.id).await?;
            self.client.remove_pod_sandbox(&sandbox.id).await?;
            anyhow::Ok(())
        };
        let removed = futures::stream::iter(sandboxes).map(remove).buffer_unordered(CONCURRENCY);
        removed.collect::<Vec<_>>().await.into_iter().collect()
    }

    fn cgroup(&self) -> String {
        self.cgroup.0.clone()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = masthead_agent::node::cgroups::remove(&self.0);
    }
}

/// A busybox as `docker save` writes it.
fn image() -> Result<Vec<u8>> {
    let mut layer = tar::Builder::new(Vec::new());
    let header = |kind: tar::EntryType, mode: u32, size: u64| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header
    };
    for dir in ["bin/", "proc/", "dev/", "sys/", "etc/", "tmp/"] {
        layer.append_data(&mut header(tar::EntryType::Directory, 0o755, 0), dir, std::io::empty())?;
    }
    let busybox = std::fs::read("/bin/busybox").context("a static /bin/busybox")?;
    let mut file = header(tar::EntryType::Regular, 0o755, u64::try_from(busybox.len())?);
    layer.append_data(&mut file, "bin/busybox", &busybox[..])?;
    layer.append_link(&mut header(tar::EntryType::Symlink, 0o777, 0), "bin/sleep", "busybox")?;
    let layer = layer.into_inner()?;
    let hex = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let config = serde_json::to_vec(&serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sleep", "1000000"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hex(&layer))]},
    }))?;
    let name = format!("{}.json", hex(&config));
    let manifest = serde_json::to_vec(&serde_json::json!([
        {"Config": name, "RepoTags": [IMAGE], "Layers": ["layer.tar"]},
    ]))?;
    let mut archive = tar::Builder::new(Vec::new());
    for (path, bytes) in [(name.as_str(), &config), ("layer.tar", &layer), ("manifest.json", &manifest)] {
        let mut file = header(tar::EntryType::Regular, 0o644, u64::try_from(bytes.len())?);
        archive.append_data(&mut file, path, &bytes[..])?;
    }
    let mut archive = archive.into_inner()?;
    archive.flush()?;
    Ok(archive)
}

/// A pod of one container; its name and uid tell whose it is.
fn pod(whose: &str, round: usize, n: usize) -> serde_json::Value {
    serde_json::json!({
        "metadata": {"name": format!("{whose}-{n}"), "namespace": "bench", "uid": format!("{whose}-{round}-{n}")},
        "spec": {"restartPolicy": "Always", "terminationGracePeriodSeconds": 0, "containers": [{
            "name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["/bin/sleep", "100000"],
            "terminationMessagePath": "/dev/termination-log",
        }]},
    })
}

/// The requests that the agent sends for its pods, with nothing before, between and after them.
async fn bare(containerd: &Containerd, round: usize, count: usize) -> Result<Duration> {
    let dir = containerd.daemon.dir.path().join(format!("bare-{round}"));
    let began = Instant::now();
    let one = |n: usize| {
        let dir = dir.join(n.to_string());
        async move { anyhow::Ok(bare_pod(containerd, &dir, &serde_json::from_value(pod("bare", round, n))?).await?) }
    };
    let starts = futures::stream::iter(0..count).map(one).buffer_unordered(CONCURRENCY);
    starts.collect::<Vec<_>>().await.into_iter().collect::<Result<Vec<()>>>()?;
    Ok(began.elapsed())
}

async fn bare_pod(containerd: &Containerd, dir: &Path, pod: &Pod) -> Result<()> {
    let runtime = &containerd.client;
    let site = Site {
        node: "bench".into(),
        cgroup_root: containerd.cgroup(),
        log_directory: dir.join("logs").to_string_lossy().into_owned(),
        ..Site::default()
    };
    let sandbox_config = sandbox::config(pod, &site, 0)?;
    let request = SandboxRequest { config: sandbox_config.clone(), ..Default::default() };
    let sandbox_id = runtime.run_pod_sandbox(request).await?;
    files::prepare(dir, &dir.join("logs/main"), &sandbox::hosts_file(pod, &[], &site))?;
    let message = kept::termination_message(dir, "main", 0)?;
    let (placed, refs) = (Placed::default(), Attached::default());
    let container = pod.spec.containers.first().context("a container")?;
    let mounts = mounts::of(pod, container, dir, &Places::default(), Some(&message), &placed, &refs)?;
    let making = Making {
        pod,
        container,
        attempt: 0,
        node: "bench",
        image_ref: IMAGE,
        placed: &placed,
        refs: &refs,
        mounts: &mounts,
    };
    let config = Some(container::config(&making)?);
    let request =
        v1::CreateContainerRequest { pod_sandbox_id: sandbox_id, config, sandbox_config: Some(sandbox_config) };
    let id = runtime.create_container(request).await?;
    Ok(runtime.start_container(&id).await?)
}

/// Counts pods that are ready, and those that are gone.
#[derive(Default)]
struct Ready {
    names: Mutex<std::collections::BTreeSet<String>>,
    ready: AtomicUsize,
    gone: AtomicUsize,
    news: Notify,
}

impl Reporter for Ready {
    fn status(&self, status: PodStatus) {
        let json: serde_json::Value = serde_json::from_slice(&status.status).unwrap_or_default();
        let conditions = json["conditions"].as_array().cloned().unwrap_or_default();
        if conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True") {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            names.insert(status.name);
            self.ready.store(names.len(), Ordering::Release);
            self.news.notify_one();
        }
    }

    fn gone(&self, _: PodGone) {
        self.gone.fetch_add(1, Ordering::AcqRel);
        self.news.notify_one();
    }

    fn event(&self, _: Bytes) {}
}

async fn agent(containerd: &Containerd, round: usize, count: usize) -> Result<Duration> {
    let data: PathBuf = containerd.daemon.dir.path().join(format!("agent-{round}"));
    // A client of its own, as an agent that starts has.
    let client = CriRuntime::new(&containerd.daemon.endpoint())?;
    let ready = Arc::new(Ready::default());
    let (manifest, receiver) = watch::channel(Some(Arc::new(NodeManifest::default())));
    let shared = Arc::new(Shared {
        node: "bench".into(),
        runtime: Arc::new(client.clone()),
        runtime_name: "containerd".into(),
        images: Arc::new(client),
        image_store: None,
        network: Arc::new(HostOnly),
        reporter: ready.clone(),
        clock: Clock::System,
        dirs: Dirs { pods: data.join("pods"), logs: data.join("logs") },
        site: Site { node: "bench".into(), cgroup_root: containerd.cgroup(), ..Site::default() },
        host_ips: vec![std::net::Ipv4Addr::new(192, 0, 2, 1).into()],
        cpu_milli: 2000,
        memory_bytes: 1 << 30,
        slots: Semaphore::new(CONCURRENCY),
        pulls: Semaphore::new(4),
        in_use: Arc::new(ImagesInUse::default()),
        manifest: receiver.clone(),
    });
    let stop = CancellationToken::new();
    let task = tokio::spawn(run::run(shared, receiver, stop.clone()));
    let mut next = NodeManifest::default();
    for n in 0..count {
        let pod = pod("agent", round, n);
        next.content.insert_pod(Arc::new(PodEntry::parse(Bytes::from(pod.to_string()))?));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let began = Instant::now();
    manifest.send_replace(Some(Arc::new(next)));
    while ready.ready.load(Ordering::Acquire) < count {
        ready.news.notified().await;
    }
    let took = began.elapsed();
    manifest.send_replace(Some(Arc::new(NodeManifest::default())));
    let until = Instant::now() + PATIENCE;
    while ready.gone.load(Ordering::Acquire) < count {
        ensure!(Instant::now() < until, "{} of {count} pods are gone", ready.gone.load(Ordering::Acquire));
        let _ = tokio::time::timeout(Duration::from_secs(1), ready.news.notified()).await;
    }
    stop.cancel();
    task.await?;
    Ok(took)
}
