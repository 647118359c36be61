//! The kernel's word that nftables, or the node's addresses and routes, changed → a wake-up, whoever changed it.
//!
//! For whoever listens the kernel copies each element of a change, and holds the copies until the last is made: a table of
//! 100,000 elements is made in half the time when nobody does. So all listeners of this process let go while one part of it
//! makes such a change ([`Large`]), and count its end as a change.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::LazyLock;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket};
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use crate::network::error::{IoContext, Result};

/// `NFNLGRP_NFTABLES`, as a bit.
const GROUP_NFTABLES: u32 = 1 << 6;
/// `RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE`.
const GROUPS_ADDRESSES: u32 = 0x10 | 0x40 | 0x100 | 0x400;
/// Nothing is read of a message but that it came.
const BUFFER_BYTES: usize = 4096;
/// How long a large change waits for listeners that are busy.
const LET_GO_MAX: Duration = Duration::from_millis(20);

/// Large changes under way, and listeners for changes of nftables, in this process.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    large: usize,
    listeners: usize,
}

static COUNT: LazyLock<watch::Sender<Count>> = LazyLock::new(|| watch::Sender::new(Count::default()));

/// A large change under way.
#[derive(Debug)]
pub struct Large(());

impl Large {
    /// Begins one: who listens lets go first, or is busy.
    pub async fn begin() -> Self {
        COUNT.send_modify(|count| count.large += 1);
        let large = Self(());
        let mut count = COUNT.subscribe();
        let quiet = async { drop(count.wait_for(|count| count.listeners == 0).await) };
        // Who is busy listens on; that costs time, and nothing else.
        drop(tokio::time::timeout(LET_GO_MAX, quiet).await);
        large
    }
}

impl Drop for Large {
    fn drop(&mut self) {
        COUNT.send_modify(|count| count.large -= 1);
    }
}

/// A socket that hears of nftables, counted while it is open.
#[derive(Debug)]
struct Counted(AsyncFd<OwnedFd>);

impl Drop for Counted {
    fn drop(&mut self) {
        COUNT.send_modify(|count| count.listeners -= 1);
    }
}

/// Hears of changes of nftables.
#[derive(Debug)]
pub struct Watch {
    /// None while a large change is under way.
    socket: Option<Counted>,
}

impl Watch {
    /// Begins to listen for changes of nftables, in the caller's network namespace.
    ///
    /// # Errors
    /// The kernel.
    pub fn open() -> Result<Self> {
        Ok(Self { socket: Some(counted()?) })
    }

    /// Waits until something changed since the last call. Messages that were lost are a change too. It may be given up
    /// and called again.
    ///
    /// # Errors
    /// The kernel.
    pub async fn changed(&mut self) -> Result<()> {
        let mut count = COUNT.subscribe();
        if let Some(Counted(socket)) = &self.socket {
            // What it gives is a lock on the count, which must be let go before anything is counted.
            let large = async { drop(count.wait_for(|count| count.large > 0).await) };
            tokio::select! {
                heard = heard(socket) => return heard,
                () = large => {}
            }
            self.socket = None;
        }
        // The sender lives as long as the process.
        drop(count.wait_for(|count| count.large == 0).await);
        self.socket = Some(counted()?);
        Ok(())
    }
}

/// Hears of changes of addresses and routes.
#[derive(Debug)]
pub struct Addresses(AsyncFd<OwnedFd>);

impl Addresses {
    /// Begins to listen, in the caller's network namespace.
    ///
    /// # Errors
    /// The kernel.
    pub fn open() -> Result<Self> {
        listen(SockProtocol::NetlinkRoute, GROUPS_ADDRESSES).map(Self)
    }

    /// As [`Watch::changed`].
    ///
    /// # Errors
    /// The kernel.
    pub async fn changed(&self) -> Result<()> {
        heard(&self.0).await
    }
}

fn counted() -> Result<Counted> {
    let socket = listen(SockProtocol::NetlinkNetFilter, GROUP_NFTABLES)?;
    COUNT.send_modify(|count| count.listeners += 1);
    Ok(Counted(socket))
}

fn listen(protocol: SockProtocol, groups: u32) -> Result<AsyncFd<OwnedFd>> {
    let what = || "listen for changes of the node's network".to_owned();
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let held = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol).doing(what)?;
    bind(held.as_raw_fd(), &NetlinkAddr::new(0, groups)).doing(what)?;
    #[expect(deprecated, reason = "its successor is unsafe; this owns its descriptor, which is what that asks for")]
    let socket = AsyncFd::new(held).doing(what)?;
    Ok(socket)
}

async fn heard(socket: &AsyncFd<OwnedFd>) -> Result<()> {
    let mut buffer = [0; BUFFER_BYTES];
    let mut heard = false;
    loop {
        let mut ready = socket.readable().await.doing(|| "wait for changes of the node's network".to_owned())?;
        loop {
            match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(_) | Err(Errno::ENOBUFS) => heard = true,
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error).doing(|| "hear of changes of the node's network".to_owned()),
            }
        }
        ready.clear_ready();
        if heard {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a listener may take on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_listener_lets_go_while_a_large_change_is_made_and_hears_of_its_end() {
        // Each kernel has it that has nftables; without, there is nothing to test.
        let Ok(mut watch) = Watch::open() else { return };
        let listener = tokio::spawn(async move {
            // Others may change tables meanwhile: then it listens on.
            while watch.socket.is_some() {
                watch.changed().await.unwrap();
                let is_over = COUNT.borrow().large == 0;
                if is_over {
                    return watch;
                }
            }
            watch
        });
        let large = Large::begin().await;
        tokio::task::yield_now().await;
        drop(large);
        let watch = tokio::time::timeout(PATIENCE, listener).await.expect("it hears of the end").unwrap();
        assert!(watch.socket.is_some(), "and listens again");
        drop(watch);
    }

    #[tokio::test]
    async fn many_listeners_and_many_large_changes_end() {
        let Ok(first) = Watch::open() else { return };
        drop(first);
        let stop = tokio_util::sync::CancellationToken::new();
        let listeners: Vec<_> = (0..4)
            .map(|_| {
                let stop = stop.clone();
                tokio::spawn(async move {
                    let mut watch = Watch::open().unwrap();
                    loop {
                        tokio::select! {
                            heard = watch.changed() => heard.unwrap(),
                            () = stop.cancelled() => return,
                        }
                    }
                })
            })
            .collect();
        let work = async {
            for _ in 0..20 {
                let (one, other) = tokio::join!(Large::begin(), Large::begin());
                drop((one, other));
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, work).await.expect("nobody waits for ever");
        stop.cancel();
        for listener in listeners {
            tokio::time::timeout(PATIENCE, listener).await.expect("a listener ends").unwrap();
        }
    }
}
