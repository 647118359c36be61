//! Ports of the node that lead to pods → sockets that keep them, so that no other process takes them, and a taken one shows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, listen, setsockopt, socket,
    sockopt,
};

use crate::network::rules::ports::{HostPort, Protocol};

/// A port of the node: what can be held once.
pub type Slot = (Protocol, IpAddr, u16);

/// The node's ports that are held.
#[derive(Debug, Default)]
pub struct Reservations {
    held: BTreeMap<Slot, OwnedFd>,
}

/// The slots of ports; one on all addresses is that of the unspecified address of its family.
pub fn slots<'a>(ports: impl Iterator<Item = &'a HostPort>) -> BTreeSet<Slot> {
    let all = |v6: bool| if v6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
    ports.map(|p| (p.protocol, p.host_ip.unwrap_or_else(|| all(p.pod_ip.is_ipv6())), p.port)).collect()
}

impl Reservations {
    /// Lets go of what is not wanted any more.
    pub fn keep(&mut self, wanted: &BTreeSet<Slot>) {
        self.held.retain(|slot, _| wanted.contains(slot));
    }

    /// Takes what is wanted and not held. Comes back with the first that another process has; those before it are held.
    pub fn take(&mut self, wanted: &BTreeSet<Slot>) -> Result<(), Slot> {
        for slot in wanted {
            if self.held.contains_key(slot) {
                continue;
            }
            match reserve(*slot) {
                Ok(held) => drop(self.held.insert(*slot, held)),
                Err(Errno::EADDRINUSE) => return Err(*slot),
                // An address that is not the node's (yet), or a protocol this kernel has no sockets of: the port
                // can lead to the pod all the same, and nobody else can have it.
                Err(error) => tracing::debug!(?slot, %error, "this port of the node is not held by a socket"),
            }
        }
        Ok(())
    }
}

/// Listens without ever accepting: rules lead every packet for the port to its pod before a socket is looked for.
fn reserve((protocol, ip, port): Slot) -> nix::Result<OwnedFd> {
    let family = if ip.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let (kind, number) = match protocol {
        Protocol::Tcp => (SockType::Stream, SockProtocol::Tcp),
        Protocol::Udp => (SockType::Datagram, SockProtocol::Udp),
        // No socket: SCTP is a module that few machines have loaded, and opening one would load it.
        Protocol::Sctp => return Err(Errno::EPROTONOSUPPORT),
    };
    let held = socket(family, kind, SockFlag::SOCK_CLOEXEC, number)?;
    if ip.is_ipv6() {
        setsockopt(&held, sockopt::Ipv6V6Only, &true)?;
    }
    if protocol == Protocol::Tcp {
        // Connections that ended a moment ago are nobody's.
        setsockopt(&held, sockopt::ReuseAddr, &true)?;
    }
    bind(held.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(ip, port)))?;
    if protocol == Protocol::Tcp {
        listen(&held, Backlog::new(1)?)?;
    }
    Ok(held)
}
