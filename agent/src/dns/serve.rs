//! Packets → answers over UDP: at once when the cluster or the cache knows, by a task of their own when others are asked.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::dns::answer::{self, Outcome};
use crate::dns::cache::{Answer, Question};
use crate::dns::forward::Forwarder;
use crate::dns::metrics::metrics;
use crate::dns::name::Name;
use crate::dns::query::{self, Query, Rcode};
use crate::dns::relay;
use crate::dns::zone::Zone;

/// Packets that are answered before another task has its turn.
const BATCH: usize = 64;
/// Bytes of a question that are read: more than any that can be answered.
const PACKET_BYTES: usize = 4096;
/// Clients that wait for other servers at a time.
const WAITING_MAX: usize = 4096;

/// The server.
#[derive(Debug)]
pub struct Server {
    /// What the cluster's names stand for.
    pub zone: RwLock<Zone>,
    /// Asks others.
    pub forwarder: Arc<Forwarder>,
    waiting: Arc<Semaphore>,
}

impl Default for Server {
    fn default() -> Self {
        Self { zone: RwLock::default(), forwarder: Arc::default(), waiting: Arc::new(Semaphore::new(WAITING_MAX)) }
    }
}

/// A question that others must be asked.
pub struct Pending {
    packet: Vec<u8>,
    query: Query,
    aliases: Vec<Name>,
    question: Question,
    max: usize,
}

/// How a client is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Answers are as short as the client says.
    Udp = 0,
    /// Answers are as long as they are.
    Tcp = 1,
}

impl Server {
    /// A server with an empty zone.
    pub fn new(forwarder: Forwarder) -> Self {
        Self { zone: RwLock::default(), forwarder: Arc::new(forwarder), waiting: Arc::new(Semaphore::new(WAITING_MAX)) }
    }

    /// Answers a packet into `out`, which stays empty when nothing is to be said, or gives back what others must be
    /// asked.
    pub fn handle(&self, packet: &[u8], transport: Transport, out: &mut Vec<u8>) -> Option<Box<Pending>> {
        let counters = metrics();
        counters.iter().for_each(|m| m.packets[transport as usize].inc());
        let query = match query::parse(packet) {
            Ok(query) => query,
            Err(bad) => {
                *out = query::refusal(bad);
                counters.iter().for_each(|m| match bad {
                    query::Bad::Drop => m.dropped.inc(),
                    query::Bad::Reply { rcode, .. } => m.answered(rcode),
                });
                return None;
            }
        };
        let max = match transport {
            Transport::Udp => query.udp_limit(),
            Transport::Tcp => answer::MESSAGE_BYTES_MAX,
        };
        let outcome = {
            let zone = self.zone.read().unwrap_or_else(PoisonError::into_inner);
            answer::answer(&zone, packet, &query, max, out)
        };
        let aliases = match outcome {
            Outcome::Done(rcode) => {
                if rcode == Rcode::NxDomain {
                    self.forwarder.is_probe(&query.name);
                }
                counters.iter().for_each(|m| m.answered(rcode));
                return None;
            }
            Outcome::Forward if !query.recursion => {
                answer::refuse(packet, &query, Rcode::Refused, out);
                counters.iter().for_each(|m| m.answered(Rcode::Refused));
                return None;
            }
            Outcome::Forward => Vec::new(),
            Outcome::Chase(aliases) => aliases,
        };
        let question = question(&query, &aliases);
        if let Some(kept) = self.forwarder.kept(&question) {
            counters.iter().for_each(|m| m.hits.inc());
            relayed(packet, &query, &aliases, &kept, max, out);
            return None;
        }
        Some(Box::new(Pending { packet: packet.to_vec(), query, aliases, question, max }))
    }

    /// Asks others, and writes the answer.
    pub async fn finish(&self, pending: Pending) -> Vec<u8> {
        let Pending { packet, query, aliases, question, max } = pending;
        let mut out = Vec::new();
        match self.forwarder.ask(question).await {
            Ok(answer) => relayed(&packet, &query, &aliases, &answer, max, &mut out),
            Err(error) => {
                tracing::debug!(%error, name = ?query.name, "a name could not be found out");
                answer::refuse(&packet, &query, Rcode::ServFail, &mut out);
            }
        }
        out
    }
}

fn question(query: &Query, aliases: &[Name]) -> Question {
    Question {
        name: aliases.last().unwrap_or(&query.name).as_bytes().into(),
        kind: query.kind,
        class: query.class,
        dnssec_ok: query.edns.is_some_and(|edns| edns.dnssec_ok),
        checking_disabled: query.checking_disabled,
    }
}

fn relayed(packet: &[u8], query: &Query, aliases: &[Name], answer: &Answer, max: usize, out: &mut Vec<u8>) {
    match relay::reply(packet, query, aliases, answer, Instant::now(), max) {
        Ok(bytes) => *out = bytes,
        Err(error) => {
            tracing::debug!(%error, name = ?query.name, "an answer can't be given on");
            answer::refuse(packet, query, Rcode::ServFail, out);
        }
    }
}

/// Answers what comes on a socket, until `stop`.
pub async fn udp(server: Arc<Server>, socket: Arc<UdpSocket>, stop: CancellationToken) {
    let mut buffer = vec![0; PACKET_BYTES];
    let mut out = Vec::with_capacity(PACKET_BYTES);
    loop {
        tokio::select! {
            ready = socket.readable() => if let Err(error) = ready {
                tracing::error!(%error, "the name server's socket broke");
                return;
            },
            () = stop.cancelled() => return,
        }
        for _ in 0..BATCH {
            match socket.try_recv_from(&mut buffer) {
                Ok((size, peer)) => one(&server, &socket, &buffer[..size], peer, &mut out),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                // A client that is gone sends its refusal back; it says nothing of the socket.
                Err(error) => tracing::debug!(%error, "a packet could not be read"),
            }
        }
        tokio::task::yield_now().await;
    }
}

fn one(server: &Arc<Server>, socket: &Arc<UdpSocket>, packet: &[u8], peer: SocketAddr, out: &mut Vec<u8>) {
    out.clear();
    let Some(pending) = server.handle(packet, Transport::Udp, out) else {
        if !out.is_empty()
            && let Err(error) = socket.try_send_to(out, peer)
        {
            metrics().iter().for_each(|m| m.dropped.inc());
            tracing::debug!(%error, %peer, "an answer could not be sent");
        }
        return;
    };
    let Ok(place) = server.waiting.clone().try_acquire_owned() else {
        metrics().iter().for_each(|m| m.dropped.inc());
        return;
    };
    let (server, socket) = (server.clone(), socket.clone());
    tokio::spawn(async move {
        let answer = server.finish(*pending).await;
        if let Err(error) = socket.send_to(&answer, peer).await {
            tracing::debug!(%error, %peer, "an answer could not be sent");
        }
        drop(place);
    });
}
