//! A containerd of our own in a temporary directory, and the suite on it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use masthead_agent::images::digest::Digest;
use masthead_agent::images::manifest::{Descriptor, OCI_INDEX, OCI_MANIFEST};
use masthead_agent::runtime::contract::Runtime;
use masthead_agent::runtime::cri::client::CriRuntime;

use crate::cri::suite::{self, Subject};
use crate::images::layer::{Entry, Packing, image_with, tar};

/// The image the tests run, as pause and as program.
pub const IMAGE: &str = "docker.io/library/masthead-test:1";
/// Where containerd 1.x puts its shims' sockets, whatever its own directories are.
const SHIM_SOCKETS: &str = "/run/containerd/s";
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A running containerd; it goes with all it made when dropped.
pub struct Containerd {
    pub dir: tempfile::TempDir,
    child: Child,
    had_run_dir: bool,
    _alone: MutexGuard<'static, ()>,
}

/// One at a time: they share the directory of the shims' sockets.
static ALONE: Mutex<()> = Mutex::new(());

impl Containerd {
    /// Starts one, or says why not; in CI there is no why not.
    pub fn start(test: &str) -> Option<Self> {
        let missing = if !nix::unistd::geteuid().is_root() {
            Some("root")
        } else {
            ["containerd", "ctr", "runc", "busybox"].into_iter().find(|p| which(p).is_none())
        };
        if let Some(missing) = missing {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{test} needs {missing}");
            println!("skipped: {test} needs {missing}");
            return None;
        }
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = tempfile::tempdir().unwrap();
        let had_run_dir = Path::new("/run/containerd").exists();
        let at = dir.path().display();
        let config = format!(
            r#"version = 2
root = "{at}/root"
state = "{at}/state"
[grpc]
address = "{at}/c.sock"
[ttrpc]
address = "{at}/t.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "{at}/opt"
[plugins."io.containerd.grpc.v1.cri"]
disable_hugetlb_controller = true
restrict_oom_score_adj = true
disable_apparmor = true
sandbox_image = "{IMAGE}"
stream_server_address = "127.0.0.1"
stream_server_port = "0"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{at}/cni/bin"
conf_dir = "{at}/cni/conf"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"#
        );
        std::fs::write(dir.path().join("config.toml"), config).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = Command::new("containerd")
            .args(["--config", &format!("{at}/config.toml")])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut this = Self { dir, child, had_run_dir, _alone: alone };
        this.wait();
        this.load();
        Some(this)
    }

    pub fn endpoint(&self) -> String {
        format!("unix://{}/c.sock", self.dir.path().display())
    }

    pub fn cgroup_parent(&self) -> String {
        format!("/masthead-test-{}", self.child.id())
    }

