//! Hosts and paths → routes: the table a request is looked up in.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::sign::CertifiedKey;

use crate::ingress::gateway::table::{Gateways, Level, WHOLE};
use crate::ingress::route::Route;

/// Elements of a path that are looked up one by one; longer paths match by their first ones.
const ELEMENTS_MAX: usize = 64;

/// The paths of a host.
#[derive(Debug, Default)]
pub struct Paths {
    /// Whole paths.
    pub exact: HashMap<Vec<u8>, Arc<Route>>,
    /// First elements of a path, without a closing slash.
    pub prefix: HashMap<Vec<u8>, Arc<Route>>,
    /// Every path.
    pub all: Option<Arc<Route>>,
    /// What no path matches.
    pub default: Option<Arc<Route>>,
}

impl Paths {
    /// The route of a path: exact before prefix, long before short.
    fn find(&self, path: &[u8]) -> Option<&Arc<Route>> {
        if let Some(route) = self.exact.get(path) {
            return Some(route);
        }
        if self.prefix.is_empty() {
            return self.all.as_ref();
        }
        let whole = path.strip_suffix(b"/").unwrap_or(path);
        // Cuts are at slashes only: `/ab` is no prefix of `/abc`.
        let slashes = whole.iter().enumerate().filter(|(at, b)| **b == b'/' && *at > 0).map(|(at, _)| at);
        let mut ends: Vec<usize> = slashes.take(ELEMENTS_MAX).collect();
        ends.push(whole.len());
        ends.into_iter().rev().find_map(|end| self.prefix.get(whole.get(..end)?)).or(self.all.as_ref())
    }
}

/// All routes and certificates; it never changes, another takes its place.
#[derive(Debug, Default)]
pub struct Table {
    /// By whole host.
    pub hosts: HashMap<String, Paths>,
    /// By what follows the first label of a wildcard's host.
    pub wildcards: HashMap<String, Paths>,
    /// Of every host.
    pub any: Paths,
    /// Certificates by host; a wildcard's is under `*.`.
    pub certificates: HashMap<String, Arc<CertifiedKey>>,
    /// Gateways; nothing where there is none.
    pub gateways: Option<Box<Gateways>>,
}

impl Table {
    /// The route of a request. The host is lower-case and without port.
    pub fn find(&self, host: &str, path: impl AsRef<[u8]>) -> Option<&Arc<Route>> {
        let wildcard = || match self.wildcards.is_empty() {
            true => None,
            false => self.wildcards.get(host.split_once('.')?.1),
        };
        let levels = [self.hosts.get(host), wildcard(), Some(&self.any)];
        let by_path = levels.iter().flatten().find_map(|paths| paths.find(path.as_ref()));
        // What no rule matches, of the nearest Ingress that says.
        by_path.or_else(|| levels.iter().flatten().find_map(|paths| paths.default.as_ref()))
    }

    /// The rule of a request, and how much of its host the rule names. Default backends are no rules.
    pub fn find_rule(&self, host: &str, path: &str) -> Option<(Level, &Arc<Route>)> {
        let end = host.split_once('.').map_or("", |(_, end)| end);
        let whole = self.hosts.get(host).map(|paths| (WHOLE, paths));
        let levels = [whole, self.wildcards.get(end).map(|paths| (end.len(), paths)), Some((0, &self.any))];
        levels.into_iter().flatten().find_map(|(level, paths)| Some((level, paths.find(path.as_bytes())?)))
    }

    /// The certificate of a name at a port: that of whoever names more of it; an Ingress' where both name as much.
    pub fn certificate_at(&self, port: u16, is_shared: bool, name: &str) -> Option<&Arc<CertifiedKey>> {
        let of_gateways = self.gateways.as_ref().and_then(|gateways| gateways.certificate(port, name));
        let own = is_shared.then(|| self.certificate(name)).flatten();
        let end = name.split_once('.').map_or("", |(_, end)| end);
        let level = if self.certificates.contains_key(name) { WHOLE } else { end.len() };
        match (own, of_gateways) {
            (Some(own), Some((of_gateway, _))) if level >= of_gateway => Some(own),
            (own, of_gateways) => of_gateways.map(|(_, key)| key).or(own),
        }
    }

    /// The certificate of a host.
    pub fn certificate(&self, host: &str) -> Option<&Arc<CertifiedKey>> {
        let wildcard = || self.certificates.get(&format!("*.{}", host.split_once('.')?.1));
        self.certificates.get(host).or_else(wildcard)
    }

    /// Whether no Ingress is served.
    pub fn is_empty(&self) -> bool {
        let none = |paths: &Paths| {
            paths.exact.is_empty() && paths.prefix.is_empty() && paths.all.is_none() && paths.default.is_none()
        };
        self.hosts.is_empty() && self.wildcards.is_empty() && none(&self.any)
    }
}
