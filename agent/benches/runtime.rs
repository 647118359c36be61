//! Prints how long the bare embedded runtime takes for 50 busybox pods, network namespaces included, and what a shim costs.
//!
//! `cargo bench -p masthead-agent --bench runtime` as root.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use masthead_agent::runtime::contract::{Runtime, SandboxRequest};
use masthead_agent::runtime::embedded::options::Options;
use masthead_agent::runtime::embedded::runtime::Embedded;
use masthead_agent::runtime::images::{ImageRootfs, Layers};
use masthead_agent::runtime::v1;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

const PODS: usize = 50;

struct Busybox(PathBuf);

impl Layers for Busybox {
    fn resolve<'a>(&'a self, image_ref: &'a str) -> BoxFuture<'a, masthead_agent::runtime::error::Result<ImageRootfs>> {
        let image = ImageRootfs {
            image_id: image_ref.to_owned(),
            image_ref: image_ref.to_owned(),
            lower: vec![self.0.clone()],
            ..ImageRootfs::default()
        };
        async { Ok(image) }.boxed()
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut options = Options::new(dir.path().join("state"));
    options.shim_program = PathBuf::from(env!("CARGO_BIN_EXE_masthead-shim"));
    options.shim_args = Vec::new();
    options.cgroup_root = format!("/masthead-bench-{}", std::process::id());
    let outcome = measure(dir.path(), &options).await;
    Embedded::destroy_all(&options)?;
    for number in 0..PODS {
        let _ = umount2(&netns(dir.path(), number), MntFlags::MNT_DETACH);
    }
    outcome
}

async fn measure(dir: &Path, options: &Options) -> Result<()> {
    let root = dir.join("rootfs");
    for name in ["bin", "etc", "proc", "dev", "sys", "tmp"] {
        fs::create_dir_all(root.join(name))?;
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).context("needs a static /bin/busybox")?;
    for applet in ["sh", "sleep", "echo"] {
        symlink("busybox", root.join("bin").join(applet))?;
    }
    let runtime = Embedded::open(options.clone(), Arc::new(Busybox(root))).await?;
    one_by_one(&runtime, dir).await?;
    for concurrency in [1, 4, 8] {
        let begin = Instant::now();
        let pods = start_all(&runtime, dir, concurrency).await?;
        let took = begin.elapsed();
        let (shims, pss_kib) = shims()?;
        let begin = Instant::now();
        remove_all(&runtime, pods, concurrency).await?;
        println!(
            "{PODS} pods at concurrency {concurrency}: {:.0} ms up, {:.0} ms down; {shims} shims, {:.0} KiB Pss each",
            took.as_secs_f64() * 1e3,
            begin.elapsed().as_secs_f64() * 1e3,
            pss_kib / shims.max(1) as f64,
        );
    }
    Ok(())
}

/// From the call to the first line in the log, one container at a time.
async fn one_by_one(runtime: &Embedded, dir: &Path) -> Result<()> {
    network(&netns(dir, 0))?;
    let request = request(dir, "single", 0);
    let pod = runtime.run_pod_sandbox(request).await?;
    let mut times = Vec::new();
    for number in 0..30 {
        let name = format!("c{number}");
        let id = create(runtime, &pod, &name, &["echo", "up"]).await?;
        let log = dir.join("logs/single").join(format!("{name}.log"));
        let begin = Instant::now();
        runtime.start_container(&id).await?;
        while fs::metadata(&log).map_or(0, |metadata| metadata.len()) == 0 {
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
        times.push(begin.elapsed());
        runtime.remove_container(&id).await?;
    }
    times.sort();
    let ms = |at: usize| times[at].as_secs_f64() * 1e3;
    println!("start to first line: min {:.1}, median {:.1}, p95 {:.1} ms", ms(0), ms(15), ms(28));
    runtime.remove_pod_sandbox(&pod).await?;
    umount2(&netns(dir, 0), MntFlags::MNT_DETACH)?;
    Ok(())
}

async fn start_all(runtime: &Embedded, dir: &Path, concurrency: usize) -> Result<Vec<String>> {
    let starts = (0..PODS).map(|number| async move {
        let path = netns(dir, number);
        let made = path.clone();
        tokio::task::spawn_blocking(move || network(&made)).await??;
        let name = format!("pod-{concurrency}-{number}");
        let pod = runtime.run_pod_sandbox(request(dir, &name, number)).await?;
        let id = create(runtime, &pod, "c", &["sleep", "1000"]).await?;
        runtime.start_container(&id).await?;
        anyhow::Ok(pod)
    });
    futures::stream::iter(starts).buffer_unordered(concurrency).collect::<Vec<_>>().await.into_iter().collect()
}

async fn remove_all(runtime: &Embedded, pods: Vec<String>, concurrency: usize) -> Result<()> {
    let removals = pods.into_iter().map(|pod| async move { runtime.remove_pod_sandbox(&pod).await });
    let done: Vec<_> = futures::stream::iter(removals).buffer_unordered(concurrency).collect().await;
    for outcome in done {
        outcome?;
    }
    Ok(())
}

fn netns(dir: &Path, number: usize) -> PathBuf {
    dir.join(format!("netns-{number}"))
}

fn network(path: &Path) -> Result<()> {
    let _ = umount2(path, MntFlags::MNT_DETACH);
    let path = path.to_path_buf();
    let made = std::thread::spawn(move || -> Result<()> {
        unshare(CloneFlags::CLONE_NEWNET)?;
        fs::File::create(&path)?;
        let own = Some("/proc/thread-self/ns/net");
        Ok(mount(own, &path, None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
    });
    match made.join() {
        Ok(made) => made,
        Err(_) => bail!("the thread that makes a network namespace panicked"),
    }
}

fn request(dir: &Path, name: &str, number: usize) -> SandboxRequest {
    let metadata = v1::PodSandboxMetadata { name: name.into(), ..Default::default() };
    let config = v1::PodSandboxConfig {
        metadata: Some(metadata),
        hostname: name.into(),
        log_directory: dir.join("logs").join(name).to_string_lossy().into_owned(),
        ..Default::default()
    };
    SandboxRequest { config, netns_path: Some(netns(dir, number)), ..Default::default() }
}

async fn create(runtime: &Embedded, pod: &str, name: &str, command: &[&str]) -> Result<String> {
    let profile = v1::SecurityProfile::default();
    let security = v1::LinuxContainerSecurityContext { seccomp: Some(profile), ..Default::default() };
    let config = v1::ContainerConfig {
        metadata: Some(v1::ContainerMetadata { name: name.into(), attempt: 0 }),
        image: Some(v1::ImageSpec { image: "busybox".into(), ..Default::default() }),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        log_path: format!("{name}.log"),
        linux: Some(v1::LinuxContainerConfig { resources: None, security_context: Some(security) }),
        ..Default::default()
    };
    let request =
        v1::CreateContainerRequest { pod_sandbox_id: pod.to_owned(), config: Some(config), sandbox_config: None };
    Ok(runtime.create_container(request).await?)
}

/// How many shims there are, and their Pss in KiB together.
fn shims() -> Result<(usize, f64)> {
    let (mut count, mut total) = (0, 0.0);
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        if fs::read_to_string(path.join("comm")).is_ok_and(|name| name == "masthead-shim\n") {
            let rollup = fs::read_to_string(path.join("smaps_rollup")).unwrap_or_default();
            let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
            let kib = pss.and_then(|text| text.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
            count += 1;
            total += kib.unwrap_or(0.0);
        }
    }
    Ok((count, total))
}
