//! A containerd in a temporary directory; it goes with all it made. Shared by the suites here, the nodes' and the benchmark.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long it may take to come up on a busy machine.
const UP_WITHIN: Duration = Duration::from_secs(60);
/// How long its shims may take to end by themselves.
const SHIMS_END_WITHIN: Duration = Duration::from_secs(10);

/// A running containerd.
pub struct Daemon {
    /// Where everything of it is.
    pub dir: tempfile::TempDir,
    child: Child,
}

impl Daemon {
    /// Starts one in the caller's namespaces. Its sandboxes run `image`, and are on CNI's bridge, if one is given with its subnet.
    pub fn start(image: &str, bridge: Option<(&str, &str)>) -> Daemon {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let at = dir.path().display().to_string();
        // Without plugins there is nothing at the place of them.
        let plugins = bridge.map_or(format!("{at}/none"), |_| "/usr/lib/cni".to_owned());
        std::fs::write(dir.path().join("config.toml"), config(&at, image, &plugins)).expect("a file");
        if let Some((bridge, subnet)) = bridge {
            std::fs::create_dir_all(dir.path().join("cni")).expect("a folder");
            std::fs::write(dir.path().join("cni/10-test.conflist"), network(&at, bridge, subnet)).expect("a file");
        }
        let child = Command::new("containerd")
            .args(["--config", &format!("{at}/config.toml")])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.path().join("log")).expect("a log"))
            .spawn()
            .expect("containerd starts");
        let mut this = Daemon { dir, child };
        this.wait();
        this
    }

    /// Its socket as a URL.
    pub fn endpoint(&self) -> String {
        format!("unix://{}/c.sock", self.dir.path().display())
    }

    /// Takes an archive's images.
    pub fn import(&self, archive: &Path) {
        let output = self.ctr(&["images", "import", &archive.to_string_lossy()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn wait(&mut self) {
        let began = Instant::now();
        while !self.ctr(&["version"]).status.success() {
            let log = || std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(self.child.try_wait().expect("a child").is_none(), "containerd ended: {}", log());
            assert!(began.elapsed() < UP_WITHIN, "containerd is not ready: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn ctr(&self, args: &[&str]) -> Output {
        let socket = self.dir.path().join("c.sock");
        Command::new("ctr").arg("-a").arg(socket).args(["-n", "k8s.io"]).args(args).output().expect("ctr runs")
    }

    /// The shims of this containerd.
    fn shims(&self) -> Vec<Pid> {
        let socket = self.dir.path().join("c.sock").display().to_string();
        let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let is_ours = |pid: &i32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            line.contains("containerd-shim") && line.split('\0').any(|word| word == socket)
        };
        pids.filter(is_ours).map(Pid::from_raw).collect()
    }
}

impl Drop for Daemon {
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
        let began = Instant::now();
        while !self.shims().is_empty() && began.elapsed() < SHIMS_END_WITHIN {
            std::thread::sleep(Duration::from_millis(20));
        }
        for pid in self.shims() {
            let _ = kill(pid, Signal::SIGKILL);
        }
        let _ = kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap_or_default()), Signal::SIGTERM);
        let _ = self.child.wait();
        let mounts = std::fs::read_to_string("/proc/thread-self/mounts").unwrap_or_default();
        let below = mounts.lines().filter_map(|l| l.split(' ').nth(1)).filter(|p| Path::new(p).starts_with(&self.dir));
        for path in below.collect::<Vec<_>>().into_iter().rev() {
            let _ = umount2(Path::new(path), MntFlags::MNT_DETACH);
        }
    }
}

fn config(at: &str, image: &str, plugins: &str) -> String {
    format!(
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
sandbox_image = "{image}"
stream_server_address = "127.0.0.1"
stream_server_port = "0"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{at}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"#
    )
}

fn network(at: &str, bridge: &str, subnet: &str) -> String {
    serde_json::json!({
        "cniVersion": "0.4.0", "name": "test", "plugins": [{
            "type": "bridge", "bridge": bridge, "isDefaultGateway": true,
            "ipam": {"type": "host-local", "dataDir": format!("{at}/ipam"), "ranges": [[{"subnet": subnet}]]},
        }],
    })
    .to_string()
}
