//! A real etcd on loopback for tests, gone with its value.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::etcd::address::Address;
use crate::etcd::store::Etcd;
use crate::kv::Kv;

/// A running etcd.
pub struct Server {
    child: Child,
    port: u16,
    /// Its data, and what else a test wants to give it.
    pub dir: TempDir,
}

/// Whether there is an etcd to start. Says so if not; in CI there must be one.
pub fn missing() -> bool {
    let missing = Command::new("etcd").arg("--version").stdout(Stdio::null()).status().is_err();
    if missing {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI needs an etcd binary");
        println!("skipped: there is no etcd binary");
    }
    missing
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

impl Server {
    /// Starts one that answers.
    pub async fn start() -> Self {
        let server = Self::spawn(TempDir::new().unwrap(), "http", &[]);
        server.connect(&server.address()).await;
        server
    }

    /// Starts one that speaks `scheme` with more arguments.
    pub fn spawn(dir: TempDir, scheme: &str, more: &[&str]) -> Self {
        let (port, peer) = (free_port(), free_port());
        let client_url = format!("{scheme}://127.0.0.1:{port}");
        let peer_url = format!("http://127.0.0.1:{peer}");
        let child = Command::new("etcd")
            .args(["--name", "test", "--data-dir"])
            .arg(dir.path().join("data"))
            .args(["--listen-client-urls", &client_url, "--advertise-client-urls", &client_url])
            .args(["--listen-peer-urls", &peer_url, "--initial-advertise-peer-urls", &peer_url])
            .args(["--initial-cluster", &format!("test={peer_url}"), "--log-level", "error"])
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port, dir }
    }

    /// `HOST:PORT`.
    pub fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its plain address.
    pub fn address(&self) -> String {
        format!("etcd://{}", self.endpoint())
    }

    /// Connects, once it answers.
    pub async fn connect(&self, address: &str) -> Arc<dyn Kv> {
        let address = Address::parse(address).unwrap();
        for attempt in 0.. {
            match Etcd::connect(&address).await {
                Ok(store) => return Arc::new(store),
                Err(error) if attempt == 100 => panic!("etcd does not answer: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        unreachable!("the loop has no end")
    }

    /// A file beside its data.
    pub fn file(&self, name: &str) -> String {
        path(self.dir.path(), name)
    }
}

/// `name` in `dir` as text.
pub fn path(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().unwrap().to_owned()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
