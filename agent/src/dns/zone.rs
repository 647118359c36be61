//! All records of the cluster: what a name stands for, kept up to date service by service.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::dns::facts::Facts;
use crate::dns::name::{self, Name};
use crate::dns::records::{Node, ServiceRecords, undashed};

/// The version of the specification whose records are served.
pub const SCHEMA_VERSION: &str = "1.1.0";

/// The zone.
#[derive(Debug)]
pub struct Zone {
    facts: Facts,
    domain_labels: usize,
    /// By the labels of service and namespace.
    services: HashMap<Box<[u8]>, Arc<ServiceRecords>>,
    /// How many services each namespace has.
    namespaces: HashMap<Box<[u8]>, usize>,
    /// The names of an address: key of the service, and what stands before it.
    reverse: HashMap<IpAddr, Vec<Pointer>>,
    /// Addresses of nodes, which pods with the node's network have.
    nodes: HashSet<IpAddr>,
    serial: u32,
}

/// A name of an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pointer {
    /// The labels of service and namespace.
    pub service: Box<[u8]>,
    /// What stands before.
    pub prefix: Box<[u8]>,
}

/// What a name stands for.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'z> {
    /// A name of a service; the key of the service to compose others with.
    Service(&'z Node, &'z ServiceRecords, &'z [u8]),
    /// A pod by its address, or the name server's own name.
    Address(IpAddr),
    /// The version of the specification.
    Version,
    /// The domain itself.
    Apex,
    /// Names of an address.
    Pointers(&'z [Pointer]),
    /// The name exists, and has no records.
    Empty,
    /// There is no such name; the zone begins at this label of the question.
    Missing(usize),
    /// The name is another server's.
    Elsewhere,
}

/// The labels of a service and its namespace on the wire: the key of its records.
pub fn key(namespace: &str, service: &str) -> Option<Box<[u8]>> {
    Some([name::label(service)?, name::label(namespace)?].concat().into())
}

impl Default for Zone {
    fn default() -> Self {
        Self::new(Facts::default())
    }
}

impl Zone {
    /// An empty zone.
    pub fn new(facts: Facts) -> Self {
        Self {
            domain_labels: name::labels(&facts.domain),
            facts,
            services: HashMap::new(),
            namespaces: HashMap::new(),
            reverse: HashMap::new(),
            nodes: HashSet::new(),
            serial: 1,
        }
    }

    /// What the zone was told of the cluster.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Takes new facts; the records stay.
    pub fn set_facts(&mut self, facts: Facts) {
        self.domain_labels = name::labels(&facts.domain);
        self.facts = facts;
        self.serial = self.serial.wrapping_add(1);
    }

    /// Grows with each change.
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// Services and names in it.
    pub fn size(&self) -> (usize, usize) {
        (self.services.len(), self.services.values().map(|records| records.len()).sum())
    }

    /// Replaces the records of a service; nothing takes it away. Says whether anything changed.
    pub fn set_service(&mut self, key: &[u8], records: Option<ServiceRecords>) -> bool {
        let old = self.services.get(key).cloned();
        if old.as_deref() == records.as_ref() {
            return false;
        }
        self.serial = self.serial.wrapping_add(1);
        let namespace = namespace_of(key);
        if let Some(old) = &old {
            for (ip, prefix) in &old.reverse {
                self.drop_pointer(*ip, key, prefix);
            }
        }
        let Some(records) = records else {
            self.services.remove(key);
            if let Some(count) = self.namespaces.get_mut(namespace) {
                *count -= 1;
                if *count == 0 {
                    self.namespaces.remove(namespace);
                }
            }
            return true;
        };
        for (ip, prefix) in &records.reverse {
            let pointers = self.reverse.entry(*ip).or_default();
            let pointer = Pointer { service: key.into(), prefix: prefix.clone() };
            if let Err(at) = pointers.binary_search(&pointer) {
                pointers.insert(at, pointer);
            }
        }
        if self.services.insert(key.into(), Arc::new(records)).is_none() {
            *self.namespaces.entry(namespace.into()).or_default() += 1;
        }
        true
    }

    fn drop_pointer(&mut self, ip: IpAddr, key: &[u8], prefix: &[u8]) {
        if let Some(pointers) = self.reverse.get_mut(&ip) {
            pointers.retain(|pointer| *pointer.service != *key || *pointer.prefix != *prefix);
            if pointers.is_empty() {
                self.reverse.remove(&ip);
            }
        }
    }

    /// Replaces the addresses of nodes.
    pub fn set_nodes(&mut self, nodes: HashSet<IpAddr>) {
        self.nodes = nodes;
    }

    /// What a name stands for.
    pub fn find(&self, name: &Name) -> Found<'_> {
        match name.before(&self.facts.domain, self.domain_labels) {
            Some(left) => self.inside(name, left),
            None => self.outside(name),
        }
    }

    fn inside(&self, name: &Name, left: usize) -> Found<'_> {
        let missing = Found::Missing(left);
        let Some(last) = left.checked_sub(1) else { return Found::Apex };
        match (name.label(last), left) {
            (b"svc" | b"pod" | b"dns", 1) => Found::Empty,
            (b"svc", 2) => self.namespace(name.slice(0, 1), left),
            (b"svc", _) => {
                let Some((known, records)) = self.services.get_key_value(name.slice(left - 3, last)) else {
                    return missing;
                };
                let prefix = name.slice(0, left - 3);
                match records.node(prefix) {
                    Some(node) => Found::Service(node, records, known),
                    None if records.has_below(prefix) => Found::Empty,
                    None => missing,
                }
            }
            (b"pod", 2) => self.namespace(name.slice(0, 1), left),
            (b"pod", 3) => match undashed(name.label(0)).filter(|ip| self.is_pod(*ip)) {
                Some(ip) => Found::Address(ip),
                None => missing,
            },
            (b"dns", 2) if name.label(0) == b"ns" => Found::Address(self.facts.server()),
            (b"dns-version", 1) => Found::Version,
            _ => missing,
        }
    }

    /// The label at which the zone of a name begins, for a name that exists.
    pub fn authority(&self, name: &Name) -> usize {
        if let Some(left) = name.before(&self.facts.domain, self.domain_labels) {
            return left;
        }
        let range = address_of(name).and_then(|ip| self.facts.ranges.iter().find(|range| range.contains(ip)));
        range.map_or(0, |range| name.count().saturating_sub(range.reverse_labels()))
    }

    fn namespace(&self, label: &[u8], left: usize) -> Found<'_> {
        if self.namespaces.contains_key(label) { Found::Empty } else { Found::Missing(left) }
    }

    /// Pods are not looked up one by one, as with CoreDNS' `pods insecure`; but an address that no pod can have
    /// gets no name in the cluster.
    fn is_pod(&self, ip: IpAddr) -> bool {
        self.facts.ranges.is_empty() || self.nodes.contains(&ip) || self.facts.ranges.iter().any(|r| r.contains(ip))
    }

    fn outside(&self, name: &Name) -> Found<'_> {
        let Some(ip) = address_of(name) else { return Found::Elsewhere };
        if let Some(pointers) = self.reverse.get(&ip) {
            return Found::Pointers(pointers);
        }
        match self.facts.ranges.iter().find(|range| range.contains(ip)) {
            Some(range) => Found::Missing(name.count().saturating_sub(range.reverse_labels())),
            None => Found::Elsewhere,
        }
    }
}

