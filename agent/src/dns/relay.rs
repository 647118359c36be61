//! Another server's answer, fresh or kept → the answer to a client: its id, its spelling, time to live as it is now, its size.

use std::time::Instant;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query as Asked, ResponseCode};
use hickory_proto::rr::{DNSClass, Name as WireName, RData, Record, RecordType, rdata};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use crate::dns::answer::TTL_S;
use crate::dns::cache::Answer;
use crate::dns::name::Name;
use crate::dns::query::{EDNS_BYTES, HEADER_BYTES, Query};

/// Why an answer can't be given on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that came in can't be read again.
    #[error("a name can't be read: {0}")]
    Name(String),
    /// The answer can't be written.
    #[error("the answer can't be written: {0}")]
    Encode(String),
}

/// A name on the wire, as hickory holds it.
///
/// # Errors
/// It is no name.
fn wire_name(bytes: &[u8]) -> Result<WireName, Error> {
    WireName::read(&mut BinDecoder::new(bytes)).map_err(|error| Error::Name(error.to_string()))
}

/// The client's answer. `aliases` are the names of the cluster that led to the one that was asked for.
///
/// # Errors
/// It can't be written.
pub fn reply(
    packet: &[u8],
    query: &Query,
    aliases: &[Name],
    answer: &Answer,
    now: Instant,
    max: usize,
) -> Result<Vec<u8>, Error> {
    let asked = wire_name(packet.get(HEADER_BYTES..).unwrap_or_default())?;
    let mut message = Message::new(query.id, MessageType::Response, OpCode::Query);
    message.metadata.recursion_desired = query.recursion;
    message.metadata.recursion_available = true;
    message.metadata.checking_disabled = query.checking_disabled;
    // What was checked is the other server's name, not the cluster's alias.
    message.metadata.authentic_data = answer.authentic && aliases.is_empty();
    message.metadata.response_code = answer.code;
    let mut question = Asked::query(asked.clone(), RecordType::from(query.kind));
    question.set_query_class(DNSClass::from(query.class));
    message.add_query(question);
    if let Some(edns) = query.edns {
        let mut own = Edns::new();
        own.set_max_payload(EDNS_BYTES).set_dnssec_ok(edns.dnssec_ok);
        message.set_edns(own);
    } else if u16::from(answer.code) > 0x0f {
        // More than the header's four bits can say.
        message.metadata.response_code = ResponseCode::ServFail;
    }
    let mut owner = asked.clone();
    for alias in aliases {
        let next = wire_name(alias.as_bytes())?;
        message.add_answer(Record::from_rdata(owner, TTL_S, RData::CNAME(rdata::CNAME(next.clone()))));
        owner = next;
    }
    let age_s = u32::try_from(now.saturating_duration_since(answer.at).as_secs()).unwrap_or(u32::MAX);
    let aged = |record: &Record| {
        let mut record = record.clone();
        record.ttl = record.ttl.saturating_sub(age_s);
        if record.name == owner {
            record.name = owner.clone();
        }
        record
    };
    message.answers.extend(answer.answers.iter().map(aged));
    message.authorities.extend(answer.authorities.iter().map(aged));
    message.additionals.extend(answer.additionals.iter().map(aged));
    fit(message, max)
}

/// Encodes a message; one that is too long loses what need not be there, then answers, and says so.
fn fit(mut message: Message, max: usize) -> Result<Vec<u8>, Error> {
    loop {
        // hickory itself cuts at 64 KiB and says so in the header.
        let bytes = message.to_vec().map_err(|error| Error::Encode(error.to_string()))?;
        if bytes.len() <= max {
            return Ok(bytes);
        }
        if !message.additionals.is_empty() {
            message.additionals.clear();
        } else if !message.authorities.is_empty() && !message.answers.is_empty() {
            message.authorities.clear();
        } else if message.answers.is_empty() && message.authorities.is_empty() {
            return Err(Error::Encode(format!("{} bytes are more than {max}", bytes.len())));
        } else {
            message.metadata.truncation = true;
            message.authorities.clear();
            // By share of what fits, and at least one less.
            let keep = message.answers.len() * max / bytes.len();
            message.answers.truncate(keep.min(message.answers.len().saturating_sub(1)));
        }
    }
}
