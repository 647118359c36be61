//! The node's manifests → a running name server: its addresses, its zone, the servers it asks.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use masthead_wire::manifest::NodeManifest;
use masthead_wire::report::Problem;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket as new_socket, sockopt,
};
use std::os::fd::AsRawFd;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::dns::facts::Facts;
use crate::dns::follow::Follower;
use crate::dns::forward::{ATTEMPT, Forwarder};
use crate::dns::metrics::metrics;
use crate::dns::serve::{self, Server};
use crate::dns::tcp;
use crate::link::problems::Problems;
use crate::link::tables::Part;
use crate::node::resolver;

/// The wait before an address that could not be had is tried again, and its bound.
const BIND_RETRY: Duration = Duration::from_millis(100);
const BIND_RETRY_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether the node's resolv.conf has changed, while names are asked for.
const RESOLVER_CHECK: Duration = Duration::from_secs(5);
/// Sockets that share the work, one for each core.
const WORKERS_MAX: usize = 4;
/// Bytes of questions that wait in the kernel.
const RECEIVE_BYTES: usize = 4 << 20;

/// Makes an address local, before it is listened on.
pub type EnsureAddress = Arc<dyn Fn(IpAddr) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// How the name server runs.
#[derive(Clone)]
pub struct Options {
    /// The port.
    pub port: u16,
    /// Listens here, whatever the manifest says.
    pub addresses: Option<Vec<IpAddr>>,
    /// Asks these, whatever the node's resolv.conf says.
    pub servers: Option<Vec<SocketAddr>>,
    /// Makes an address local.
    pub ensure_address: Option<EnsureAddress>,
    /// Sockets that share the work.
    pub workers: usize,
    /// How long a server that is asked may take.
    pub attempt: Duration,
    /// The node's name, for problems that are its own.
    pub node: String,
    /// Is told which manifest's names are served.
    pub table: Option<Part>,
    /// Is told what has no name, and why nothing is served.
    pub problems: Problems,
}

impl Default for Options {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            port: 53,
            addresses: None,
            servers: None,
            ensure_address: None,
            workers: cores.min(WORKERS_MAX),
            attempt: ATTEMPT,
            node: String::new(),
            table: None,
            problems: Problems::default(),
        }
    }
}

/// A running name server.
#[derive(Debug)]
pub struct Handle {
    /// Where it listens, as far as it does.
    pub listening: watch::Receiver<Vec<SocketAddr>>,
    /// What it knows.
    pub server: Arc<Server>,
    /// Ends after `stop`.
    pub task: JoinHandle<()>,
}

/// Starts the name server. It listens as soon as a manifest names its address (`dns_ip`), and follows each manifest.
pub fn start(
    manifest: watch::Receiver<Option<Arc<NodeManifest>>>,
    options: Options,
    stop: CancellationToken,
) -> Handle {
    let server = Arc::new(Server::new(Forwarder::new(options.attempt)));
    let (told, listening) = watch::channel(Vec::new());
    let run = Run {
        server: server.clone(),
        options,
        told: Arc::new(told),
        silent: Silent::default(),
        listeners: CancellationToken::new(),
        addresses: Vec::new(),
        follower: Follower::default(),
        resolver: resolver::Follow::default(),
    };
    let task = tokio::spawn(async move {
        let listeners = stop.clone();
        tokio::select! {
            () = run.run(manifest, listeners) => {}
            () = stop.cancelled() => {}
        }
    });
    Handle { listening, server, task }
}

struct Run {
    server: Arc<Server>,
    options: Options,
    told: Arc<watch::Sender<Vec<SocketAddr>>>,
    silent: Silent,
    /// Ends the listeners of the addresses of before.
    listeners: CancellationToken,
    addresses: Vec<IpAddr>,
    follower: Follower,
    resolver: resolver::Follow,
}

