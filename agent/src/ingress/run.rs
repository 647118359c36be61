//! The node's manifests → a running Ingress: its sockets, its workers, its table.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use masthead_wire::manifest::NodeManifest;
use masthead_wire::report;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket, sockopt,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::ingress::build::Problem;
use crate::ingress::follow::Follower;
use crate::ingress::live::Live;
use crate::ingress::metrics::metrics;
use crate::ingress::options::Options;
use crate::ingress::tls;
use crate::ingress::worker::{self, Common, Listen};

/// The wait before a port that is taken is tried again, and its bound.
const BIND_RETRY: Duration = Duration::from_millis(200);
const BIND_RETRY_MAX: Duration = Duration::from_secs(10);
/// Connections that wait in the kernel, of one socket.
const BACKLOG: i32 = 4096;

/// A place where it listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub address: SocketAddr,
    /// TLS is spoken.
    pub is_tls: bool,
}

/// Why the Ingress can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// TLS.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// Threads.
    #[error("an Ingress worker can't start: {0}")]
    Thread(#[from] io::Error),
}

/// A running Ingress.
#[derive(Debug)]
pub struct Handle {
    /// Where it listens, as far as it does. Nowhere before there is an Ingress of ours.
    pub listening: watch::Receiver<Vec<Place>>,
    /// What is wrong in the Ingresses.
    pub problems: watch::Receiver<Vec<Problem>>,
    /// How many tables have been built.
    pub reloads: watch::Receiver<u64>,
    /// Ends after `stop`, when all connections have ended.
    pub task: JoinHandle<()>,
}

/// Starts the Ingress, which follows each manifest.
pub fn start(
    manifest: watch::Receiver<Option<Arc<NodeManifest>>>,
    options: Options,
    stop: CancellationToken,
) -> Handle {
    let (places, listening) = watch::channel(Vec::new());
    let (told, problems) = watch::channel(Vec::new());
    let (count, reloads) = watch::channel(0);
    let mut run = Run {
        options: Arc::new(options),
        live: Arc::default(),
        follower: Follower::default(),
        places: Arc::new(places),
        told,
        count,
        threads: Vec::new(),
        stop: stop.clone(),
    };
    let task = tokio::spawn(async move {
        tokio::select! {
            () = run.follow(manifest) => {}
            () = stop.cancelled() => {}
        }
        stop.cancelled().await;
        let threads = run.threads;
        // They wait for connections that end; the runtime's own threads have other things to do.
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().all(|thread| thread.join().is_ok())).await;
        if !matches!(joined, Ok(true)) {
            tracing::error!("an Ingress worker broke");
        }
    });
    Handle { listening, problems, reloads, task }
}

struct Run {
    options: Arc<Options>,
    live: Arc<Live>,
    follower: Follower,
    places: Arc<watch::Sender<Vec<Place>>>,
    told: watch::Sender<Vec<Problem>>,
    count: watch::Sender<u64>,
    threads: Vec<std::thread::JoinHandle<()>>,
    stop: CancellationToken,
}

impl Run {
    async fn follow(&mut self, mut manifest: watch::Receiver<Option<Arc<NodeManifest>>>) {
        let mut is_listening = false;
        loop {
            let next = manifest.borrow_and_update().clone();
            if let Some(next) = next {
                let is_empty = self.take(&next);
                // Each request from now on finds its route in the new table.
                self.options.table.iter().for_each(|table| table.applied(next.generation, None));
                if !is_empty && !is_listening {
                    is_listening = true;
                    // They count when the sockets are opened, and not again while the agent runs.
                    let mut options = Options::clone(&self.options);
                    for fault in options.take(&next.content.setup.facts) {
                        tracing::warn!(fault, "a setting of the Ingress is left as it was");
                    }
                    self.options = Arc::new(options);
                    if let Err(error) = self.listen() {
                        tracing::error!(%error, "there is no Ingress on this node");
                    }
                }
            }
            if manifest.changed().await.is_err() {
                return;
            }
        }
    }

