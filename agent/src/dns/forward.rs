//! Questions about names elsewhere → answers: kept ones, those already asked for, else from the servers in turn.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hickory_proto::op::ResponseCode;
use tokio::sync::{Semaphore, watch};

use crate::dns::cache::{Answer, Cache, ENTRIES_MAX, Question};
use crate::dns::exchange;
use crate::dns::metrics::metrics;
use crate::dns::name::{self, Name};
use crate::dns::query::{CLASS_IN, kind};
use crate::dns::upstream::Upstreams;

/// Questions that are put to other servers at a time.
const ASKED_MAX: usize = 1024;
/// How long one server may take. The C library's own patience is 5 s, in which three can be asked.
pub const ATTEMPT: Duration = Duration::from_millis(1500);
/// How many attempts fit into what a question may take in all.
const ATTEMPTS: u32 = 3;
/// How often all servers are asked.
const ROUNDS: usize = 2;
/// How the probe for loops begins.
const PROBE: &str = "masthead-loop-";

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The node names no server, or only such as lead back here.
    #[error("there is no server to ask")]
    NoServer,
    /// Too much is asked at a time.
    #[error("more than {ASKED_MAX} questions are open")]
    Busy,
    /// All servers failed; the last failure.
    #[error("{0}")]
    Failed(String),
}

type Told = Option<Result<Arc<Answer>, Error>>;

/// Asks other servers.
#[derive(Debug)]
pub struct Forwarder {
    /// Whom.
    pub upstreams: Upstreams,
    cache: Mutex<Cache>,
    open: Mutex<HashMap<Question, watch::Receiver<Told>>>,
    slots: Arc<Semaphore>,
    nonce: String,
    attempt: Duration,
}

impl Default for Forwarder {
    fn default() -> Self {
        Self::new(ATTEMPT)
    }
}

impl Forwarder {
    /// A forwarder without servers, which gives each this long.
    pub fn new(attempt: Duration) -> Self {
        Self {
            attempt,
            upstreams: Upstreams::default(),
            cache: Mutex::new(Cache::new(ENTRIES_MAX)),
            open: Mutex::default(),
            slots: Arc::new(Semaphore::new(ASKED_MAX)),
            nonce: format!("{:016x}", rand::random::<u64>()),
        }
    }
}

/// Takes a question off the list of open ones, however its task ends.
struct Open {
    forwarder: Arc<Forwarder>,
    question: Question,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.forwarder.open().remove(&self.question);
    }
}

impl Forwarder {
    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Question, watch::Receiver<Told>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer that is kept.
    pub fn kept(&self, question: &Question) -> Option<Arc<Answer>> {
        self.cache().get(question, Instant::now())
    }

    /// Replaces the servers; what others said is forgotten.
    pub fn set_servers(&self, servers: &[SocketAddr]) -> bool {
        let changed = self.upstreams.set(servers);
        if changed {
            self.cache().clear();
        }
        changed
    }

    /// Asks. Who asks what is being asked already waits for the same answer, so that a question that comes back to
    /// its asker ends there.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn ask(self: &Arc<Self>, question: Question) -> Result<Arc<Answer>, Error> {
        let mut told = {
            let mut open = self.open();
            match open.get(&question) {
                Some(told) => told.clone(),
                None => {
                    let slot = self.slots.clone().try_acquire_owned().map_err(|_| Error::Busy)?;
                    let (tell, told) = watch::channel(None);
                    open.insert(question.clone(), told.clone());
                    let mine = Open { forwarder: self.clone(), question };
                    tokio::spawn(async move {
                        let result = mine.forwarder.resolve(&mine.question).await;
                        // Kept before it is told, so that nobody asks in between.
                        if let Ok(answer) = &result {
                            mine.forwarder.keep(&mine.question, answer);
                        }
                        drop(mine);
                        drop(slot);
                        tell.send_replace(Some(result));
                    });
                    told
                }
            }
        };
        let result = match told.wait_for(Option::is_some).await {
            Ok(result) => result.clone(),
            Err(_) => None,
        };
        result.unwrap_or_else(|| Err(Error::Failed("the question was given up".to_owned())))
    }

    fn keep(&self, question: &Question, answer: &Arc<Answer>) {
        let mut cache = self.cache();
        cache.put(question.clone(), answer.clone());
        metrics().iter().for_each(|m| m.cached.set(i64::try_from(cache.len()).unwrap_or(i64::MAX)));
    }

    async fn resolve(&self, question: &Question) -> Result<Arc<Answer>, Error> {
        let begin = Instant::now();
        metrics().iter().for_each(|m| m.misses.inc());
        let result = self.in_turn(question, begin).await;
        metrics().iter().for_each(|m| {
            m.forward_seconds.observe(begin.elapsed().as_secs_f64());
            m.failures.inc_by(u64::from(result.is_err()));
        });
        result
    }

    async fn in_turn(&self, question: &Question, begin: Instant) -> Result<Arc<Answer>, Error> {
        let order = self.upstreams.order(begin);
        let mut failed = Err(Error::NoServer);
        for upstream in std::iter::repeat_n(&order, ROUNDS).flatten() {
            let patience = self.attempt.min((self.attempt * ATTEMPTS).saturating_sub(begin.elapsed()));
            if patience.is_zero() {
                break;
            }
            match exchange::ask(upstream.server, question, upstream.keeps_case, patience).await {
                Ok(got) => {
                    self.upstreams.answered(upstream.server, got.keeps_case);
                    let answer = Arc::new(Answer::new(got.message, Instant::now()));
                    match answer.code {
                        ResponseCode::NoError | ResponseCode::NXDomain => return Ok(answer),
                        // Another server may know more; if none does, this is the answer.
                        _ => failed = Ok(answer),
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, name = name::to_text(&question.name), "a name server failed");
                    self.upstreams.failed(upstream.server, Instant::now());
                    if failed.is_err() {
                        failed = Err(Error::Failed(error.to_string()));
                    }
                }
            }
        }
        failed
    }

    /// Asks each server for a name that nobody has: one that comes back shows that the server asks us.
    pub async fn probe_for_loops(&self, domain: &[u8]) {
        for (at, server) in self.upstreams.all().into_iter().enumerate() {
            let Some(label) = name::label(&format!("{PROBE}{}-{at}", self.nonce)) else { continue };
            let question = Question {
                name: [&label[..], domain].concat().into(),
                kind: kind::HINFO,
                class: CLASS_IN,
                dnssec_ok: false,
                checking_disabled: false,
            };
            if let Err(error) = exchange::ask(server, &question, false, self.attempt).await {
                tracing::debug!(%error, "a name server did not answer the probe for loops");
            }
        }
    }

    /// Looks whether a question is our own probe, which came back.
    pub fn is_probe(&self, name: &Name) -> bool {
        let Some(rest) = name.label(0).strip_prefix(PROBE.as_bytes()) else { return false };
        let Some(at) = rest.strip_prefix(self.nonce.as_bytes()).and_then(|rest| rest.strip_prefix(b"-")) else {
            return false;
        };
        let at = std::str::from_utf8(at).ok().and_then(|at| at.parse::<usize>().ok());
        let Some(server) = at.and_then(|at| self.upstreams.all().get(at).copied()) else { return false };
        tracing::error!(%server, "the node's name server asks the cluster's name server; it is not asked any more");
        self.upstreams.is_loop(server);
        true
    }
}
