//! Connections to pods that wait for the next request, of one worker; no other thread knows them.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hyper::client::conn::{http1, http2};

use crate::ingress::body::Request;

/// A connection of HTTP/1.1.
pub type Http1 = http1::SendRequest<Request>;
/// A connection of HTTP/2, shared by requests.
pub type Http2 = http2::SendRequest<Request>;

/// The connections of one worker.
#[derive(Debug)]
pub struct Pool {
    idle: RefCell<HashMap<SocketAddr, VecDeque<(Http1, Instant)>>>,
    shared: RefCell<HashMap<SocketAddr, Http2>>,
    keep: Duration,
    max: usize,
}

impl Pool {
    /// None yet; unused ones are kept for `keep`, at most `max` of an endpoint.
    pub fn new(keep: Duration, max: usize) -> Self {
        Self { idle: RefCell::default(), shared: RefCell::default(), keep, max }
    }

    /// A connection that can take a request now: the one used last, which is the least likely to be closed.
    pub fn take(&self, address: SocketAddr, now: Instant) -> Option<Http1> {
        let mut idle = self.idle.borrow_mut();
        let list = idle.get_mut(&address)?;
        for _ in 0..list.len() {
            let (sender, since) = list.pop_back()?;
            if sender.is_closed() || now.saturating_duration_since(since) > self.keep {
                continue;
            }
            if sender.is_ready() {
                return Some(sender);
            }
            // Its last answer is read, its task has not seen it yet.
            list.push_front((sender, since));
        }
        None
    }

    /// The connection of HTTP/2 to an endpoint, while it takes requests.
    pub fn shared(&self, address: SocketAddr) -> Option<Http2> {
        self.shared.borrow().get(&address).filter(|sender| !sender.is_closed()).cloned()
    }

    /// Keeps a connection of HTTP/2.
    pub fn share(&self, address: SocketAddr, sender: Http2) {
        self.shared.borrow_mut().insert(address, sender);
    }

    /// Forgets what is closed or has waited for too long.
    pub fn sweep(&self, now: Instant) {
        self.idle.borrow_mut().retain(|_, list| {
            list.retain(|(sender, since)| !sender.is_closed() && now.saturating_duration_since(*since) <= self.keep);
            !list.is_empty()
        });
        self.shared.borrow_mut().retain(|_, sender| !sender.is_closed());
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.idle.borrow().values().map(VecDeque::len).sum()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A connection in use, which goes back when its answer has been read to the end.
pub struct Lease {
    pool: Rc<Pool>,
    address: SocketAddr,
    sender: Http1,
}

impl Lease {
    /// Takes a connection out for one request.
    pub fn new(pool: Rc<Pool>, address: SocketAddr, sender: Http1) -> Self {
        Self { pool, address, sender }
    }

    /// The connection.
    pub fn sender(&mut self) -> &mut Http1 {
        &mut self.sender
    }

    /// The request is done.
    pub fn give_back(self) {
        let mut idle = self.pool.idle.borrow_mut();
        let list = idle.entry(self.address).or_default();
        if list.len() < self.pool.max {
            list.push_back((self.sender, Instant::now()));
        }
    }
}
