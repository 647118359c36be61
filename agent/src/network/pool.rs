//! Prepares namespaces with their links ahead of the pods that will need them.
//!
//! One that waits is held by a descriptor alone: should the agent die, the kernel takes it back, links
//! and all, and what is still there when the next life begins is removed by its name.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nlink::netlink::{Connection, Route};

use crate::network::error::{Error, IoContext, Result};
use crate::network::kernel::{self, Ends};
use crate::network::names::Names;
use crate::network::netns;

/// First wait after a failure to prepare one; doubles up to [`BACKOFF_MAX`].
const BACKOFF: Duration = Duration::from_millis(100);
/// Longest wait after a failure to prepare one.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// How long no place is taken before the pool is refilled.
const QUIET: Duration = Duration::from_millis(500);

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

/// Places that wait, refilled by a thread of its own.
pub struct Pool {
    maker: Maker,
    shelf: Arc<Shelf>,
    filler: Option<JoinHandle<()>>,
}

/// What the pool and its thread share.
#[derive(Default)]
struct Shelf {
    stock: Mutex<Stock>,
    changed: Condvar,
}

#[derive(Default)]
struct Stock {
    places: VecDeque<Place>,
    last_taken: Option<Instant>,
    closed: bool,
}

impl Pool {
    /// Keeps up to `size` places ready; 0 makes each when it is asked for.
    pub fn start(maker: Maker, size: usize) -> Result<Self> {
        let shelf = Arc::<Shelf>::default();
        let mut pool = Self { maker, shelf, filler: None };
        if size > 0 {
            let (maker, shelf) = (pool.maker.clone(), Arc::clone(&pool.shelf));
            let filler = thread::Builder::new().name("netns-pool".to_owned());
            let filler = filler.spawn(move || fill(&maker, &shelf, size));
            pool.filler = Some(filler.doing(|| "start the pool's thread".to_owned())?);
        }
        Ok(pool)
    }

    /// Takes a place that waits, or makes one.
    pub async fn take(&self, host: &Connection<Route>) -> Result<Place> {
        match self.shelf.take() {
            Some(place) => Ok(place),
            None => self.maker.make(host).await,
        }
    }

    /// Ends the pool's thread and gives back what waits; later places are made when asked for.
    pub async fn close(&mut self, host: &Connection<Route>) -> Result<()> {
        for place in self.shelf.close() {
            kernel::remove_link(host, place.host_index).await?;
        }
        // What the thread has in hand, it removes itself.
        let ended = self.filler.take().map(JoinHandle::join);
        if let Some(Err(_)) = ended { Err(Error::Ended) } else { Ok(()) }
    }

    /// What it makes places with.
    #[must_use]
    pub fn maker(&self) -> &Maker {
        &self.maker
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shelf.close();
    }
}

impl Shelf {
    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Place> {
        let mut stock = self.stock();
        stock.last_taken = Some(Instant::now());
        self.changed.notify_one();
        stock.places.pop_front()
    }

    /// Takes one in; gives it back when nobody will ask for it.
    fn put(&self, place: Place) -> Option<Place> {
        let mut stock = self.stock();
        if stock.closed {
            return Some(place);
        }
        stock.places.push_back(place);
        None
    }

    fn close(&self) -> VecDeque<Place> {
        let mut stock = self.stock();
        stock.closed = true;
        self.changed.notify_one();
        std::mem::take(&mut stock.places)
    }

    /// Waits as long, or until it is closed.
    fn pause(&self, wait: Duration) {
        drop(self.changed.wait_timeout_while(self.stock(), wait, |stock| !stock.closed));
    }

    /// Waits until a place is wanted; false when none ever will be again.
    ///
    /// Pods come in bursts, and their start needs the processor more than the pool does: it is refilled
    /// when the burst is over, or when it has run empty.
    fn wanted(&self, size: usize) -> bool {
        let mut stock = self.stock();
        while !stock.closed {
            let rest = stock.last_taken.and_then(|at| QUIET.checked_sub(at.elapsed()));
            stock = match (stock.places.len(), rest) {
                (held, _) if held >= size => self.changed.wait(stock).unwrap_or_else(PoisonError::into_inner),
                (1.., Some(rest)) => {
                    let woken = self.changed.wait_timeout(stock, rest);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                _ => return true,
            };
        }
        false
    }
}

/// Fills until the pool is closed.
fn fill(maker: &Maker, shelf: &Shelf, size: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return tracing::warn!(%error, "no pool of network namespaces"),
    };
    let done = runtime.block_on(async {
        let host = Connection::<Route>::new().doing(|| "open netlink".to_owned())?;
        let mut backoff = BACKOFF;
        while shelf.wanted(size) {
            match maker.make(&host).await {
                Ok(place) => {
                    backoff = BACKOFF;
                    if let Some(left) = shelf.put(place) {
                        kernel::remove_link(&host, left.host_index).await?;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "preparing a network namespace failed");
                    shelf.pause(backoff);
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                }
            }
        }
        Ok(())
    });
    if let Err::<(), Error>(error) = done {
        tracing::warn!(%error, "the pool of network namespaces has ended");
    }
}
