//! Prepares namespaces with their links ahead of the pods that will need them.
//!
//! One that waits is held by a descriptor alone: should the agent die, the kernel takes it back, links
//! and all, and what is still there when the next life begins is removed by its name.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nlink::netlink::{Connection, Route};

use crate::network::error::{Error, IoContext, Result};
use crate::network::kernel::{self, Ends};
use crate::network::names::Names;
use crate::network::netns;

/// First wait after a failure to prepare one; doubles up to [`BACKOFF_MAX`].
const BACKOFF: Duration = Duration::from_millis(100);
/// Longest wait after a failure to prepare one.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// A prepared namespace: its link has both ends, the pod's is up, none has an address.
pub struct Place {
    /// Keeps it alive.
    pub ns: OwnedFd,
    /// Index of the node's end.
    pub host_index: u32,
    /// Index of the pod's end.
    pub pod_index: u32,
    /// The pod's hardware address.
    pub pod_mac: [u8; 6],
}

impl Place {
    /// Opens the way to configure it.
    pub fn ends(&self) -> Result<Ends> {
        Ok(Ends {
            inside: kernel::connect(&self.ns)?,
            host_index: self.host_index,
            pod_index: self.pod_index,
            pod_mac: self.pod_mac,
        })
    }
}

/// Makes places; shared by the pool's thread and by who finds the pool empty.
#[derive(Clone)]
pub struct Maker {
    names: Names,
    mtu: u32,
    number: Arc<AtomicU32>,
}

impl Maker {
    /// Makes places for the instance with these names.
    #[must_use]
    pub fn new(names: Names, mtu: u32) -> Self {
        Self { names, mtu, number: Arc::default() }
    }

    /// Makes one now.
    pub async fn make(&self, host: &Connection<Route>) -> Result<Place> {
        let ns = netns::create()?;
        let name = self.names.pool_link(self.number.fetch_add(1, Ordering::Relaxed));
        let ends = kernel::make_pair(host, &ns, &name, self.mtu).await?;
        Ok(Place { ns, host_index: ends.host_index, pod_index: ends.pod_index, pod_mac: ends.pod_mac })
    }

    /// Makes a link of this name into a namespace that exists.
    pub async fn link(&self, host: &Connection<Route>, ns: &OwnedFd, name: &str) -> Result<Ends> {
        kernel::make_pair(host, ns, name, self.mtu).await
    }
}

/// Places that wait; refilled by a thread of its own whenever one is taken.
pub struct Pool {
    maker: Maker,
    ready: Option<Receiver<Place>>,
    filler: Option<JoinHandle<()>>,
    closed: Arc<AtomicBool>,
}

impl Pool {
    /// Keeps up to `size` places ready; 0 makes each when it is asked for.
    pub fn start(maker: Maker, size: usize) -> Result<Self> {
        // One more is in the thread's hand when the channel is full.
        let Some(queued) = size.checked_sub(1) else {
            return Ok(Self { maker, ready: None, filler: None, closed: Arc::default() });
        };
        let (sender, ready) = sync_channel(queued);
        let closed = Arc::<AtomicBool>::default();
        let (filler, stop) = (maker.clone(), Arc::clone(&closed));
        let filler = thread::Builder::new()
            .name("netns-pool".to_owned())
            .spawn(move || fill(&filler, &sender, &stop))
            .doing(|| "start the pool's thread".to_owned())?;
        Ok(Self { maker, ready: Some(ready), filler: Some(filler), closed })
    }

    /// Ends the pool's thread and gives back what waits; later places are made when asked for.
    pub async fn close(&mut self, host: &Connection<Route>) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        if let Some(ready) = self.ready.take() {
            for place in ready.try_iter() {
                kernel::remove_link(host, place.host_index).await?;
            }
        }
        // With nobody to take it, what the thread has in hand is removed by the thread.
        let ended = self.filler.take().map(JoinHandle::join);
        if let Some(Err(_)) = ended { Err(Error::Ended) } else { Ok(()) }
    }

    /// Takes a place that waits, or makes one.
    pub async fn take(&self, host: &Connection<Route>) -> Result<Place> {
        match self.ready.as_ref().and_then(|r| r.try_recv().ok()) {
            Some(place) => Ok(place),
            None => self.maker.make(host).await,
        }
    }

    /// What it makes places with.
    #[must_use]
    pub fn maker(&self) -> &Maker {
        &self.maker
    }
}

/// Fills until the pool is gone.
fn fill(maker: &Maker, ready: &SyncSender<Place>, closed: &AtomicBool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return tracing::warn!(%error, "no pool of network namespaces"),
    };
    let made = runtime.block_on(async {
        let host = Connection::<Route>::new().doing(|| "open netlink".to_owned())?;
        let mut backoff = BACKOFF;
        while !closed.load(Ordering::Acquire) {
            match maker.make(&host).await {
                Ok(place) => {
                    backoff = BACKOFF;
                    if let Err(left) = ready.send(place) {
                        // Nobody will take it: leave nothing behind.
                        return kernel::remove_link(&host, left.0.host_index).await;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "preparing a network namespace failed");
                    tokio::time::sleep(backoff).await;
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                }
            }
        }
        Ok(())
    });
    if let Err::<(), Error>(error) = made {
        tracing::warn!(%error, "the pool of network namespaces has ended");
    }
}
