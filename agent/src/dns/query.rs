//! A packet → the question in it, or how it must be refused.

use crate::dns::name::Name;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 12;
/// A UDP answer without EDNS (RFC 1035, 4.2.1).
const PLAIN_BYTES: usize = 512;
/// The largest UDP answer that is sent, whatever a client says (DNS flag day 2020: no fragment on any path).
pub const EDNS_BYTES: u16 = 1232;
/// Records of the additional section that are read; more is nothing that a resolver sends.
const ADDITIONAL_MAX: u16 = 8;

/// Types by number.
pub mod kind {
    /// An IPv4 address.
    pub const A: u16 = 1;
    /// A name server.
    pub const NS: u16 = 2;
    /// Another name of the same.
    pub const CNAME: u16 = 5;
    /// What a zone says of itself.
    pub const SOA: u16 = 6;
    /// The name of an address.
    pub const PTR: u16 = 12;
    /// About a host.
    pub const HINFO: u16 = 13;
    /// Text.
    pub const TXT: u16 = 16;
    /// An IPv6 address.
    pub const AAAA: u16 = 28;
    /// Host and port of a service.
    pub const SRV: u16 = 33;
    /// EDNS.
    pub const OPT: u16 = 41;
    /// A zone's changes.
    pub const IXFR: u16 = 251;
    /// A whole zone.
    pub const AXFR: u16 = 252;
    /// Anything.
    pub const ANY: u16 = 255;
}

/// The class of the Internet.
pub const CLASS_IN: u16 = 1;

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Rcode {
    /// There is an answer, or none of this type.
    NoError = 0,
    /// The question can't be read.
    FormErr = 1,
    /// It could not be found out.
    ServFail = 2,
    /// There is no such name.
    NxDomain = 3,
    /// The kind of request is not supported.
    NotImp = 4,
    /// It is not for this server.
    Refused = 5,
    /// A version of EDNS that is not known (16, of which 4 bits stand in the header).
    BadVers = 16,
}

/// What a client says of itself by EDNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// Bytes it can take.
    pub payload: u16,
    /// It wants DNSSEC's records.
    pub dnssec_ok: bool,
}

/// One question.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    /// Goes back to the client.
    pub id: u16,
    /// It wants other servers to be asked.
    pub recursion: bool,
    /// It does its own checks of DNSSEC.
    pub checking_disabled: bool,
    /// The name, lower-case.
    pub name: Name,
    /// The type.
    pub kind: u16,
    /// The class.
    pub class: u16,
    /// What the client says of itself.
    pub edns: Option<Edns>,
    /// Where the question ends in the packet; it begins after the header.
    pub end: usize,
}

/// A packet without a question that can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// Nothing is said: it is no question, and an answer could go round in circles.
    Drop,
    /// The refusal.
    Reply {
        /// Goes back to the client.
        id: u16,
        /// Operation and recursion as they came, for the refusal's flags.
        flags: u16,
        /// Why.
        rcode: Rcode,
    },
}

fn u16_at(packet: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]))
}

/// Reads a packet.
///
/// # Errors
/// It can't be answered.
pub fn parse(packet: &[u8]) -> Result<Query, Bad> {
    let head = |at| u16_at(packet, at).ok_or(Bad::Drop);
    let (id, flags) = (head(0)?, head(2)?);
    let counts = (head(4)?, head(6)?, head(8)?, head(10)?);
    if flags & 0x8000 != 0 {
        return Err(Bad::Drop);
    }
    let refuse = |rcode| Bad::Reply { id, flags, rcode };
    if flags & 0x7800 != 0 {
        return Err(refuse(Rcode::NotImp));
    }
    if counts.0 != 1 || counts.1 != 0 || counts.2 != 0 || counts.3 > ADDITIONAL_MAX {
        return Err(refuse(Rcode::FormErr));
    }
    let question = || -> Option<(Name, u16, u16, usize)> {
        let (name, at) = Name::read(packet, HEADER_BYTES)?;
        Some((name, u16_at(packet, at)?, u16_at(packet, at + 2)?, at + 4))
    };
    let (name, kind, class, end) = question().ok_or(refuse(Rcode::FormErr))?;
    let edns = match additional(packet, end, counts.3) {
        Some(Some((_, version))) if version > 0 => return Err(refuse(Rcode::BadVers)),
        Some(edns) => edns.map(|(edns, _)| edns),
        None => return Err(refuse(Rcode::FormErr)),
    };
    if matches!(kind, kind::AXFR | kind::IXFR | kind::OPT) {
        return Err(refuse(Rcode::Refused));
    }
    Ok(Query {
        id,
        recursion: flags & 0x0100 != 0,
        checking_disabled: flags & 0x0010 != 0,
        name,
        kind,
        class,
        edns,
        end,
    })
}

/// Reads the records after the question for EDNS with its version. Nothing when they can't be read.
fn additional(packet: &[u8], mut at: usize, count: u16) -> Option<Option<(Edns, u8)>> {
    let mut found = None;
    for _ in 0..count {
        let is_root = *packet.get(at)? == 0;
        let (_, after) = Name::read(packet, at)?;
        let (kind, class, data) = (u16_at(packet, after)?, u16_at(packet, after + 2)?, u16_at(packet, after + 8)?);
        if kind == kind::OPT {
            // One at most, and at the root (RFC 6891, 6.1.1).
            if found.is_some() || !is_root {
                return None;
            }
            let flags = u16_at(packet, after + 6)?;
            found = Some((Edns { payload: class, dnssec_ok: flags & 0x8000 != 0 }, *packet.get(after + 5)?));
        }
        at = after + 10 + usize::from(data);
        packet.get(..at)?;
    }
    Some(found)
}

impl Query {
    /// Bytes of a UDP answer.
    pub fn udp_limit(&self) -> usize {
        self.edns.map_or(PLAIN_BYTES, |edns| usize::from(edns.payload.min(EDNS_BYTES)).max(PLAIN_BYTES))
    }
}

/// The refusal of a packet; empty when nothing is to be said.
pub fn refusal(bad: Bad) -> Vec<u8> {
    let Bad::Reply { id, flags, rcode } = bad else { return Vec::new() };
    let code = rcode as u8;
    // As it came: operation and recursion; then "this is an answer".
    let head = 0x8000 | (flags & 0x7900) | u16::from(code & 0x0f);
    let has_edns = code > 0x0f;
    let mut out = Vec::with_capacity(HEADER_BYTES + 11);
    out.extend(id.to_be_bytes());
    out.extend(head.to_be_bytes());
    out.extend([0, 0, 0, 0, 0, 0, 0, u8::from(has_edns)]);
    if has_edns {
        out.push(0);
        out.extend(kind::OPT.to_be_bytes());
        out.extend(EDNS_BYTES.to_be_bytes());
        out.extend([code >> 4, 0, 0, 0, 0, 0]);
    }
    out
}
