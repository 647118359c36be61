//! A question and the zone → the answer's bytes, or that another server must be asked.

use std::net::IpAddr;

use crate::dns::name::{NAME_BYTES_MAX, Name};
use crate::dns::query::{CLASS_IN, EDNS_BYTES, HEADER_BYTES, Query, Rcode, kind};
use crate::dns::records::{Node, ServiceRecords, Srv};
use crate::dns::zone::{Found, Pointer, SCHEMA_VERSION, Zone};

/// Seconds that an answer about the cluster may be kept (CoreDNS' default for its `kubernetes`).
pub const TTL_S: u32 = 5;
/// The largest message.
pub const MESSAGE_BYTES_MAX: usize = 65_535;
/// ExternalName services that are followed inside the cluster, one naming the next.
const ALIASES_MAX: usize = 8;
/// A record of EDNS.
const EDNS_RECORD_BYTES: usize = 11;
/// What a pointer can point to (RFC 1035, 4.1.4).
const POINTER_MAX: usize = 0x3fff;

/// What became of a question.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer is written.
    Done(Rcode),
    /// Another server must be asked.
    Forward,
    /// The name stands for others: those on the way, and last the one that another server must be asked for.
    Chase(Vec<Name>),
}

/// Writes the answer to `query`, which `packet` holds, to `out`. `max` is how long it may be.
pub fn answer(zone: &Zone, packet: &[u8], query: &Query, max: usize, out: &mut Vec<u8>) -> Outcome {
    if query.class != CLASS_IN && query.class != kind::ANY {
        return refuse(packet, query, Rcode::Refused, out);
    }
    let mut aliases: Vec<Name> = Vec::new();
    let is_followed = !matches!(query.kind, kind::CNAME | kind::ANY);
    loop {
        let name = aliases.last().unwrap_or(&query.name);
        let found = zone.find(name);
        match &found {
            Found::Service(Node { cname: Some(target), .. }, ..) if is_followed => {
                match Name::read(target, 0) {
                    Some((next, _)) if aliases.len() < ALIASES_MAX => aliases.push(next),
                    _ => return refuse(packet, query, Rcode::ServFail, out),
                }
                continue;
            }
            Found::Elsewhere if aliases.is_empty() => return Outcome::Forward,
            Found::Elsewhere if query.recursion => return Outcome::Chase(aliases),
            _ => {}
        }
        let mut writer = Writer::begin(packet, query, max, out);
        aliases.iter().for_each(|alias| writer.cname(alias.as_bytes()));
        let (rcode, zone_label) = writer.found(zone, query, name, found);
        // Without its alias the name does not stand in the message, which the record would point to.
        if let Some(label) = zone_label.filter(|_| !writer.is_cut) {
            writer.soa(zone, name, label, Section::Authority);
        }
        writer.finish(query, rcode, true);
        return Outcome::Done(rcode);
    }
}

/// Writes an answer without records.
pub fn refuse(packet: &[u8], query: &Query, rcode: Rcode, out: &mut Vec<u8>) -> Outcome {
    Writer::begin(packet, query, MESSAGE_BYTES_MAX, out).finish(query, rcode, false);
    Outcome::Done(rcode)
}

/// Where a record goes.
#[derive(Clone, Copy)]
enum Section {
    Answer = 0,
    Authority = 1,
    Additional = 2,
}

/// Writes an answer.
struct Writer<'o> {
    out: &'o mut Vec<u8>,
    max: usize,
    counts: [u16; 3],
    is_cut: bool,
    /// Where the name stands that records are about: the question's, or the last alias'.
    owner: usize,
}

impl<'o> Writer<'o> {
    fn begin(packet: &[u8], query: &Query, max: usize, out: &'o mut Vec<u8>) -> Self {
        out.clear();
        out.extend_from_slice(packet.get(..query.end).unwrap_or_default());
        let edns = if query.edns.is_some() { EDNS_RECORD_BYTES } else { 0 };
        Self { out, max: max.saturating_sub(edns), counts: [0; 3], is_cut: false, owner: HEADER_BYTES }
    }