impl Run {
    async fn run(mut self, mut manifest: watch::Receiver<Option<Arc<NodeManifest>>>, stop: CancellationToken) {
        let mut check = tokio::time::interval(RESOLVER_CHECK);
        check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let next = manifest.borrow_and_update().clone();
            if let Some(next) = next {
                self.follow(&next, &stop);
            }
            // The file is small and local; nothing tells of its changes on every file system.
            loop {
                tokio::select! {
                    changed = manifest.changed() => match changed {
                        Ok(()) => break,
                        // No further manifest comes; what is known is served until the end.
                        Err(_) => return stop.cancelled().await,
                    },
                    _ = check.tick() => self.servers(),
                }
            }
        }
    }

    fn follow(&mut self, manifest: &Arc<NodeManifest>, stop: &CancellationToken) {
        let begin = Instant::now();
        let (facts, faults) = Facts::read(&manifest.content.setup.facts);
        let changes = self.follower.follow(manifest);
        for fault in faults.iter().chain(&changes.faults) {
            tracing::warn!(fault, "part of the cluster has no name");
        }
        let addresses = self.options.addresses.clone().unwrap_or_else(|| facts.addresses.clone());
        let size = {
            let mut zone = self.server.zone.write().unwrap_or_else(PoisonError::into_inner);
            if *zone.facts() != facts {
                zone.set_facts(facts);
            }
            changes.apply(&mut zone);
            zone.size()
        };
        if let Some(metrics) = metrics() {
            metrics.services.set(i64::try_from(size.0).unwrap_or(i64::MAX));
            metrics.names.set(i64::try_from(size.1).unwrap_or(i64::MAX));
            metrics.update_seconds.observe(begin.elapsed().as_secs_f64());
        }
        if addresses != self.addresses {
            self.addresses = addresses;
            self.servers();
            self.listen(stop);
        }
        self.options.problems.set("names", self.follower.problems());
        if let Some(table) = &self.options.table {
            table.applied(manifest.generation, None);
        }
    }

    /// Looks whom to ask; a list that changed is probed for loops.
    fn servers(&mut self) {
        let servers = match &self.options.servers {
            Some(servers) => servers.clone(),
            None => self.resolver.servers(&self.addresses),
        };
        if self.server.forwarder.set_servers(&servers) {
            tracing::info!(?servers, "names outside of the cluster are asked of these");
            let server = self.server.clone();
            let domain = server.zone.read().unwrap_or_else(PoisonError::into_inner).facts().domain.clone();
            tokio::spawn(async move { server.forwarder.probe_for_loops(&domain).await });
        }
    }

    fn listen(&mut self, stop: &CancellationToken) {
        self.listeners.cancel();
        self.listeners = stop.child_token();
        self.told.send_replace(Vec::new());
        self.silent = Silent::default();
        self.silent.tell(&self.options);
        for address in self.addresses.clone() {
            let (server, options) = (self.server.clone(), self.options.clone());
            let (told, silent, stop) = (self.told.clone(), self.silent.clone(), self.listeners.clone());
            tokio::spawn(async move {
                let end = stop.clone();
                tokio::select! {
                    () = keep_listening(server, options, address, told, silent, stop) => {}
                    () = end.cancelled() => {}
                }
            });
        }
    }
}

/// Addresses on which nothing is served, and why.
#[derive(Clone, Default)]
struct Silent(Arc<Mutex<BTreeMap<IpAddr, String>>>);

impl Silent {
    fn set(&self, options: &Options, address: IpAddr, why: Option<String>) {
        {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match why {
                Some(why) => drop(all.insert(address, why)),
                None => drop(all.remove(&address)),
            }
        }
        self.tell(options);
    }

    fn tell(&self, options: &Options) {
        let problem = |(address, why): (&IpAddr, &String)| Problem {
            kind: "Node".to_owned(),
            namespace: String::new(),
            name: options.node.clone(),
            reason: "FailedToStartDNS".to_owned(),
            message: format!("the cluster's names are not served on {address}: {why}"),
            component: "dns".to_owned(),
        };
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        options.problems.set("names' addresses", all.iter().map(problem).collect());
    }
}

async fn keep_listening(
    server: Arc<Server>,
    options: Options,
    address: IpAddr,
    told: Arc<watch::Sender<Vec<SocketAddr>>>,
    silent: Silent,
    stop: CancellationToken,
) {
    let mut wait = BIND_RETRY;
    loop {
        match open(&options, address).await {
            Ok((sockets, listener, place)) => {
                tracing::info!(%place, "the cluster's names are served");
                for socket in sockets {
                    tokio::spawn(serve::udp(server.clone(), Arc::new(socket), stop.clone()));
                }
                told.send_modify(|all| all.push(place));
                silent.set(&options, address, None);
                return tcp::tcp(server, listener, stop).await;
            }
            Err(why) => {
                tracing::warn!(%address, why, "the cluster's names can't be served yet");
                silent.set(&options, address, Some(why));
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(BIND_RETRY_MAX);
    }
}

async fn open(options: &Options, address: IpAddr) -> Result<(Vec<UdpSocket>, TcpListener, SocketAddr), String> {
    if let Some(ensure) = &options.ensure_address {
        ensure(address).await?;
    }
    let text = |error: io::Error| error.to_string();
    let listener = TcpListener::bind((address, options.port)).await.map_err(text)?;
    let place = listener.local_addr().map_err(text)?;
    let sockets =
        (0..options.workers.max(1)).map(|_| udp_socket(place)).collect::<io::Result<Vec<_>>>().map_err(text)?;
    Ok((sockets, listener, place))
}

/// A socket that shares its address with those of the other workers.
fn udp_socket(place: SocketAddr) -> io::Result<UdpSocket> {
    let family = if place.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = new_socket(family, SockType::Datagram, flags, None)?;
    setsockopt(&fd, sockopt::ReusePort, &true)?;
    // The kernel gives less when its own bound is lower.
    setsockopt(&fd, sockopt::RcvBuf, &RECEIVE_BYTES)?;
    bind(fd.as_raw_fd(), &SockaddrStorage::from(place))?;
    UdpSocket::from_std(fd.into())
}
