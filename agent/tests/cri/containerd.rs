//! The suite on a containerd of our own, whose sandboxes have no network.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use masthead_agent::images::digest::Digest;
use masthead_agent::images::manifest::{Descriptor, OCI_INDEX, OCI_MANIFEST};
use masthead_agent::runtime::contract::Runtime;
use masthead_agent::runtime::cri::client::CriRuntime;

use crate::cri::daemon::Daemon;
use crate::cri::suite::{self, Subject};
use crate::images::layer::{Entry, Packing, image_with, tar};

/// The image the tests run, as pause and as program.
pub const IMAGE: &str = "docker.io/library/masthead-test:1";
/// Where containerd 1.x puts its shims' sockets, whatever its own directories are.
const SHIM_SOCKETS: &str = "/run/containerd/s";

/// A running containerd; it goes with all it made when dropped.
pub struct Containerd {
    // In the order in which they go.
    daemon: Daemon,
    after: After,
    _alone: MutexGuard<'static, ()>,
}

/// What is left once the daemon has gone.
struct After {
    cgroup_parent: String,
    had_run_dir: bool,
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
        let had_run_dir = Path::new("/run/containerd").exists();
        let daemon = Daemon::start(IMAGE, None);
        let path = daemon.dir.path().join("image.tar");
        std::fs::write(&path, archive()).unwrap();
        daemon.import(&path);
        let after = After { cgroup_parent: format!("/masthead-containerd-{}", std::process::id()), had_run_dir };
        Some(Self { daemon, after, _alone: alone })
    }

    pub fn endpoint(&self) -> String {
        self.daemon.endpoint()
    }

    pub fn dir(&self) -> &Path {
        self.daemon.dir.path()
    }

    pub fn cgroup_parent(&self) -> String {
        self.after.cgroup_parent.clone()
    }
}

impl Drop for After {
    fn drop(&mut self) {
        remove_dead_sockets(Path::new(SHIM_SOCKETS));
        if !self.had_run_dir {
            for dir in ["runc/k8s.io", "runc", "s", ""] {
                let _ = std::fs::remove_dir(Path::new("/run/containerd").join(dir));
            }
        }
        remove_cgroups(&self.cgroup_parent);
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
        logs: containerd.dir().join("logs"),
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
