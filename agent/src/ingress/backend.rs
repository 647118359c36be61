//! The endpoints of a service's port → the one that gets the next request: the least busy, or a client's own; those that failed
//! lately last.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Endpoints that are compared for one request.
const COMPARED_MAX: usize = 16;
/// How long an endpoint that could not be reached is asked last.
const REST: Duration = Duration::from_secs(1);

/// What is spoken to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1, but HTTP/2 for gRPC, which has no other.
    Http,
    /// HTTP/2 without TLS.
    H2c,
}

/// One endpoint, as all workers see it.
#[derive(Debug)]
pub struct Endpoint {
    /// Where it is.
    pub address: SocketAddr,
    /// Requests under way.
    pub busy: AtomicUsize,
    /// Until when it rests, in milliseconds of [`now_ms`].
    rests_until_ms: AtomicU64,
    is_gone: AtomicBool,
}

impl Endpoint {
    /// A fresh one.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, busy: AtomicUsize::new(0), rests_until_ms: AtomicU64::new(0), is_gone: AtomicBool::new(false) }
    }

    /// It could not be reached.
    pub fn failed(&self, now_ms: u64) {
        let rest = u64::try_from(REST.as_millis()).unwrap_or(u64::MAX);
        self.rests_until_ms.store(now_ms.saturating_add(rest), Ordering::Relaxed);
    }

    /// No table has it any more: what is under way on it ends, and nothing waits for more.
    pub fn leave(&self) {
        self.is_gone.store(true, Ordering::Relaxed);
    }

    /// Whether it has left.
    pub fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    fn rests(&self, now_ms: impl Fn() -> u64) -> bool {
        // Most never did.
        let until_ms = self.rests_until_ms.load(Ordering::Relaxed);
        until_ms > 0 && until_ms > now_ms()
    }

    fn cost(&self, now_ms: impl Fn() -> u64) -> (bool, usize) {
        (self.rests(now_ms), self.busy.load(Ordering::Relaxed))
    }
}

/// Milliseconds since the first call.
pub fn now_ms() -> u64 {
    ms_at(Instant::now())
}