/// The label of the namespace in a service's key.
fn namespace_of(key: &[u8]) -> &[u8] {
    let service = usize::from(key.first().copied().unwrap_or(0));
    key.get(service + 1..).unwrap_or_default()
}

/// The address of a name below `in-addr.arpa` or `ip6.arpa`.
fn address_of(name: &Name) -> Option<IpAddr> {
    let label = |at| std::str::from_utf8(name.label(at)).ok();
    if name.count() < 6 || label(name.count() - 1) != Some("arpa") {
        return None;
    }
    match (name.count(), label(name.count() - 2)?) {
        (6, "in-addr") => {
            let mut octets = [0; 4];
            for (at, octet) in octets.iter_mut().enumerate() {
                let text = label(3 - at)?;
                // "+1" and "01" are numbers, and no labels of a reverse name.
                let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
                *octet = is_plain.then(|| text.parse().ok())??;
            }
            Some(IpAddr::V4(Ipv4Addr::from(octets)))
        }
        (34, "ip6") => {
            let mut bits: u128 = 0;
            for at in (0..32).rev() {
                let text = label(at).filter(|text| text.len() == 1)?;
                bits = bits << 4 | u128::from(u8::from_str_radix(text, 16).ok()?);
            }
            Some(IpAddr::V6(Ipv6Addr::from(bits)))
        }
        _ => None,
    }
}
