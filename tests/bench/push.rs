//! Prints how long a push takes to 50 Ready pods, beside the bare runtime in the same run; what 50 pods cost; and rest.
//!
//! `cargo bench --bench push` as root; needs a static /bin/busybox. `DOCKER=1` also measures `docker service create`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::StreamExt;
use masthead_agent::images::assemble::Content;
use masthead_agent::images::manifest::Defaults;
use masthead_agent::images::store::{ImageStore, Options as ImageOptions};
use masthead_agent::network::contract::PodNetwork;
use masthead_agent::network::options::Options as NetworkOptions;
use masthead_agent::network::routed::RoutedNetwork;
use masthead_agent::node::{self, ImagesHandle};
use masthead_agent::runtime::contract::{Runtime, SandboxRequest};
use masthead_agent::runtime::embedded::options::Options as RuntimeOptions;
use masthead_agent::runtime::embedded::runtime::Embedded;
use masthead_agent::runtime::v1;
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PODS: usize = 50;
const ROUNDS: usize = 5;
/// Pods that the bare runtime starts at a time.
const CONCURRENCY: [usize; 2] = [4, 8];
const IMAGE: &str = "masthead.local/sleeper:v1";
const MASTHEAD: &str = env!("CARGO_BIN_EXE_masthead");
/// How long the daemon is watched at rest.
const REST: Duration = Duration::from_secs(20);

