//! A state directory, an image of busybox and a network namespace, all gone at the end.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use masthead_agent::runtime::contract::{Runtime, SandboxRequest};
use masthead_agent::runtime::embedded::options::Options;
use masthead_agent::runtime::embedded::runtime::Embedded;
use masthead_agent::runtime::error::{Error, Result};
use masthead_agent::runtime::images::{ImageConfig, ImageRootfs, Layers};
use masthead_agent::runtime::v1;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

const APPLETS: &[&str] = &[
    "sh", "cat", "chmod", "dd", "df", "echo", "env", "false", "grep", "head", "hostname", "id", "ipcs", "kill", "ls",
    "mkdir", "mknod", "mount", "ping", "ps", "pwd", "readlink", "rm", "seq", "setsid", "sleep", "stty", "tail", "test",
    "touch", "tr", "true", "tty", "unshare", "wc", "yes", "nc", "awk",
];

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Images by name, without a store.
pub struct Images {
    lower: Vec<PathBuf>,
}

impl Layers for Images {
    fn resolve<'a>(&'a self, image_ref: &'a str) -> BoxFuture<'a, Result<ImageRootfs>> {
        let config = match image_ref {
            "busybox" => ImageConfig { cmd: vec!["sh".into()], ..Default::default() },
            "web" => ImageConfig {
                entrypoint: vec!["/bin/sh".into(), "-c".into()],
                cmd: vec!["id; pwd; echo $WHO".into()],
                env: vec!["WHO=image".into()],
                user: "web".into(),
                working_dir: "/srv/made".into(),
                ..Default::default()
            },
            other => return futures::future::ready(Err(Error::not_found("image", other))).boxed(),
        };
        let image = ImageRootfs {
            image_id: "sha256:0".into(),
            image_ref: image_ref.to_owned(),
            lower: self.lower.clone(),
            config,
        };
        futures::future::ready(Ok(image)).boxed()
    }
}

pub struct Bed {
    pub dir: PathBuf,
    pub runtime: Embedded,
    pub options: Options,
    pub netns: PathBuf,
    pub log_dir: PathBuf,
    _keep: tempfile::TempDir,
}

/// Whether containers can be run here; says why not, which CI must not hear.
pub fn is_able() -> bool {
    let missing = if !nix::unistd::geteuid().is_root() {
        "needs root"
    } else if !Path::new("/bin/busybox").exists() {
        "needs a static /bin/busybox"
    } else {
        return true;
    };
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    println!("skipped: {missing}");
    false
}

/// None, with the reason on the terminal, where it can't be tried.
pub async fn bed() -> Option<Bed> {
    bed_with(|_| {}).await
}

pub async fn bed_with(change: impl FnOnce(&mut Options)) -> Option<Bed> {
    if !is_able() {
        return None;
    }
    let keep = tempfile::tempdir().unwrap();
    let dir = keep.path().to_path_buf();
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let cgroup_root = format!("/masthead-test-{}-{number}", std::process::id());
    let mut options = options(&dir, &cgroup_root);
    change(&mut options);
    rootfs(&dir);
    let netns = dir.join("netns");
    network(&netns);
    let runtime = Embedded::open(options.clone(), images(&dir)).await.unwrap();
    Some(Bed { log_dir: dir.join("logs"), dir, runtime, options, netns, _keep: keep })
}

