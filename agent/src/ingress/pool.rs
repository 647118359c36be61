//! Connections to pods that wait for the next request, of one worker; no other thread knows them.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::client::conn::{http1, http2};
use tokio::net::TcpStream;

use crate::ingress::backend::Endpoint;
use crate::ingress::request::Request;

/// A connection of HTTP/1.1.
pub type Http1 = http1::SendRequest<Request>;
/// A connection of HTTP/2, shared by requests.
pub type Http2 = http2::SendRequest<Request>;

/// The connections of one worker.
#[derive(Debug)]
pub struct Pool {
    idle: RefCell<Idle<Http1>>,
    plain: RefCell<Idle<TcpStream>>,
    shared: RefCell<HashMap<SocketAddr, (Http2, Arc<Endpoint>)>>,
    keep: Duration,
    max: usize,
}

/// Connections that wait, by endpoint: by its place in memory, which is another's only when nobody holds it any more.
#[derive(Debug)]
struct Idle<C>(HashMap<usize, Waiting<C>, BuildHasherDefault<Places>>);

/// Spreads places in memory, of which nobody outside chooses any.
#[derive(Default)]
struct Places(u64);

impl Hasher for Places {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_usize(usize::from(*byte)));
    }

    fn write_usize(&mut self, place: usize) {
        // Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4).
        self.0 = (self.0 ^ place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}

fn place(endpoint: &Arc<Endpoint>) -> usize {
    Arc::as_ptr(endpoint).addr()
}

/// Those of one endpoint, the one used last at the end.
#[derive(Debug)]
struct Waiting<C> {
    endpoint: Arc<Endpoint>,
    list: VecDeque<(C, Instant)>,
}

impl<C> Default for Idle<C> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<C> Idle<C> {
    fn keep(&mut self, endpoint: &Arc<Endpoint>, connection: C, max: usize, now: Instant) {
        // Its table has gone while the request was under way: nothing keeps a pod that wants to end.
        if endpoint.is_gone() {
            return;
        }
        let fresh = || Waiting { endpoint: endpoint.clone(), list: VecDeque::new() };
        let waiting = self.0.entry(place(endpoint)).or_insert_with(fresh);
        if waiting.list.len() < max {
            waiting.list.push_back((connection, now));
        }
    }

    /// Drops what is of no use; says of each whether it is.
    fn sweep(&mut self, mut is_good: impl FnMut(&C, Instant) -> bool) {
        self.0.retain(|_, waiting| {
            waiting.list.retain(|(connection, since)| is_good(connection, *since));
            !waiting.list.is_empty()
        });
    }

    fn leave(&mut self) {
        self.0.retain(|_, waiting| !waiting.endpoint.is_gone());
    }

    fn len(&self) -> usize {
        self.0.values().map(|waiting| waiting.list.len()).sum()
    }
}

impl Pool {
    /// None yet; unused ones are kept for `keep`, at most `max` of an endpoint.
    pub fn new(keep: Duration, max: usize) -> Self {
        Self { idle: RefCell::default(), plain: RefCell::default(), shared: RefCell::default(), keep, max }
    }

    /// A connection that can take a request now: the one used last, which is the least likely to be closed.
    pub fn take(&self, endpoint: &Arc<Endpoint>, now: Instant) -> Option<Http1> {
        let mut idle = self.idle.borrow_mut();
        let list = &mut idle.0.get_mut(&place(endpoint))?.list;
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

    /// The same, without hyper.
    pub fn take_plain(&self, endpoint: &Arc<Endpoint>, now: Instant) -> Option<TcpStream> {
        let mut plain = self.plain.borrow_mut();
        let list = &mut plain.0.get_mut(&place(endpoint))?.list;
        loop {
            let (stream, since) = list.pop_back()?;
            if now.saturating_duration_since(since) > self.keep {
                // All others have waited for longer.
                list.clear();
                return None;
            }
            if is_silent(&stream) {
                return Some(stream);
            }
        }
    }

    /// Keeps a connection that has been used.
    pub fn keep_plain(&self, endpoint: &Arc<Endpoint>, stream: TcpStream, now: Instant) {
        self.plain.borrow_mut().keep(endpoint, stream, self.max, now);
    }

    /// The connection of HTTP/2 to an endpoint, while it takes requests.
    pub fn shared(&self, address: SocketAddr) -> Option<Http2> {
        let shared = self.shared.borrow();
        let (sender, _) =
            shared.get(&address).filter(|(sender, endpoint)| !sender.is_closed() && !endpoint.is_gone())?;
        Some(sender.clone())
    }

    /// Keeps a connection of HTTP/2.
    pub fn share(&self, endpoint: &Arc<Endpoint>, sender: Http2) {
        self.shared.borrow_mut().insert(endpoint.address, (sender, endpoint.clone()));
    }

    /// Forgets what is closed or has waited for too long.
    pub fn sweep(&self, now: Instant) {
        let is_young = |since: Instant| now.saturating_duration_since(since) <= self.keep;
        self.idle.borrow_mut().sweep(|sender, since| !sender.is_closed() && is_young(since));
        self.plain.borrow_mut().sweep(|stream, since| is_young(since) && is_silent(stream));
        self.shared.borrow_mut().retain(|_, (sender, _)| !sender.is_closed());
    }

    /// Closes the connections to endpoints that have left; what is under way on them goes on.
    pub fn leave(&self) {
        self.idle.borrow_mut().leave();
        self.plain.borrow_mut().leave();
        self.shared.borrow_mut().retain(|_, (_, endpoint)| !endpoint.is_gone());
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.idle.borrow().len() + self.plain.borrow().len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Whether nothing has come on a connection that waits: neither its end nor bytes that nobody asked for. No system call
/// is made unless the kernel has told of something.
fn is_silent(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

/// A connection in use, which goes back when its answer has been read to the end.
pub struct Lease {
    pool: Rc<Pool>,
    endpoint: Arc<Endpoint>,
    sender: Http1,
}

impl Lease {
    /// Takes a connection out for one request.
    pub fn new(pool: Rc<Pool>, endpoint: &Arc<Endpoint>, sender: Http1) -> Self {
        Self { pool, endpoint: endpoint.clone(), sender }
    }

    /// The connection.
    pub fn sender(&mut self) -> &mut Http1 {
        &mut self.sender
    }

    /// The request is done.
    pub fn give_back(self) {
        self.pool.idle.borrow_mut().keep(&self.endpoint, self.sender, self.pool.max, Instant::now());
    }
}
