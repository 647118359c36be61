//! Answers of other servers → kept for as long as they say, within bounds.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, Record};

/// Answers kept at a time.
pub const ENTRIES_MAX: usize = 10_000;
/// The longest that an answer is kept (CoreDNS' default for its `cache`).
const TTL_MAX_S: u32 = 3600;
/// The longest that "there is none" is kept. CoreDNS keeps it for 1800 s, which is long for a name that was mistyped
/// in a zone that one is about to fill.
const NEGATIVE_MAX_S: u32 = 300;
/// How long "it could not be found out" is kept: against storms only (RFC 2308, 7.1 allows 5 minutes).
const FAILURE_S: u32 = 2;

/// What is asked of another server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Question {
    /// The name on the wire, lower-case.
    pub name: Box<[u8]>,
    /// Type.
    pub kind: u16,
    /// Class.
    pub class: u16,
    /// With DNSSEC's records.
    pub dnssec_ok: bool,
    /// Without the server's checks of DNSSEC.
    pub checking_disabled: bool,
}

/// An answer of another server.
#[derive(Debug)]
pub struct Answer {
    /// The outcome.
    pub code: ResponseCode,
    /// DNSSEC was checked by the server.
    pub authentic: bool,
    /// Records of the answer.
    pub answers: Vec<Record>,
    /// Records about the zone.
    pub authorities: Vec<Record>,
    /// Further records.
    pub additionals: Vec<Record>,
    /// When it came.
    pub at: Instant,
    /// How long it may be kept.
    pub ttl_s: u32,
}

impl Answer {
    /// Takes a message apart.
    pub fn new(message: Message, at: Instant) -> Self {
        let ttl_s = ttl_s(&message);
        Self {
            code: message.metadata.response_code,
            authentic: message.metadata.authentic_data,
            answers: message.answers,
            authorities: message.authorities,
            additionals: message.additionals,
            at,
            ttl_s,
        }
    }
}

/// How long a message may be kept; zero for not at all.
fn ttl_s(message: &Message) -> u32 {
    let least = |records: &[Record]| records.iter().map(|record| record.ttl).min();
    let code = message.metadata.response_code;
    if message.metadata.truncation {
        return 0;
    }
    let of_zone = message.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
        _ => None,
    });
    let aliases = || message.answers.iter().all(|record| matches!(record.data, RData::CNAME(_)));
    match code {
        ResponseCode::NoError if !message.answers.is_empty() && (of_zone.is_none() || !aliases()) => {
            least(&message.answers).unwrap_or(0).min(TTL_MAX_S)
        }
        // Without an SOA a "no" is not kept (RFC 2308, 5).
        ResponseCode::NoError | ResponseCode::NXDomain => {
            of_zone.unwrap_or(0).min(least(&message.answers).unwrap_or(u32::MAX)).min(NEGATIVE_MAX_S)
        }
        ResponseCode::ServFail | ResponseCode::Refused => FAILURE_S,
        _ => 0,
    }
}

/// The cache.
#[derive(Debug)]
pub struct Cache {
    max: usize,
    entries: HashMap<Arc<Question>, (Instant, Arc<Answer>)>,
    /// By end, so that what ends first goes first when there is no room.
    ends: BTreeSet<(Instant, Arc<Question>)>,
}

impl Cache {
    /// An empty cache with a bound.
    pub fn new(max: usize) -> Self {
        Self { max, entries: HashMap::new(), ends: BTreeSet::new() }
    }

    /// An answer that is still good.
    pub fn get(&self, question: &Question, now: Instant) -> Option<Arc<Answer>> {
        self.entries.get(question).filter(|(end, _)| now < *end).map(|(_, answer)| answer.clone())
    }

    /// Keeps an answer, when it may be kept.
    pub fn put(&mut self, question: Question, answer: Arc<Answer>) {
        if answer.ttl_s == 0 || self.max == 0 {
            return;
        }
        let end = answer.at + Duration::from_secs(answer.ttl_s.into());
        let key = Arc::new(question);
        self.remove(&key);
        while self.entries.len() >= self.max
            && let Some((_, first)) = self.ends.pop_first()
        {
            self.entries.remove(&first);
        }
        self.ends.insert((end, key.clone()));
        self.entries.insert(key, (end, answer));
    }

    fn remove(&mut self, question: &Arc<Question>) {
        if let Some((key, (end, _))) = self.entries.remove_entry(question) {
            self.ends.remove(&(end, key));
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.ends.clear();
    }

    /// How many answers are kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
