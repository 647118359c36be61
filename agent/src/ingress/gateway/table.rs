//! Ports, hosts and conditions → rules: the table in which a request at a gateway's listener is looked up.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use masthead_api::gateway::filter::{HTTPRequestRedirectFilter, HTTPURLRewriteFilter};
use rustls::pki_types::ServerName;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;

use crate::ingress::backend::Backend;
use crate::ingress::gateway::cors::Cors;
use crate::ingress::gateway::edit::Edit;
use crate::ingress::gateway::matches::{Head, Match};
use crate::ingress::gateway::share::Share;
use crate::ingress::route::Route;

/// What is done with requests and answers.
#[derive(Debug, Default)]
pub struct Actions {
    /// Headers of the request.
    pub request: Option<Edit>,
    /// Headers of the answer.
    pub response: Option<Edit>,
    /// The client is sent elsewhere.
    pub redirect: Option<HTTPRequestRedirectFilter>,
    /// Another host or path.
    pub rewrite: Option<HTTPURLRewriteFilter>,
    /// Who gets copies.
    pub mirrors: Vec<Mirror>,
    /// Which other sites' pages may ask.
    pub cors: Option<Cors>,
}

/// Who gets copies of some of the requests.
#[derive(Debug)]
pub struct Mirror {
    /// The service.
    pub backend: Arc<Backend>,
    /// So many of `denominator`.
    pub numerator: u64,
    /// At least 1.
    pub denominator: u64,
    seen: AtomicU64,
}

impl Mirror {
    /// A mirror.
    pub fn new(backend: Arc<Backend>, numerator: u32, denominator: u32) -> Self {
        let (numerator, denominator) = (u64::from(numerator), u64::from(denominator).max(1));
        Self { backend, numerator: numerator.min(denominator), denominator, seen: AtomicU64::new(0) }
    }

    /// Whether the next request is copied: exactly its part of every `denominator` requests, evenly.
    pub fn takes(&self) -> bool {
        let turn = self.seen.fetch_add(1, Ordering::Relaxed) % self.denominator;
        (turn + 1) * self.numerator / self.denominator > turn * self.numerator / self.denominator
    }
}

/// Who gets a part of a rule's requests.
#[derive(Debug)]
pub struct Target {
    /// The service, and what is counted.
    pub route: Arc<Route>,
    /// The part can't be sent anywhere: it is answered by 500.
    pub is_invalid: bool,
    /// What is done with its part, after what is done with all.
    pub actions: Actions,
}

/// What is done with the requests of a rule.
#[derive(Debug)]
pub struct Rule {
    /// With all of them.
    pub actions: Actions,
    /// Who gets them.
    pub targets: Vec<Target>,
    /// Whose turn it is.
    pub share: Arc<Share>,
    /// What is counted and logged where nobody gets the request.
    pub route: Arc<Route>,
    /// Milliseconds until the answer must be over; 0 is as the node has it.
    pub within_ms: u64,
}

/// Conditions, and the rule of those requests that they hold for.
#[derive(Debug)]
pub struct Entry {
    /// Conditions.
    pub matched: Match,
    /// The rule.
    pub rule: Arc<Rule>,
}

/// Something by host: whole, by the end of it, or every host.
#[derive(Debug)]
pub struct ByHost<T> {
    exact: HashMap<String, T>,
    /// By what follows `*.`.
    wild: HashMap<String, T>,
    any: Option<T>,
}

impl<T> Default for ByHost<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), wild: HashMap::new(), any: None }
    }
}

/// How much of a host was named: nothing, its end of so many bytes, or all of it.
pub type Level = usize;
/// The whole host.
pub const WHOLE: Level = usize::MAX;

impl<T> ByHost<T> {
    /// What is there for a host as it was written: empty is every host.
    pub fn entry(&mut self, host: &str, new: impl FnOnce() -> T) -> &mut T {
        match host.strip_prefix("*.") {
            Some(rest) => self.wild.entry(rest.to_owned()).or_insert_with(new),
            None if host.is_empty() => self.any.get_or_insert_with(new),
            None => self.exact.entry(host.to_owned()).or_insert_with(new),
        }
    }

    /// All that is there for a host, the nearest first.
    pub fn find<'a, 'h>(&'a self, host: &'h str) -> impl Iterator<Item = (Level, &'a T)> + use<'a, 'h, T> {
        let exact = self.exact.get(host).map(|one| (WHOLE, one));
        let ends = host.bytes().enumerate().filter(|(_, b)| *b == b'.').filter_map(|(at, _)| host.get(at + 1..));
        let ends = ends.filter(|_| !self.wild.is_empty());
        let wild = ends.filter_map(|end| self.wild.get(end).map(|one| (end.len(), one)));
        exact.into_iter().chain(wild).chain(self.any.as_ref().map(|one| (0, one)))
    }

    /// All.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.exact.values_mut().chain(self.wild.values_mut()).chain(&mut self.any)
    }
}

/// A listener of a port.
#[derive(Debug, Default)]
pub struct Listener {
    /// Unique on the node.
    pub id: usize,
    /// Its routes by host, those that count first being first.
    pub hosts: ByHost<Vec<Entry>>,
    /// Its certificates.
    pub certificates: Vec<Arc<CertifiedKey>>,
}

impl Listener {
    /// The certificate for a name: the first that is for it, else the first of all.
    fn certificate(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        if let [_, _, ..] = self.certificates.as_slice()
            && let Ok(name) = ServerName::try_from(name)
        {
            let is_for = |key: &&Arc<CertifiedKey>| {
                let parsed = key.end_entity_cert().and_then(ParsedCertificate::try_from);
                parsed.is_ok_and(|parsed| rustls::client::verify_server_name(&parsed, &name).is_ok())
            };
            return self.certificates.iter().find(is_for).or(self.certificates.first());
        }
        self.certificates.first()
    }
}

/// A port of the node.
#[derive(Debug, Default)]
pub struct Port {
    /// TLS is spoken.
    pub is_tls: bool,
    /// Its listeners by host.
    pub listeners: ByHost<Listener>,
}

/// What was found for a request.
#[derive(Clone, Copy, Debug)]
pub struct Hit<'a> {
    /// How much of the host the route names.
    pub level: Level,
    /// The rule.
    pub entry: &'a Entry,
}

/// All gateways.
#[derive(Debug, Default)]
pub struct Gateways {
    /// By number.
    pub ports: HashMap<u16, Port>,
}

impl Gateways {
    /// Whether a listener is at a port.
    pub fn claims(&self, port: u16) -> bool {
        self.ports.contains_key(&port)
    }

    /// The listener of a host at a port: the nearest one has all of its requests.
    pub fn listener(&self, port: u16, host: &str) -> Option<(Level, &Listener)> {
        self.ports.get(&port)?.listeners.find(host).next()
    }

    /// The rule of a request: of the nearest host that has one.
    pub fn find(&self, port: u16, host: &str, head: &Head<'_>) -> Option<Hit<'_>> {
        let (of_listener, listener) = self.listener(port, host)?;
        let found = listener.hosts.find(host).find_map(|(level, entries)| {
            let entry = entries.iter().find(|entry| entry.matched.fits(head))?;
            Some((level, entry))
        });
        found.map(|(level, entry)| Hit { level: level.max(of_listener), entry })
    }

    /// The certificate of a name at a port, and how much of the name its listener has.
    pub fn certificate(&self, port: u16, name: &str) -> Option<(Level, &Arc<CertifiedKey>)> {
        let (level, listener) = self.listener(port, name)?;
        Some((level, listener.certificate(name)?))
    }
}