    /// Waits for the shims of this containerd to end by themselves, and ends those that do not.
    fn end_shims(&self) {
        let socket = self.dir.path().join("c.sock").display().to_string();
        let ours = || -> Vec<i32> {
            let all = std::fs::read_dir("/proc").unwrap().flatten();
            let pids = all.filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
            let is_ours = |pid: &i32| {
                let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                let line = String::from_utf8_lossy(&line).into_owned();
                line.contains("containerd-shim") && line.split('\0').any(|word| word == socket)
            };
            pids.filter(is_ours).collect()
        };
        let until = Instant::now() + Duration::from_secs(3);
        while !ours().is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        for pid in ours() {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
    }

    fn wait(&mut self) {
        let until = Instant::now() + START_TIMEOUT;
        while !self.ctr(&["version"]).status.success() {
            let log = || std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(self.child.try_wait().unwrap().is_none(), "containerd ended: {}", log());
            assert!(Instant::now() < until, "containerd is not ready: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn ctr(&self, args: &[&str]) -> std::process::Output {
        let socket = self.dir.path().join("c.sock");
        Command::new("ctr").arg("-a").arg(socket).args(["-n", "k8s.io"]).args(args).output().unwrap()
    }

    fn load(&self) {
        let path = self.dir.path().join("image.tar");
        std::fs::write(&path, archive()).unwrap();
        let output = self.ctr(&["images", "import", path.to_str().unwrap()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let list = |args: &[&str]| -> Vec<String> {
            String::from_utf8_lossy(&self.ctr(args).stdout).split_whitespace().map(str::to_owned).collect()
        };
        for task in list(&["tasks", "ls", "-q"]) {
            self.ctr(&["tasks", "rm", "-f", &task]);
        }
        for container in list(&["containers", "ls", "-q"]) {
            self.ctr(&["containers", "rm", &container]);
        }
        self.end_shims();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
        unmount_below(self.dir.path());
        remove_dead_sockets(Path::new(SHIM_SOCKETS));
        if !self.had_run_dir {
            for dir in ["runc/k8s.io", "runc", "s", ""] {
                let _ = std::fs::remove_dir(Path::new("/run/containerd").join(dir));
            }
        }
        remove_cgroups(&self.cgroup_parent());
    }
}

/// Shims that are killed leave their sockets.
fn remove_dead_sockets(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let refused = std::os::unix::net::UnixStream::connect(entry.path())
            .is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused);
        if refused {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Removes an empty cgroup from each hierarchy, version 1 and 2.
pub fn remove_cgroups(name: &str) {
    let name = name.trim_start_matches('/');
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(root).into_iter().flatten().flatten().map(|e| e.path());
    for hierarchy in hierarchies.chain([root.to_owned()]) {
        let _ = std::fs::remove_dir(hierarchy.join(name));
    }
}

/// Unmounts what a failed test left mounted below `dir`.
fn unmount_below(dir: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let below = mounts.lines().filter_map(|l| l.split(' ').nth(1)).filter(|p| Path::new(p).starts_with(dir));
    for path in below.collect::<Vec<_>>().into_iter().rev() {
        let _ = nix::mount::umount2(Path::new(path), nix::mount::MntFlags::MNT_DETACH);
    }
}

pub fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut found = std::env::split_paths(&path).map(|d| d.join(program));
    found.find(|p| std::fs::metadata(p).is_ok_and(|m| m.permissions().mode() & 0o111 != 0))
}

/// A static busybox with its names, as an OCI layout.
pub fn archive() -> Vec<u8> {
    let busybox = std::fs::read(which("busybox").unwrap()).unwrap();
    let mut entries = vec![
        Entry::Dir("bin", 0o755),
        Entry::File("bin/busybox", busybox, 0o755),
        Entry::Dir("tmp", 0o1777),
        Entry::File("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n".to_vec(), 0o644),
    ];
    for name in ["sh", "cat", "echo", "sleep", "true", "false", "head", "stty", "nc", "id", "env", "kill"] {
        entries.push(Entry::Link(Box::leak(format!("bin/{name}").into_boxed_str()), "busybox"));
    }
    let image = image_with(&[(entries, Packing::Gzip)], &["/bin/sleep", "1000000"]);
    let mut entry = serde_json::to_value(Descriptor::of(OCI_MANIFEST, &image.manifest)).unwrap();
    entry["annotations"] = serde_json::json!({"io.containerd.image.name": IMAGE});
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]});
    let mut files = vec![
        Entry::File("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(), 0o644),
        Entry::File("index.json", serde_json::to_vec(&index).unwrap(), 0o644),
    ];
    for blob in image.blobs.iter().chain([&image.config, &image.manifest]) {
        let name = format!("blobs/sha256/{}", Digest::of(blob).hex());
        files.push(Entry::File(Box::leak(name.into_boxed_str()), blob.clone(), 0o644));
    }
    tar(&files)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_on_containerd() {
    let Some(containerd) = Containerd::start("the suite on containerd") else { return };
    let client = Arc::new(CriRuntime::new(&containerd.endpoint()).unwrap());
    let subject = Subject {
        runtime: Arc::clone(&client) as Arc<dyn Runtime>,
        images: client,
        image: IMAGE.to_owned(),
        logs: containerd.dir.path().join("logs"),
        cgroup_parent: containerd.cgroup_parent(),
        tells_end_of_stdin: true,
    };
    suite::run(&subject).await;
}

#[tokio::test]
async fn a_socket_nobody_serves_is_unavailable() {
    let dir = tempfile::tempdir().unwrap();
    let client = CriRuntime::new(&format!("unix://{}/none.sock", dir.path().display())).unwrap();
    let error = client.version().await.expect_err("a version");
    assert!(matches!(error, masthead_agent::runtime::error::Error::Unavailable(_)), "{error:?}");
}
