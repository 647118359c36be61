//! A containerd with CNI's bridge and one image.

use std::fs;
use std::process::Command;

use masthead_agent::runtime::contract::Runtime;
use masthead_agent::runtime::cri::client::CriRuntime;
use masthead_agent::runtime::v1::{ContainerFilter, PodSandboxFilter};

use self::daemon::Daemon;
use super::site::BUSYBOX;

#[path = "../../agent/tests/cri/daemon.rs"]
mod daemon;

/// What a machine must have for it.
pub const PROGRAMS: [&str; 6] = ["containerd", "ctr", "runc", "busybox", "tar", "ip"];

/// A running containerd.
pub struct Containerd(Daemon);

impl Containerd {
    /// Starts one in the caller's namespaces, and imports the busybox that runs its environment's `SCRIPT`.
    pub fn start() -> Containerd {
        let this = Containerd(Daemon::start(BUSYBOX, Some(("cni0", "10.97.0.0/24"))));
        this.import();
        this
    }

    /// Its socket as a URL.
    pub fn endpoint(&self) -> String {
        self.0.endpoint()
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
        let entries = fs::read_dir(self.0.dir.path().join("ipam/test")).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| name.parse::<std::net::Ipv4Addr>().is_ok()).collect()
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
            Command::new("sh").args(["-c", script, "sh"]).arg(self.0.dir.path()).arg(BUSYBOX).output().expect("sh");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        self.0.import(&self.0.dir.path().join("image.tar"));
    }
}