    /// Writes a record whose owner stands at `owner`; gives where its data begins, unless it does not fit.
    fn record(&mut self, section: Section, owner: usize, kind: u16, ttl_s: u32, data: &[&[u8]]) -> Option<usize> {
        let size: usize = data.iter().map(|part| part.len()).sum();
        let pointer = u16::try_from(owner).ok().filter(|_| owner <= POINTER_MAX)? | 0xc000;
        if self.out.len() + 12 + size > self.max {
            self.is_cut |= matches!(section, Section::Answer);
            return None;
        }
        let out = &mut self.out;
        out.extend_from_slice(&pointer.to_be_bytes());
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&CLASS_IN.to_be_bytes());
        out.extend_from_slice(&ttl_s.to_be_bytes());
        out.extend_from_slice(&u16::try_from(size).ok()?.to_be_bytes());
        let at = out.len();
        data.iter().for_each(|part| out.extend_from_slice(part));
        self.counts[section as usize] += 1;
        Some(at)
    }

    fn answer(&mut self, kind: u16, data: &[u8]) {
        self.record(Section::Answer, self.owner, kind, TTL_S, &[data]);
    }

    /// The name stands for `target`, which the records that follow are about.
    fn cname(&mut self, target: &[u8]) {
        if let Some(at) = self.record(Section::Answer, self.owner, kind::CNAME, TTL_S, &[target]) {
            self.owner = at;
        }
    }

    /// Writes what was found. Gives the outcome, and when there is no record the label at which the zone begins.
    fn found(&mut self, zone: &Zone, query: &Query, name: &Name, found: Found<'_>) -> (Rcode, Option<usize>) {
        let before = self.counts[0];
        let wants = |kind: u16| query.kind == kind || query.kind == kind::ANY;
        match found {
            Found::Service(node, records, key) => self.node(zone, query, node, records, key),
            Found::Address(IpAddr::V4(ip)) if wants(kind::A) => self.answer(kind::A, &ip.octets()),
            Found::Address(IpAddr::V6(ip)) if wants(kind::AAAA) => self.answer(kind::AAAA, &ip.octets()),
            Found::Version if wants(kind::TXT) => {
                let text = SCHEMA_VERSION.as_bytes();
                let size = [u8::try_from(text.len()).unwrap_or(0)];
                self.record(Section::Answer, self.owner, kind::TXT, TTL_S, &[&size, text]);
            }
            Found::Apex if wants(kind::SOA) => self.soa(zone, name, 0, Section::Answer),
            Found::Apex if query.kind == kind::NS => self.answer(kind::NS, &server_name(zone)),
            Found::Pointers(pointers) if wants(kind::PTR) => self.pointers(zone, pointers),
            Found::Missing(label) => return (Rcode::NxDomain, Some(label)),
            Found::Elsewhere => return (Rcode::NoError, None),
            _ => {}
        }
        let is_empty = self.counts[0] == before && !self.is_cut;
        (Rcode::NoError, is_empty.then(|| zone.authority(name)))
    }

    fn node(&mut self, zone: &Zone, query: &Query, node: &Node, records: &ServiceRecords, key: &[u8]) {
        // Of ANY one kind is enough (RFC 8482, 4.1).
        let kind = match query.kind {
            kind::ANY if !node.a.is_empty() => kind::A,
            kind::ANY if !node.aaaa.is_empty() => kind::AAAA,
            kind::ANY if node.cname.is_some() => kind::CNAME,
            kind::ANY => kind::SRV,
            kind => kind,
        };
        match kind {
            kind::A => self.turned(query.id, &node.a, |ip| ip.octets()),
            kind::AAAA => self.turned(query.id, &node.aaaa, |ip| ip.octets()),
            kind::SRV => self.services(zone, query.id, node, records, key),
            kind::CNAME => node.cname.iter().for_each(|target| self.answer(kind::CNAME, target)),
            _ => {}
        }
    }

    /// Addresses, beginning with another one each time: clients take the first.
    fn turned<T, const N: usize>(&mut self, id: u16, all: &[T], octets: impl Fn(&T) -> [u8; N]) {
        let kind = if N == 4 { kind::A } else { kind::AAAA };
        let (front, back) = all.split_at(usize::from(id) % all.len().max(1));
        for ip in back.iter().chain(front) {
            self.answer(kind, &octets(ip));
        }
    }

    fn services(&mut self, zone: &Zone, id: u16, node: &Node, records: &ServiceRecords, key: &[u8]) {
        let weight = u16::try_from((100 / node.srv.len().max(1)).max(1)).unwrap_or(1);
        let (front, back) = node.srv.split_at(usize::from(id) % node.srv.len().max(1));
        let mut hosts: Vec<(&Srv, usize)> = Vec::new();
        for srv in back.iter().chain(front) {
            let Some(target) = whole(zone, &srv.host, key) else { continue };
            let numbers = [[0, 0], weight.to_be_bytes(), srv.port.to_be_bytes()].concat();
            let at = self.record(Section::Answer, self.owner, kind::SRV, TTL_S, &[&numbers, &target]);
            hosts.extend(at.map(|at| (srv, at + numbers.len())));
        }
        if self.is_cut {
            return;
        }
        hosts.sort_by(|a, b| a.0.host.cmp(&b.0.host));
        hosts.dedup_by(|a, b| a.0.host == b.0.host);
        for (srv, at) in hosts {
            let Some(node) = records.node(&srv.host) else { continue };
            for ip in &node.a {
                self.record(Section::Additional, at, kind::A, TTL_S, &[&ip.octets()]);
            }
            for ip in &node.aaaa {
                self.record(Section::Additional, at, kind::AAAA, TTL_S, &[&ip.octets()]);
            }
        }
    }

    fn pointers(&mut self, zone: &Zone, pointers: &[Pointer]) {
        for pointer in pointers {
            if let Some(name) = whole(zone, &pointer.prefix, &pointer.service) {
                self.answer(kind::PTR, &name);
            }
        }
    }

    /// What the zone says of itself: the zone of `name` that begins at `label`.
    fn soa(&mut self, zone: &Zone, name: &Name, label: usize, section: Section) {
        let mut numbers = [0; 20];
        let values = [zone.serial(), 7200, 1800, 86_400, TTL_S];
        for (place, value) in numbers.chunks_exact_mut(4).zip(values) {
            place.copy_from_slice(&value.to_be_bytes());
        }
        let mailbox = [b"\x0ahostmaster", &zone.facts().domain[..]].concat();
        let owner = self.owner + name.start(label);
        self.record(section, owner, kind::SOA, TTL_S, &[&server_name(zone), &mailbox, &numbers]);
    }

    fn finish(self, query: &Query, rcode: Rcode, is_ours: bool) {
        let Self { out, mut counts, is_cut, .. } = self;
        if let Some(edns) = query.edns {
            out.push(0);
            out.extend_from_slice(&kind::OPT.to_be_bytes());
            out.extend_from_slice(&EDNS_BYTES.to_be_bytes());
            out.extend_from_slice(&[0, 0, if edns.dnssec_ok { 0x80 } else { 0 }, 0, 0, 0]);
            counts[2] += 1;
        }
        let flag = |is_set: bool, bit: u16| if is_set { bit } else { 0 };
        let flags = 0x8080
            | flag(is_ours, 0x0400)
            | flag(is_cut, 0x0200)
            | flag(query.recursion, 0x0100)
            | flag(query.checking_disabled, 0x0010)
            | u16::from(rcode as u8 & 0x0f);
        let head = [flags, 1, counts[0], counts[1], counts[2]];
        for (place, value) in out[2..HEADER_BYTES].chunks_exact_mut(2).zip(head) {
            place.copy_from_slice(&value.to_be_bytes());
        }
    }
}

fn server_name(zone: &Zone) -> Vec<u8> {
    [b"\x02ns\x03dns", &zone.facts().domain[..]].concat()
}

/// The whole name of what belongs to a service.
fn whole(zone: &Zone, prefix: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let name = [prefix, key, b"\x03svc", &zone.facts().domain].concat();
    (name.len() <= NAME_BYTES_MAX).then_some(name)
}
