//! A containerd with CNI's bridge in a temporary directory, with one image; it goes with all it made.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use masthead_agent::runtime::contract::Runtime;
use masthead_agent::runtime::cri::client::CriRuntime;
use masthead_agent::runtime::v1::{ContainerFilter, PodSandboxFilter};
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::site::BUSYBOX;

/// How long it may take to come up on a busy machine.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What a machine must have for it.
pub const PROGRAMS: [&str; 6] = ["containerd", "ctr", "runc", "busybox", "tar", "ip"];

/// A running containerd.
pub struct Containerd {
    dir: tempfile::TempDir,
    child: Child,
}

impl Containerd {
    /// Starts one in the caller's namespaces, and imports the busybox that runs its environment's `SCRIPT`.
    pub fn start() -> Containerd {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let at = dir.path().display().to_string();
        fs::create_dir_all(dir.path().join("cni")).expect("a folder");
        fs::write(dir.path().join("config.toml"), config(&at)).expect("a file");
        fs::write(dir.path().join("cni/10-test.conflist"), network(&at)).expect("a file");
        let log = fs::File::create(dir.path().join("log")).expect("a log");
        let child = Command::new("containerd")
            .args(["--config", &format!("{at}/config.toml")])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("containerd starts");
        let mut this = Containerd { dir, child };
        this.wait();
        this.import();
        this
    }

    /// Its socket as a URL.
    pub fn endpoint(&self) -> String {
        format!("unix://{}/c.sock", self.dir.path().display())
    }

    /// Sandboxes and containers that it knows.
    pub fn holds(&self) -> (usize, usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let client = CriRuntime::new(&self.endpoint()).expect("an endpoint");
            let sandboxes = client.list_pod_sandboxes(PodSandboxFilter::default()).await.expect("sandboxes");
            let containers = client.list_containers(ContainerFilter::default()).await.expect("containers");
            (sandboxes.len(), containers.len())
        })
    }

    /// Addresses of pods that are given out.
    pub fn addresses(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path().join("ipam/test")).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| name.parse::<std::net::Ipv4Addr>().is_ok()).collect()
    }

    fn wait(&mut self) {
        let began = Instant::now();
        while !self.ctr(&["version"]).status.success() {
            let log = || fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(self.child.try_wait().expect("a child").is_none(), "containerd ended: {}", log());
            assert!(began.elapsed() < WAIT_MAX, "containerd is not ready: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn ctr(&self, args: &[&str]) -> Output {
        let socket = self.dir.path().join("c.sock");
        Command::new("ctr").arg("-a").arg(socket).args(["-n", "k8s.io"]).args(args).output().expect("ctr runs")
    }

    /// An image as `docker save` writes it.
    fn import(&self) {
        let script = r#"set -e
            cd "$1"; mkdir -p root/bin root/tmp image; cp "$(command -v busybox)" root/bin/busybox; ln -s busybox root/bin/sleep
            tar -C root --numeric-owner --owner 0 --group 0 -cf image/layer.tar .
            printf '{"architecture":"amd64","os":"linux","config":{"Entrypoint":["/bin/busybox","sh","-c","eval \\"$SCRIPT\\""],"Env":["SCRIPT=exec /bin/busybox sleep 1000000"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
                "$(sha256sum <image/layer.tar | cut -d' ' -f1)" >image/config.json
            printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$2" >image/manifest.json
            tar -C image -cf image.tar manifest.json config.json layer.tar"#;
        let made =
            Command::new("sh").args(["-c", script, "sh"]).arg(self.dir.path()).arg(BUSYBOX).output().expect("sh");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let imported = self.ctr(&["images", "import", &self.dir.path().join("image.tar").to_string_lossy()]);
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
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
        end_shims(self.dir.path());
        let _ = kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap_or_default()), Signal::SIGTERM);
        let _ = self.child.wait();
        let mounts = fs::read_to_string("/proc/thread-self/mounts").unwrap_or_default();
        let below = mounts.lines().filter_map(|l| l.split(' ').nth(1)).filter(|p| Path::new(p).starts_with(&self.dir));
        for path in below.collect::<Vec<_>>().into_iter().rev() {
            let _ = umount2(Path::new(path), MntFlags::MNT_DETACH);
        }
    }
}

/// Waits for the shims of the containerd in `dir` to end by themselves, and ends those that do not.
fn end_shims(dir: &Path) {
    let socket = dir.join("c.sock").display().to_string();
    let ours = || -> Vec<i32> {
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let is_ours = |pid: &i32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            line.contains("containerd-shim") && line.split('\0').any(|word| word == socket)
        };
        pids.filter(is_ours).collect()
    };
    let began = Instant::now();
    while !ours().is_empty() && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(20));
    }
    for pid in ours() {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

fn config(at: &str) -> String {
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
sandbox_image = "{BUSYBOX}"
stream_server_address = "127.0.0.1"
stream_server_port = "0"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{at}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"#
    )
}

fn network(at: &str) -> String {
    serde_json::json!({
        "cniVersion": "0.4.0", "name": "test", "plugins": [{
            "type": "bridge", "bridge": "cni0", "isDefaultGateway": true,
            "ipam": {"type": "host-local", "dataDir": format!("{at}/ipam"), "ranges": [[{"subnet": "10.97.0.0/24"}]]},
        }],
    })
    .to_string()
}
