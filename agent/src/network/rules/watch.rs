//! The kernel's word that nftables, or the node's addresses and routes, changed → a wake-up, whoever changed it.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket};
use tokio::io::unix::AsyncFd;

use crate::network::error::{IoContext, Result};

/// `NFNLGRP_NFTABLES`, as a bit.
const GROUP_NFTABLES: u32 = 1 << 6;
/// `RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE`.
const GROUPS_ADDRESSES: u32 = 0x10 | 0x40 | 0x100 | 0x400;
/// Nothing is read of a message but that it came.
const BUFFER_BYTES: usize = 4096;

/// Hears of changes.
#[derive(Debug)]
pub struct Watch {
    socket: AsyncFd<OwnedFd>,
}

impl Watch {
    /// Begins to listen for changes of nftables, in the caller's network namespace.
    ///
    /// # Errors
    /// The kernel.
    pub fn open() -> Result<Self> {
        Self::listen(SockProtocol::NetlinkNetFilter, GROUP_NFTABLES)
    }

    /// Begins to listen for changes of addresses and routes, in the caller's network namespace.
    ///
    /// # Errors
    /// The kernel.
    pub fn addresses() -> Result<Self> {
        Self::listen(SockProtocol::NetlinkRoute, GROUPS_ADDRESSES)
    }

    fn listen(protocol: SockProtocol, groups: u32) -> Result<Self> {
        let what = || "listen for changes of the node's network".to_owned();
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let held = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol).doing(what)?;
        bind(held.as_raw_fd(), &NetlinkAddr::new(0, groups)).doing(what)?;
        #[expect(deprecated, reason = "its successor is unsafe; this owns its descriptor, which is what that asks for")]
        let socket = AsyncFd::new(held).doing(what)?;
        Ok(Self { socket })
    }

    /// Waits until something changed since the last call. Messages that were lost are a change too.
    pub async fn changed(&self) -> Result<()> {
        let mut buffer = [0; BUFFER_BYTES];
        let mut heard = false;
        loop {
            let mut ready =
                self.socket.readable().await.doing(|| "wait for changes of the node's network".to_owned())?;
            loop {
                match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
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
}
