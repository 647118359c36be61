//! The servers that other names are asked of, and in which order: as listed, those that failed lately last.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// Servers that are asked (three is what the C library reads).
const SERVERS_MAX: usize = 3;
/// Failures in a row after which a server is asked last.
const FAILURES_MAX: u32 = 2;
/// How long it is asked last.
const REST: Duration = Duration::from_secs(10);

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Where it is.
    pub server: SocketAddr,
    /// It gives names back as they were spelled, as far as is known.
    pub keeps_case: bool,
    failures: u32,
    rests_until: Option<Instant>,
    is_loop: bool,
}

/// All servers.
#[derive(Debug, Default)]
pub struct Upstreams(Mutex<Vec<Upstream>>);

impl Upstreams {
    fn list(&self) -> std::sync::MutexGuard<'_, Vec<Upstream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the list; what is known of servers that stay is kept. Says whether it changed.
    pub fn set(&self, servers: &[SocketAddr]) -> bool {
        let mut list = self.list();
        if list.iter().map(|known| known.server).eq(servers.iter().take(SERVERS_MAX).copied()) {
            return false;
        }
        let fresh = |server: &SocketAddr| Upstream {
            server: *server,
            keeps_case: true,
            failures: 0,
            rests_until: None,
            is_loop: false,
        };
        let next = servers
            .iter()
            .take(SERVERS_MAX)
            .map(|server| list.iter().find(|known| known.server == *server).cloned().unwrap_or_else(|| fresh(server)));
        *list = next.collect();
        true
    }

    /// Whom to ask, in this order. Servers that lead back here are not asked at all.
    pub fn order(&self, now: Instant) -> Vec<Upstream> {
        let mut order: Vec<Upstream> = self.list().iter().filter(|known| !known.is_loop).cloned().collect();
        order.sort_by_key(|known| known.rests_until.is_some_and(|until| now < until));
        order
    }

    /// All that are listed.
    pub fn all(&self) -> Vec<SocketAddr> {
        self.list().iter().map(|known| known.server).collect()
    }

    fn with(&self, server: SocketAddr, edit: impl FnOnce(&mut Upstream)) {
        if let Some(known) = self.list().iter_mut().find(|known| known.server == server) {
            edit(known);
        }
    }

    /// A server answered.
    pub fn answered(&self, server: SocketAddr, keeps_case: bool) {
        self.with(server, |known| {
            known.failures = 0;
            known.rests_until = None;
            known.keeps_case &= keeps_case;
        });
    }

    /// A server did not answer.
    pub fn failed(&self, server: SocketAddr, now: Instant) {
        self.with(server, |known| {
            known.failures = known.failures.saturating_add(1);
            if known.failures >= FAILURES_MAX {
                known.rests_until = Some(now + REST);
            }
        });
    }

    /// A server asks us what we ask it.
    pub fn is_loop(&self, server: SocketAddr) {
        self.with(server, |known| known.is_loop = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_asked_first() {
        let servers: Vec<SocketAddr> = (1..=4).map(|n| SocketAddr::from(([10, 0, 0, n], 53))).collect();
        let (all, now) = (Upstreams::default(), Instant::now());
        assert!(all.set(&servers) && !all.set(&servers));
        let order = |at| all.order(at).iter().map(|known| known.server.ip().to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(order(now), "10.0.0.1 10.0.0.2 10.0.0.3");
        all.failed(servers[0], now);
        assert_eq!(order(now), "10.0.0.1 10.0.0.2 10.0.0.3");
        all.failed(servers[0], now);
        assert_eq!(order(now), "10.0.0.2 10.0.0.3 10.0.0.1");
        assert_eq!(order(now + REST), "10.0.0.1 10.0.0.2 10.0.0.3");
        all.answered(servers[0], true);
        all.is_loop(servers[1]);
        assert_eq!(order(now), "10.0.0.1 10.0.0.3");
        assert!(all.set(&servers[1..3]));
        assert_eq!(order(now), "10.0.0.3", "what is known of a server stays");
    }
}
