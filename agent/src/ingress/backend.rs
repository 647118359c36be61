//! The endpoints of a service's port → the one that gets the next request: the least busy, those that failed lately last.

use std::net::SocketAddr;
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

    fn cost(&self, now_ms: u64) -> (bool, usize) {
        (self.rests_until_ms.load(Ordering::Relaxed) > now_ms, self.busy.load(Ordering::Relaxed))
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
    turn: AtomicU32,
}

impl Backend {
    /// Endpoints, or a reason why there is none.
    pub fn new(name: String, protocol: Protocol, endpoints: Vec<Arc<Endpoint>>, fault: Option<String>) -> Self {
        Self { name, protocol, endpoints, fault, is_waiting: false, turn: AtomicU32::new(0) }
    }

    /// The same, while pods come up.
    pub fn waiting(self) -> Self {
        Self { is_waiting: true, ..self }
    }

    /// The endpoint for a request that `tried` could not be reached for.
    pub fn choose(&self, tried: &[SocketAddr], now_ms: u64) -> Option<&Arc<Endpoint>> {
        let count = self.endpoints.len();
        if count == 1 {
            return self.endpoints.first().filter(|only| !tried.contains(&only.address));
        }
        // Equal ones take turns: each search begins one further.
        let begin = self.turn.fetch_add(1, Ordering::Relaxed) as usize % count.max(1);
        let from = self.endpoints.iter().cycle().skip(begin).take(count);
        from.filter(|endpoint| !tried.contains(&endpoint.address))
            .take(COMPARED_MAX)
            .min_by_key(|endpoint| endpoint.cost(now_ms))
    }
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
    use super::*;

    #[test]
    fn the_least_busy_is_chosen_and_equal_ones_take_turns() {
        let endpoints: Vec<Arc<Endpoint>> =
            (0..3).map(|n| Arc::new(Endpoint::new(SocketAddr::from(([10, 0, 0, n], 80))))).collect();
        let backend = Backend::new("a/b:80".into(), Protocol::Http, endpoints.clone(), None);
        let chosen = |tried: &[SocketAddr], now| backend.choose(tried, now).map(|e| e.address);
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
