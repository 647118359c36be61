//! The kernel's word that nftables changed → a wake-up, whoever changed it.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket};
use tokio::io::unix::AsyncFd;

use crate::network::error::{IoContext, Result};

/// `NFNLGRP_NFTABLES`, as a bit.
const GROUP_NFTABLES: u32 = 1 << 6;
/// Nothing is read of a message but that it came.
const BUFFER_BYTES: usize = 4096;

/// Hears of changes.
#[derive(Debug)]
pub struct Watch {
    socket: AsyncFd<OwnedFd>,
}

impl Watch {
    /// Begins to listen, in the caller's network namespace.
    pub fn open() -> Result<Self> {
        let what = || "listen for changes of nftables".to_owned();
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let held = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkNetFilter).doing(what)?;
        bind(held.as_raw_fd(), &NetlinkAddr::new(0, GROUP_NFTABLES)).doing(what)?;
        #[expect(deprecated, reason = "its successor is unsafe; this owns its descriptor, which is what that asks for")]
        let socket = AsyncFd::new(held).doing(what)?;
        Ok(Self { socket })
    }

    /// Waits until something changed since the last call. Messages that were lost are a change too.
    pub async fn changed(&self) -> Result<()> {
        let mut buffer = [0; BUFFER_BYTES];
        let mut heard = false;
        loop {
            let mut ready = self.socket.readable().await.doing(|| "wait for changes of nftables".to_owned())?;
            loop {
                match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                    Ok(_) | Err(Errno::ENOBUFS) => heard = true,
                    Err(Errno::EAGAIN) => break,
                    Err(Errno::EINTR) => {}
                    Err(error) => return Err(error).doing(|| "hear of changes of nftables".to_owned()),
                }
            }
            ready.clear_ready();
            if heard {
                return Ok(());
            }
        }
    }
}