    /// Takes a manifest; says whether nothing is to be served.
    fn take(&mut self, manifest: &Arc<NodeManifest>) -> bool {
        let Some(next) = self.follower.follow(manifest) else { return self.live.get().is_empty() };
        for fault in &next.faults {
            tracing::warn!(fault, "part of the Ingresses is left out");
        }
        let built = next.built;
        let is_empty = built.table.is_empty();
        metrics().iter().for_each(|m| {
            m.reloads.inc();
            m.routes.set(i64::try_from(built.table.hosts.len() + built.table.wildcards.len()).unwrap_or(i64::MAX));
        });
        self.live.set(built.table);
        self.options.problems.set("ingress", built.problems.iter().map(event).collect());
        if *self.told.borrow() != built.problems {
            for Problem { ingress, message, .. } in &built.problems {
                tracing::warn!(namespace = ingress.0, name = ingress.1, message, "an Ingress is not served as it asks");
            }
            self.told.send_replace(built.problems);
        }
        self.count.send_modify(|count| *count += 1);
        is_empty
    }

    fn listen(&mut self) -> Result<(), Error> {
        let tls = TlsAcceptor::from(Arc::new(tls::config(self.live.clone())?));
        let mut workers = Vec::new();
        let open = Arc::default();
        for number in 0..self.options.workers.max(1) {
            let (give, sockets) = mpsc::unbounded_channel();
            let common = Common {
                options: self.options.clone(),
                live: self.live.clone(),
                tls: tls.clone(),
                open: Arc::clone(&open),
                stop: self.stop.child_token(),
            };
            self.threads.push(worker::start(number, common, sockets)?);
            workers.push(give);
        }
        let ports = [(self.options.http_port, false), (self.options.https_port, true)];
        for (port, is_tls) in ports.into_iter().filter_map(|(port, is_tls)| Some((port?, is_tls))) {
            for address in &self.options.addresses {
                let (place, workers) = (SocketAddr::new(*address, port), workers.clone());
                let (places, stop) = (self.places.clone(), self.stop.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = open_port(place, is_tls, workers, places, &stop) => {}
                        () = stop.cancelled() => {}
                    }
                });
            }
        }
        Ok(())
    }
}

/// A problem as the control plane makes an Event of it.
fn event(problem: &Problem) -> report::Problem {
    let (namespace, name) = problem.ingress.clone();
    report::Problem {
        kind: "Ingress".into(),
        namespace,
        name,
        reason: problem.reason.into(),
        message: problem.message.clone(),
        component: "ingress-controller".into(),
    }
}

/// Opens a port for all workers, as soon as it is free.
async fn open_port(
    place: SocketAddr,
    is_tls: bool,
    workers: Vec<mpsc::UnboundedSender<Listen>>,
    places: Arc<watch::Sender<Vec<Place>>>,
    stop: &CancellationToken,
) {
    let mut wait = BIND_RETRY;
    let sockets = loop {
        match sockets(place, workers.len()) {
            Ok(sockets) => break sockets,
            Err(error) => tracing::warn!(%error, %place, "the Ingress can't have this port yet"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(BIND_RETRY_MAX);
    };
    let address = sockets.first().and_then(|socket| socket.local_addr().ok()).unwrap_or(place);
    for (worker, listener) in workers.iter().zip(sockets) {
        if worker.send(Listen { listener, is_tls, stop: stop.child_token() }).is_err() {
            tracing::error!("an Ingress worker has ended");
        }
    }
    tracing::info!(%address, is_tls, "the Ingress listens");
    places.send_modify(|all| all.push(Place { address, is_tls }));
}

/// Sockets that share a port; the kernel spreads connections over them.
fn sockets(place: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    // Sharing is with ourselves alone: a port that another program has, though it would share, is not taken.
    let mut place = place;
    if place.port() > 0 {
        drop(TcpListener::bind(place)?);
    }
    let mut out = Vec::with_capacity(count);
    for _ in 0..count {
        let listener = shared_socket(place)?;
        place = listener.local_addr()?;
        out.push(listener);
    }
    Ok(out)
}

fn shared_socket(place: SocketAddr) -> io::Result<TcpListener> {
    let family = if place.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket(family, SockType::Stream, flags, None)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    setsockopt(&fd, sockopt::ReusePort, &true)?;
    bind(fd.as_raw_fd(), &SockaddrStorage::from(place))?;
    listen(&fd, Backlog::new(BACKLOG)?)?;
    Ok(TcpListener::from(fd))
}

/// The addresses of the node on which it listens, with its loopback.
pub fn addresses_of(node: &[IpAddr]) -> Vec<IpAddr> {
    let mut all: Vec<IpAddr> = node.to_vec();
    let loopback = IpAddr::from([127, 0, 0, 1]);
    if !all.contains(&loopback) {
        all.push(loopback);
    }
    all
}