fn main() -> Result<()> {
    if !nix::unistd::geteuid().is_root() || !Path::new("/bin/busybox").exists() {
        println!("skipped: needs root and a static /bin/busybox");
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let site = Site::start(&runtime)?;
    let outcome = site.measure(&runtime);
    site.down()?;
    outcome
}

/// The best and the middle of some times.
fn told(what: &str, times: &mut [Duration]) -> Duration {
    times.sort();
    let median = times[times.len() / 2];
    println!("{what}: best {} ms, median {} ms", times[0].as_millis(), median.as_millis());
    median
}

/// The image both sides run: busybox alone.
async fn image(images: &ImagesHandle) -> Result<()> {
    let files = vec![(PathBuf::from("/bin/busybox"), Content::File(PathBuf::from("/bin/busybox")))];
    let config =
        Defaults { entrypoint: ["/bin/busybox", "sleep", "100000"].map(str::to_owned).to_vec(), ..Defaults::default() };
    images.assemble(IMAGE, files, config).await?;
    Ok(())
}

/// Starts the pods with nothing but the runtime and the network, and takes them down again.
async fn bare_pods(concurrency: usize) -> Result<Duration> {
    let dir = tempfile::tempdir()?;
    let store = ImageStore::open(&dir.path().join("images"), ImageOptions::default())?;
    image(&ImagesHandle::new(store.clone())).await?;
    let options = RuntimeOptions {
        shim_program: PathBuf::from(MASTHEAD),
        shim_args: vec!["shim".to_owned().into()],
        cgroup_root: format!("/masthead-bench-{}", std::process::id()),
        ..RuntimeOptions::new(dir.path().join("runtime"))
    };
    let runtime = Embedded::open(options.clone(), Arc::new(store)).await?;
    let network = RoutedNetwork::start(NetworkOptions::new(dir.path().to_owned()))?;
    network.set_cidrs(vec!["10.99.0.0/24".to_owned()]).await?;
    let began = Instant::now();
    let starts = (0..PODS).map(|number| one_pod(&runtime, &network, dir.path(), number));
    let done: Vec<Result<String>> = futures::stream::iter(starts).buffer_unordered(concurrency).collect().await;
    let took = began.elapsed();
    for sandbox in done {
        runtime.remove_pod_sandbox(&sandbox?).await?;
    }
    drop(runtime);
    Embedded::destroy_all(&options)?;
    network.close().await?;
    node::destroy(dir.path()).await?;
    Ok(took)
}

async fn one_pod(runtime: &Embedded, network: &RoutedNetwork, dir: &Path, number: usize) -> Result<String> {
    let name = format!("bare-{number}");
    let attached = network.attach(&name).await?;
    let config = v1::PodSandboxConfig {
        metadata: Some(v1::PodSandboxMetadata {
            name: name.clone(),
            uid: name.clone(),
            namespace: "bench".into(),
            attempt: 0,
        }),
        hostname: name.clone(),
        log_directory: dir.join("logs").join(&name).to_string_lossy().into_owned(),
        ..Default::default()
    };
    let ips = attached.ips.iter().map(ToString::to_string).collect();
    let request = SandboxRequest { config, netns_path: Some(attached.netns), ips, ..Default::default() };
    let sandbox = runtime.run_pod_sandbox(request).await?;
    let security =
        v1::LinuxContainerSecurityContext { seccomp: Some(v1::SecurityProfile::default()), ..Default::default() };
    let config = v1::ContainerConfig {
        metadata: Some(v1::ContainerMetadata { name: "c".into(), attempt: 0 }),
        image: Some(v1::ImageSpec { image: IMAGE.into(), ..Default::default() }),
        log_path: "c.log".into(),
        linux: Some(v1::LinuxContainerConfig { resources: None, security_context: Some(security) }),
        ..Default::default()
    };
    let request =
        v1::CreateContainerRequest { pod_sandbox_id: sandbox.clone(), config: Some(config), sandbox_config: None };
    let id = runtime.create_container(request).await?;
    runtime.start_container(&id).await?;
    Ok(sandbox)
}

/// A daemon over a temporary directory, and a clone of its repository.
struct Site {
    dir: tempfile::TempDir,
    pid: u32,
    url: String,
}

impl Site {
    fn start(runtime: &tokio::runtime::Runtime) -> Result<Site> {
        let dir = tempfile::tempdir()?;
        let data = dir.path().join("data");
        run(Command::new(MASTHEAD)
            .args(["up", "--detach", "--listen", "127.0.0.1:0", "--node-name", "bench", "--data"])
            .arg(&data))?;
        runtime.block_on(async { image(&node::images(&data).await?).await })?;
        let daemon: serde_json::Value = serde_json::from_slice(&fs::read(data.join("daemon.json"))?)?;
        let pid = daemon["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).context("the daemon's pid")?;
        let url = daemon["repositoryUrl"].as_str().context("the repository's address")?.to_owned();
        let site = Site { dir, pid, url };
        site.git(&["init", "-q", "-b", "main", "."])?;
        Ok(site)
    }

    fn git(&self, args: &[&str]) -> Result<String> {
        let clone = self.dir.path().join("clone");
        fs::create_dir_all(&clone)?;
        let who = ["-c", "user.name=Bench", "-c", "user.email=bench@localhost"];
        run(Command::new("git").current_dir(clone).args(who).args(args))
    }

    /// Pushes a Deployment of this size and waits for the outcome; the push returns when all are Ready.
    fn push(&self, replicas: usize) -> Result<Duration> {
        let manifest = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: bench\nspec:\n  replicas: {replicas}\n  selector:\n    matchLabels: {{app: bench}}\n  template:\n    metadata:\n      labels: {{app: bench}}\n    spec:\n      terminationGracePeriodSeconds: 0\n      containers:\n        - name: c\n          image: {IMAGE}\n"
        );
        fs::write(self.dir.path().join("clone/bench.yaml"), manifest)?;
        self.git(&["add", "-A"])?;
        self.git(&["commit", "-q", "-m", &format!("{replicas} replicas")])?;
        let began = Instant::now();
        let said = self.git(&["push", &self.url, "main"])?;
        let took = began.elapsed();
        ensure!(said.contains("healthy after"), "{said}");
        Ok(took)
    }

    /// In turns, so that what else the machine does, and how long ago it removed how many files, is the same for both.
    fn measure(&self, runtime: &tokio::runtime::Runtime) -> Result<()> {
        let (mut bare, mut pushes) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            bare.push(runtime.block_on(bare_pods(CONCURRENCY[round % CONCURRENCY.len()]))?);
            pushes.push(self.push(PODS)?);
            println!("round {round}: bare {} ms, push {} ms", bare[round].as_millis(), pushes[round].as_millis());
            if round + 1 < ROUNDS {
                self.push(0)?;
                self.wait_until_empty()?;
            }
        }
        let bare = told(&format!("bare runtime, {PODS} pods with their networks"), &mut bare);
        let median = told(&format!("push to {PODS} pods Ready"), &mut pushes);
        println!("ratio to the bare runtime: {:.2} (at most 1.5 wanted)", median.as_secs_f64() / bare.as_secs_f64());
        self.cost()?;
        self.rest()?;
        if std::env::var_os("DOCKER").is_some() {
            docker(median)?;
        }
        Ok(())
    }

    fn wait_until_empty(&self) -> Result<()> {
        for _ in 0..2000 {
            let left = run(Command::new(MASTHEAD)
                .args(["get", "pods", "-o", "name", "--data"])
                .arg(self.dir.path().join("data")))?;
            if !left.contains("pod/") {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("pods did not go away")
    }

    fn cost(&self) -> Result<()> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default().trim().to_owned();
        let (count, pss_kib) = shims(&self.dir.path().join("data"))?;
        println!("control plane and agent with {PODS} pods: {rss} resident (at most 60 MiB wanted)");
        println!("{count} shims of {:.0} KiB Pss each (at most 1024 wanted)", pss_kib / count.max(1) as f64);
        Ok(())
    }

    /// Processor time and store writes of a quiet daemon.
    fn rest(&self) -> Result<()> {
        std::thread::sleep(Duration::from_secs(3));
        let (before, log_before) = (self.ticks()?, self.store_bytes()?);
        std::thread::sleep(REST);
        let ticks = self.ticks()? - before;
        let share = ticks as f64 / REST.as_secs_f64();
        println!(
            "at rest with {PODS} pods: {share:.2} % of one core (under 0.5 wanted), {} bytes written to the store in {} s (leases)",
            self.store_bytes()?.saturating_sub(log_before),
            REST.as_secs()
        );
        Ok(())
    }

    /// Hundredths of a second of processor time so far.
    fn ticks(&self) -> Result<u64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
    }

    fn store_bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(self.dir.path().join("data/store"))? {
            bytes += entry?.metadata()?.len();
        }
        Ok(bytes)
    }

    fn down(self) -> Result<()> {
        run(Command::new(MASTHEAD).args(["down", "--data"]).arg(self.dir.path().join("data"))).map(drop)
    }
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(said)
}