/// The same at another moment; 0 before the first call.
pub fn ms_at(now: Instant) -> u64 {
    static BEGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let since = now.saturating_duration_since(*BEGIN.get_or_init(Instant::now));
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The endpoints of a service's port.
#[derive(Debug)]
pub struct Backend {
    /// The service and its port, for messages.
    pub name: String,
    /// What is spoken.
    pub protocol: Protocol,
    /// Who may get requests.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// Why nobody can.
    pub fault: Option<String>,
    /// Pods that may come are all that is missing.
    pub is_waiting: bool,
    /// A client stays with its endpoint.
    is_sticky: bool,
    turn: AtomicU32,
}

impl Backend {
    /// Endpoints, or a reason why there is none.
    pub fn new(name: String, protocol: Protocol, endpoints: Vec<Arc<Endpoint>>, fault: Option<String>) -> Self {
        Self { name, protocol, endpoints, fault, is_waiting: false, is_sticky: false, turn: AtomicU32::new(0) }
    }

    /// The same, while pods come up.
    pub fn waiting(self) -> Self {
        Self { is_waiting: true, ..self }
    }

    /// The same, whose clients stay with their endpoints or do not.
    pub fn sticky(self, is_sticky: bool) -> Self {
        Self { is_sticky, ..self }
    }

    /// The endpoint for a client's request that `tried` could not be reached for.
    pub fn choose(&self, tried: &[SocketAddr], now_ms: impl Fn() -> u64, client: IpAddr) -> Option<&Arc<Endpoint>> {
        let count = self.endpoints.len();
        if count == 1 {
            return self.endpoints.first().filter(|only| !tried.contains(&only.address));
        }
        if self.is_sticky {
            let left = self.endpoints.iter().filter(|endpoint| !tried.contains(&endpoint.address));
            return left.max_by_key(|endpoint| (!endpoint.rests(&now_ms), nearness(client, endpoint.address)));
        }
        // Equal ones take turns: each search begins one further.
        let begin = self.turn.fetch_add(1, Ordering::Relaxed) as usize % count.max(1);
        let (later, first) = self.endpoints.split_at(begin);
        let left = first.iter().chain(later).filter(|endpoint| !tried.contains(&endpoint.address));
        left.take(COMPARED_MAX).min_by_key(|endpoint| endpoint.cost(&now_ms))
    }
}

/// How near an endpoint is to a client: the same to all workers and nodes, and others' comings and goings change nothing of
/// it (rendezvous hashing, Thaler and Ravishankar 1998).
fn nearness(client: IpAddr, endpoint: SocketAddr) -> u64 {
    let mut hasher = DefaultHasher::new();
    (client, endpoint).hash(&mut hasher);
    hasher.finish()
}

/// A request under way, counted as long as it lives.
#[derive(Debug)]
pub struct Busy(Arc<Endpoint>);

impl Busy {
    /// Counts one.
    pub fn new(endpoint: &Arc<Endpoint>) -> Self {
        endpoint.busy.fetch_add(1, Ordering::Relaxed);
        Self(endpoint.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::Ipv4Addr;

    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));

    #[test]
    fn a_client_stays_while_its_endpoint_is_there() {
        let with = |numbers: &[u8]| {
            let endpoint = |n: &u8| Arc::new(Endpoint::new(SocketAddr::from(([10, 0, 0, *n], 80))));
            Backend::new("a/b:80".into(), Protocol::Http, numbers.iter().map(endpoint).collect(), None).sticky(true)
        };
        let of = |backend: &Backend, client: u8| {
            let client = IpAddr::from([192, 0, 2, client]);
            let chosen = backend.choose(&[], || 0, client).unwrap();
            let _busy = Busy::new(chosen);
            assert_eq!(backend.choose(&[], || 0, client).unwrap().address, chosen.address, "busy or not");
            chosen.address
        };
        let (all, less) = (with(&[1, 2, 3, 4]), with(&[1, 2, 4]));
        let gone = all.endpoints[2].address;
        let mut used = HashSet::new();
        for client in 0..=255 {
            let own = of(&all, client);
            used.insert(own);
            let after = of(&less, client);
            assert!(after == own || own == gone, "{client} moved from {own} to {after}");
        }
        assert_eq!(used.len(), 4);
        // One that can't be reached is left for as long as it rests.
        let own = all.choose(&[], || 0, CLIENT).unwrap();
        let other = all.choose(&[own.address], || 0, CLIENT).unwrap().address;
        assert_ne!(other, own.address);
        own.failed(100);
        assert_eq!(all.choose(&[], || 500, CLIENT).unwrap().address, other);
        assert_eq!(all.choose(&[], || 1200, CLIENT).unwrap().address, own.address);
    }

    #[test]
    fn the_least_busy_is_chosen_and_equal_ones_take_turns() {
        let endpoints: Vec<Arc<Endpoint>> =
            (0..3).map(|n| Arc::new(Endpoint::new(SocketAddr::from(([10, 0, 0, n], 80))))).collect();
        let backend = Backend::new("a/b:80".into(), Protocol::Http, endpoints.clone(), None);
        let chosen = |tried: &[SocketAddr], now| backend.choose(tried, || now, CLIENT).map(|e| e.address);
        let mut seen: Vec<_> = (0..3).map(|_| chosen(&[], 0).unwrap()).collect();
        seen.sort();
        assert_eq!(seen, endpoints.iter().map(|e| e.address).collect::<Vec<_>>());
        let (_a, _b) = (Busy::new(&endpoints[0]), Busy::new(&endpoints[2]));
        assert!((0..5).all(|_| chosen(&[], 0) == Some(endpoints[1].address)));
        assert!((0..5).all(|_| chosen(&[endpoints[1].address], 0) != Some(endpoints[1].address)));
        endpoints[1].failed(100);
        assert!((0..5).all(|_| chosen(&[], 500) != Some(endpoints[1].address)));
        assert!((0..5).all(|_| chosen(&[], 1200) == Some(endpoints[1].address)));
        // All rest: better one of them than none.
        endpoints.iter().for_each(|endpoint| endpoint.failed(100));
        assert!(chosen(&[], 500).is_some());
        let all: Vec<_> = endpoints.iter().map(|e| e.address).collect();
        assert_eq!(chosen(&all, 500), None);
        drop(_a);
        assert_eq!(endpoints[0].busy.load(Ordering::Relaxed), 0);
    }
}