/// Two layers; the upper one hides a file of the lower one.
fn rootfs(dir: &Path) {
    let (base, top) = (dir.join("layers/base"), dir.join("layers/top"));
    for name in ["bin", "etc", "tmp", "proc", "dev", "sys", "root", "srv"] {
        fs::create_dir_all(base.join(name)).unwrap();
    }
    fs::create_dir_all(top.join("etc")).unwrap();
    fs::copy("/bin/busybox", base.join("bin/busybox")).unwrap();
    for applet in APPLETS {
        symlink("busybox", base.join("bin").join(applet)).unwrap();
    }
    fs::write(base.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
    fs::write(top.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nweb:x:101:202::/srv:/bin/sh\n").unwrap();
    fs::write(top.join("etc/group"), "root:x:0:\nweb:x:202:\nlogs:x:303:web\n").unwrap();
    fs::write(base.join("script"), "no shebang\n").unwrap();
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(base.join("script"), fs::Permissions::from_mode(0o644)).unwrap();
}

pub fn network(path: &Path) {
    let path = path.to_path_buf();
    std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        File::create(&path).unwrap();
        let own = Some("/proc/thread-self/ns/net");
        mount(own, &path, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    })
    .join()
    .unwrap();
}

pub fn container(name: &str, command: &[&str]) -> v1::ContainerConfig {
    v1::ContainerConfig {
        metadata: Some(v1::ContainerMetadata { name: name.into(), attempt: 0 }),
        image: Some(v1::ImageSpec { image: "busybox".into(), ..Default::default() }),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        log_path: format!("{name}/0.log"),
        ..Default::default()
    }
}

pub fn script(name: &str, text: &str) -> v1::ContainerConfig {
    container(name, &["sh", "-c", text])
}

pub fn security(
    config: v1::ContainerConfig,
    change: impl FnOnce(&mut v1::LinuxContainerSecurityContext),
) -> v1::ContainerConfig {
    let mut config = config;
    let linux = config.linux.get_or_insert_default();
    change(linux.security_context.get_or_insert_default());
    config
}

pub fn resources(config: v1::ContainerConfig, resources: v1::LinuxContainerResources) -> v1::ContainerConfig {
    let mut config = config;
    config.linux.get_or_insert_default().resources = Some(resources);
    config
}

/// A pod in the network namespace of the bed in `dir`.
fn pod_request(dir: &Path, name: &str) -> SandboxRequest {
    let metadata = v1::PodSandboxMetadata { name: name.into(), uid: name.into(), namespace: "test".into(), attempt: 0 };
    let config = v1::PodSandboxConfig {
        metadata: Some(metadata),
        hostname: name.into(),
        log_directory: dir.join("logs").join(name).to_string_lossy().into_owned(),
        ..Default::default()
    };
    let netns_path = Some(dir.join("netns"));
    SandboxRequest { config, netns_path, ips: vec!["10.9.8.7".into()], ..Default::default() }
}

fn options(dir: &Path, cgroup_root: &str) -> Options {
    let mut options = Options::new(dir.join("state"));
    options.shim_program = PathBuf::from(env!("CARGO_BIN_EXE_masthead-shim"));
    options.shim_args = Vec::new();
    options.cgroup_root = cgroup_root.to_owned();
    options
}

fn images(dir: &Path) -> Arc<Images> {
    Arc::new(Images { lower: vec![dir.join("layers/top"), dir.join("layers/base")] })
}

/// Another process' agent on the bed in `dir`, and a pod to run.
pub async fn agent_in(dir: &Path, cgroup_root: &str, name: &str) -> (Embedded, SandboxRequest) {
    let runtime = Embedded::open(options(dir, cgroup_root), images(dir)).await.unwrap();
    (runtime, pod_request(dir, name))
}

impl Bed {
    /// What another agent with the same state directory sees.
    pub async fn reopen(&self) -> Embedded {
        Embedded::open(self.options.clone(), images(&self.dir)).await.unwrap()
    }

    pub fn pod_request(&self, name: &str) -> SandboxRequest {
        pod_request(&self.dir, name)
    }

    pub async fn pod(&self, name: &str) -> String {
        self.runtime.run_pod_sandbox(self.pod_request(name)).await.unwrap()
    }

    pub async fn create(&self, pod: &str, config: v1::ContainerConfig) -> Result<String> {
        let request =
            v1::CreateContainerRequest { pod_sandbox_id: pod.to_owned(), config: Some(config), sandbox_config: None };
        self.runtime.create_container(request).await
    }

    pub async fn start(&self, pod: &str, config: v1::ContainerConfig) -> String {
        let id = self.create(pod, config).await.unwrap();
        self.runtime.start_container(&id).await.unwrap();
        id
    }

    /// Runs to the end: the status and the log's text without times.
    pub async fn run(&self, config: v1::ContainerConfig) -> (v1::ContainerStatus, String) {
        let pod = self.pod("p").await;
        let name = config.metadata.clone().unwrap().name;
        let id = self.start(&pod, config).await;
        let status = self.ended(&id).await;
        (status, self.text("p", &name))
    }

    pub async fn ended(&self, id: &str) -> v1::ContainerStatus {
        ended(&self.runtime, id).await
    }

    pub fn log(&self, pod: &str, name: &str) -> String {
        fs::read_to_string(self.log_dir.join(pod).join(name).join("0.log")).unwrap_or_default()
    }

    /// What a container has printed, both streams, lines only.
    pub fn text(&self, pod: &str, name: &str) -> String {
        let log = self.log(pod, name);
        log.lines().map(|line| format!("{}\n", line.splitn(4, ' ').nth(3).unwrap_or(""))).collect()
    }

    pub fn container_dir(&self, id: &str) -> PathBuf {
        self.options.state_dir.join("run/containers").join(id)
    }
}

pub async fn ended(runtime: &Embedded, id: &str) -> v1::ContainerStatus {
    for _ in 0..6000 {
        let status = runtime.container_status(id).await.unwrap();
        if status.state() == v1::ContainerState::ContainerExited {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{id} did not end");
}

/// Waits for something that another process does.
pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain for {what}");
}

/// Directories of a cgroup in every hierarchy.
pub fn cgroup_dirs(path: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let direct = PathBuf::from(format!("/sys/fs/cgroup{path}"));
    for root in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        found.push(root.path().join(path.trim_start_matches('/')));
    }
    found.push(direct);
    found.retain(|path| path.exists());
    found
}

pub fn processes_with(text: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).replace('\0', " ").contains(text) {
            found.push(pid);
        }
    }
    found
}

impl Drop for Bed {
    fn drop(&mut self) {
        let destroyed = Embedded::destroy_all(&self.options);
        let _ = umount2(&self.netns, MntFlags::MNT_DETACH);
        if std::thread::panicking() {
            return;
        }
        destroyed.unwrap();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let ours = self.dir.to_string_lossy().into_owned();
        assert!(!mounts.contains(&ours), "mounts are left:\n{mounts}");
        let cgroups = cgroup_dirs(&self.options.cgroup_root);
        assert!(cgroups.is_empty(), "cgroups are left: {cgroups:?}");
        let left: Vec<_> = fs::read_dir(&self.options.state_dir).unwrap().flatten().collect();
        assert!(left.is_empty(), "files are left: {left:?}");
    }
}