/// How many shims a data directory has, and their Pss in KiB together.
fn shims(data: &Path) -> Result<(usize, f64)> {
    let (mut count, mut total) = (0, 0.0);
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        if fs::read_to_string(path.join("cmdline")).is_ok_and(|words| words.starts_with(&*data.to_string_lossy())) {
            let rollup = fs::read_to_string(path.join("smaps_rollup")).unwrap_or_default();
            let Some(pss) = rollup.lines().find_map(|line| line.strip_prefix("Pss:")) else { continue };
            count += 1;
            total += pss.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap_or(0.0);
        }
    }
    Ok((count, total))
}

/// `docker service create --replicas 50` of the same program in a private daemon.
fn docker(ours: Duration) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let socket = format!("unix://{}", dir.path().join("docker.sock").display());
    let mut daemon = Command::new("dockerd");
    daemon.args(["--host", &socket, "--bridge=none", "--iptables=false", "--data-root"]).arg(dir.path().join("root"));
    daemon.arg("--exec-root").arg(dir.path().join("exec")).arg("--pidfile").arg(dir.path().join("pid"));
    let mut daemon = daemon
        .stdout(Stdio::null())
        .stderr(fs::File::create(dir.path().join("log"))?)
        .spawn()
        .context("dockerd (Debian's docker.io)")?;
    let outcome = docker_service(&socket, dir.path(), ours);
    // Asked to end, it ends its containerd, too.
    kill(Pid::from_raw(daemon.id().cast_signed()), Signal::SIGTERM)?;
    daemon.wait()?;
    for mounted in ["exec/netns/default", "root"] {
        // It may have taken them away itself.
        let _ = umount2(&dir.path().join(mounted), MntFlags::MNT_DETACH);
    }
    outcome
}

fn docker_service(socket: &str, dir: &Path, ours: Duration) -> Result<()> {
    let docker = |args: &[&str]| run(Command::new("docker").arg("-H").arg(socket).args(args));
    let up = (0..300).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        docker(&["version"]).is_ok()
    });
    ensure!(up, "dockerd did not come up: {}", fs::read_to_string(dir.join("log")).unwrap_or_default());
    let archive = dir.join("rootfs.tar");
    run(Command::new("tar").arg("-C").arg("/").arg("-cf").arg(&archive).arg("bin/busybox"))?;
    docker(&["import", &archive.display().to_string(), "sleeper:v1"])?;
    docker(&["swarm", "init", "--advertise-addr", "127.0.0.1", "--listen-addr", "127.0.0.1"])?;
    let began = Instant::now();
    docker(&[
        "service",
        "create",
        "-q",
        "--replicas",
        &PODS.to_string(),
        "--name",
        "bench",
        "--network",
        "host",
        "sleeper:v1",
        "/bin/busybox",
        "sleep",
        "100000",
    ])?;
    let took = began.elapsed();
    println!(
        "docker service create --replicas {PODS}: {} ms; ours is {:.1} times as fast (at least 8 wanted)",
        took.as_millis(),
        took.as_secs_f64() / ours.as_secs_f64()
    );
    docker(&["service", "rm", "bench"])?;
    docker(&["swarm", "leave", "--force"])?;
    // The swarm's own bridge outlives it.
    docker(&["network", "rm", "docker_gwbridge"])?;
    Ok(())
}
