//! A port of the node → sockets that the workers share, as soon as it is free; until then, why it is not.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket, sockopt,
};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::ingress::alive;
use crate::ingress::workers::Listen;

/// The wait before a port that is taken is tried again, and its bound.
const BIND_RETRY: Duration = Duration::from_millis(200);
const BIND_RETRY_MAX: Duration = Duration::from_secs(10);
/// Connections that wait in the kernel, of one socket.
const BACKLOG: i32 = 4096;

/// Where it can't listen yet, and why.
pub type Taken = BTreeMap<SocketAddr, String>;

/// A place where it listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub address: SocketAddr,
    /// TLS is spoken.
    pub is_tls: bool,
}

/// A port that is opened for all workers.
pub struct Opening {
    /// Where.
    pub place: SocketAddr,
    /// TLS, where it is spoken.
    pub tls: Option<TlsAcceptor>,
    /// Who takes its connections.
    pub workers: Vec<mpsc::Sender<Listen>>,
    /// Where it is told of.
    pub places: Arc<watch::Sender<Vec<Place>>>,
    /// Where it is told that another has it.
    pub taken: Arc<watch::Sender<Taken>>,
    /// Ends it.
    pub stop: CancellationToken,
}

impl Opening {
    /// Opens it, as soon as it is free, unless it is stopped before.
    pub async fn run(self) {
        let (place, taken, stop) = (self.place, self.taken.clone(), self.stop.clone());
        tokio::select! {
            () = self.open() => {}
            () = stop.cancelled() => {}
        }
        taken.send_if_modified(|taken| taken.remove(&place).is_some());
    }

    async fn open(self) {
        let (place, is_tls) = (self.place, self.tls.is_some());
        let mut wait = BIND_RETRY;
        let sockets = loop {
            match sockets(place, self.workers.len()) {
                Ok(sockets) => break sockets,
                Err(error) => {
                    tracing::warn!(%error, %place, "the Ingress can't have this port yet");
                    let why = error.to_string();
                    self.taken.send_if_modified(|taken| taken.insert(place, why.clone()).as_ref() != Some(&why));
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(BIND_RETRY_MAX);
        };
        let address = sockets.first().and_then(|socket| socket.local_addr().ok()).unwrap_or(place);
        for (worker, listener) in self.workers.iter().zip(sockets) {
            let listen = Listen { listener, tls: self.tls.clone(), stop: self.stop.child_token() };
            if worker.send(listen).await.is_err() {
                tracing::error!("an Ingress worker has ended");
            }
        }
        tracing::info!(%address, is_tls, "the Ingress listens");
        self.places.send_modify(|all| all.push(Place { address, is_tls }));
    }
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
    // Connections that it takes have it from the socket.
    alive::ask(&fd)?;
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
