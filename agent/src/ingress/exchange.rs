//! A request from its head to the end of its answer → what is counted and logged of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::ingress::access::{Done, Line};
use crate::ingress::backend::Busy;
use crate::ingress::metrics::metrics;
use crate::ingress::route::Route;
use crate::ingress::shared::Shared;

/// A request from its head to the end of its answer; counted and logged when it ends.
pub struct Exchange {
    /// When its head had been read.
    pub begin: Instant,
    /// When its answer had been given; when it is dropped, if that is not known.
    pub end: Option<Instant>,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// The answer's status.
    pub status: u16,
    /// Where it went.
    pub route: Option<Arc<Route>>,
    /// Who answered.
    pub pod: Option<SocketAddr>,
    /// The endpoint's count.
    pub busy: Option<Busy>,
    shared: Option<Arc<Shared>>,
    is_given: bool,
    line: Option<Box<Line>>,
}

impl Exchange {
    /// One that begins now.
    pub fn begin(line: Option<Box<Line>>) -> Self {
        Self {
            begin: Instant::now(),
            end: None,
            bytes: 0,
            status: 0,
            route: None,
            pod: None,
            busy: None,
            shared: None,
            is_given: false,
            line,
        }
    }

    /// One that begins now, of which who reads its connection is told.
    pub fn shared(line: Option<Box<Line>>, shared: Arc<Shared>) -> Self {
        shared.begin();
        let mut exchange = Self::begin(line);
        exchange.shared = Some(shared);
        exchange
    }

    /// The client has the head of a pod's answer.
    pub fn give(&mut self) {
        if !std::mem::replace(&mut self.is_given, true) {
            self.shared.iter().for_each(|shared| shared.give());
        }
    }

    /// So many bytes more go to the client.
    pub fn moved(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.shared.iter().for_each(|shared| shared.moved());
    }

    /// The answer's last byte has been given away.
    pub fn end(self) {}
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.shared.iter().for_each(|shared| shared.end(self.is_given));
        let took = self.end.unwrap_or_else(Instant::now).saturating_duration_since(self.begin);
        metrics().iter().for_each(|m| m.seconds.observe(took.as_secs_f64()));
        if let Some(counters) = self.route.as_ref().and_then(|route| route.counters.as_ref()) {
            counters.count(self.status);
        }
        let Some(line) = &self.line else { return };
        line.end(&Done {
            status: self.status,
            bytes: self.bytes,
            took,
            ingress: self.route.as_ref().map_or("", |route| &route.ingress),
            pod: self.pod,
        });
    }
}
