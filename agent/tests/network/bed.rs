//! A machine for one test: its own network and mount namespace, a data directory, and ways to talk in it.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use masthead_agent::network::contract::{Attachment, PodNetwork};
use masthead_agent::network::routed::{Options, RoutedNetwork};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

/// How long a connection may take before it counts as refused.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(700);

/// Runs a test on a machine of its own; `false` (after a plain message) where there is no root.
pub fn machine(test: impl FnOnce(&Bed) + Send + 'static) {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "the network's tests need root in CI");
        eprintln!("skipped: the network's tests need root");
        return;
    }
    let run = move || {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let bed = Bed { data: dir.path().to_owned(), runtime, _dir: dir };
        test(&bed);
    };
    if let Err(panic) = thread::spawn(run).join() {
        std::panic::resume_unwind(panic);
    }
}

/// The machine.
pub struct Bed {
    pub data: PathBuf,
    runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

impl Bed {
    /// A network of the machine with addresses of 10.42.0.0/24.
    pub fn network(&self, pool_size: usize) -> RoutedNetwork {
        let network = self.start(Options { pool_size, ..Options::new(&self.data) });
        self.wait(network.set_cidrs(vec!["10.42.0.0/24".into()])).unwrap();
        network
    }

    pub fn start(&self, options: Options) -> RoutedNetwork {
        RoutedNetwork::start(options).unwrap()
    }

    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub fn attach(&self, network: &RoutedNetwork, uid: &str) -> Attachment {
        self.wait(network.attach(uid)).unwrap_or_else(|e| panic!("{e}"))
    }

    /// What a command prints, here or in a pod.
    pub fn output(&self, command: &str) -> String {
        let done = std::process::Command::new("sh").args(["-c", command]).output().unwrap();
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        text + &String::from_utf8_lossy(&done.stderr)
    }
}

/// Runs `work` in the namespace pinned at `netns`.
pub fn inside<T: Send + 'static>(netns: &Path, work: impl FnOnce() -> T + Send + 'static) -> T {
    let ns = File::open(netns).unwrap();
    let run = move || {
        setns(ns, CloneFlags::CLONE_NEWNET).unwrap();
        work()
    };
    thread::spawn(run).join().unwrap()
}

/// Answers one connection on `port` with who asked, from the namespace at `netns`.
pub fn serve_in(netns: &Path, port: u16) -> JoinHandle<()> {
    let listener = inside(netns, move || TcpListener::bind(("0.0.0.0", port)).unwrap());
    serve(listener)
}

/// Answers one connection with the address of who asked.
pub fn serve(listener: TcpListener) -> JoinHandle<()> {
    thread::spawn(move || {
        let (mut peer, from) = listener.accept().unwrap();
        peer.write_all(from.ip().to_string().as_bytes()).unwrap();
    })
}

/// What a server at `ip:port` says about who asked.
pub fn ask(ip: IpAddr, port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(ip, port), CONNECT_TIMEOUT)?;
    stream.set_read_timeout(Some(CONNECT_TIMEOUT))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
