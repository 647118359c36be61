//! Hosts and paths → routes: the table a request is looked up in.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::sign::CertifiedKey;

use crate::ingress::backend::Backend;
use crate::ingress::metrics::Counters;

/// Elements of a path that are looked up one by one; longer paths match by their first ones.
const ELEMENTS_MAX: usize = 64;

/// Where requests go.
#[derive(Debug)]
pub struct Route {
    /// The Ingress, for messages.
    pub ingress: String,
    /// Who gets them.
    pub backend: Arc<Backend>,
    /// Clients without TLS are sent to where it is.
    pub to_https: bool,
    /// What is counted.
    pub counters: Option<Arc<Counters>>,
}

/// The paths of a host.
#[derive(Debug, Default)]
pub struct Paths {
    /// Whole paths.
    pub exact: HashMap<String, Arc<Route>>,
    /// First elements of a path, without a closing slash; empty is all.
    pub prefix: HashMap<String, Arc<Route>>,
    /// What no path matches.
    pub default: Option<Arc<Route>>,
}

impl Paths {
    /// The route of a path: exact before prefix, long before short.
    fn find(&self, path: &str) -> Option<&Arc<Route>> {
        if let Some(route) = self.exact.get(path) {
            return Some(route);
        }
        let whole = path.strip_suffix('/').unwrap_or(path);
        // Cuts are at slashes only: `/ab` is no prefix of `/abc`.
        let mut ends: Vec<usize> = Vec::new();
        if self.prefix.len() > 1 || !self.prefix.contains_key("") {
            let slashes = whole.bytes().enumerate().filter(|(at, b)| *b == b'/' && *at > 0).map(|(at, _)| at);
            ends.extend(slashes.take(ELEMENTS_MAX));
            ends.push(whole.len());
        }
        let by_length = ends.into_iter().rev().find_map(|end| self.prefix.get(whole.get(..end)?));
        by_length.or_else(|| self.prefix.get(""))
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
}

impl Table {
    /// The route of a request. The host is lower-case and without port.
    pub fn find(&self, host: &str, path: &str) -> Option<&Arc<Route>> {
        let wildcard = || self.wildcards.get(host.split_once('.')?.1);
        let levels = [self.hosts.get(host), wildcard(), Some(&self.any)];
        let by_path = levels.iter().flatten().find_map(|paths| paths.find(path));
        // What no rule matches, of the nearest Ingress that says.
        by_path.or_else(|| levels.iter().flatten().find_map(|paths| paths.default.as_ref()))
    }

    /// The certificate of a host.
    pub fn certificate(&self, host: &str) -> Option<&Arc<CertifiedKey>> {
        let wildcard = || self.certificates.get(&format!("*.{}", host.split_once('.')?.1));
        self.certificates.get(host).or_else(wildcard)
    }

    /// Whether nothing is served at all.
    pub fn is_empty(&self) -> bool {
        let none = |paths: &Paths| paths.exact.is_empty() && paths.prefix.is_empty() && paths.default.is_none();
        self.hosts.is_empty() && self.wildcards.is_empty() && none(&self.any)
    }
}
