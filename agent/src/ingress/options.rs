//! How the Ingress of a node is set up.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::dns::facts::Range;
use crate::ingress::access::To;
use crate::link::problems::Problems;
use crate::link::tables::Part;

/// Settings. Every bound has a default that suits a small node.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; none is every address of the node.
    pub addresses: Vec<IpAddr>,
    /// The port for HTTP; none: it is not served.
    pub http_port: Option<u16>,
    /// The port for HTTPS; none: it is not served.
    pub https_port: Option<u16>,
    /// The port of HTTPS that clients are sent to, where another machine stands before.
    pub public_https_port: u16,
    /// Threads, each with its own sockets and connections.
    pub workers: usize,
    /// Every connection begins with a PROXY header, version 1 or 2.
    pub proxy_protocol: bool,
    /// Clients whose forwarding headers are believed.
    pub trusted: Vec<Range>,
    /// Where there is a line for each request.
    pub access_log: To,
    /// Connections at a time, of all workers.
    pub connections_max: usize,
    /// Bytes of a request's head.
    pub head_bytes_max: usize,
    /// How long a connection may be silent before and between requests.
    pub idle: Duration,
    /// How long a connection to a pod may take.
    pub connect: Duration,
    /// How long a pod may take until it begins to answer.
    pub response: Duration,
    /// How long a body may stand still in either direction.
    pub stall: Duration,
    /// How long a connection to a pod is kept without use.
    pub keep_alive: Duration,
    /// Unused connections kept for one endpoint, of one worker.
    pub keep_alive_max: usize,
    /// How long requests that are under way may take at the end.
    pub drain: Duration,
    /// Who is told what is wrong in the Ingresses.
    pub problems: Problems,
    /// Who is told that a manifest is in the table.
    pub table: Option<Part>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            http_port: Some(80),
            https_port: Some(443),
            public_https_port: 443,
            workers: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            proxy_protocol: false,
            trusted: Vec::new(),
            access_log: To::Traces,
            connections_max: 16_384,
            head_bytes_max: 64 << 10,
            // nginx' keepalive_timeout; its proxy_connect_timeout is 60 s, far more than a pod of one's own needs.
            idle: Duration::from_secs(75),
            connect: Duration::from_secs(3),
            // nginx' proxy_read_timeout.
            response: Duration::from_secs(60),
            stall: Duration::from_secs(60),
            keep_alive: Duration::from_secs(60),
            keep_alive_max: 128,
            drain: Duration::from_secs(30),
            problems: Problems::default(),
            table: None,
        }
    }
}

impl Options {
    /// Takes what the control plane tells by facts: `ingress_http_port` and `ingress_https_port` (a number, or `off`),
    /// `ingress_public_https_port`, `ingress_proxy_protocol` (`true` or `false`), `ingress_access_log` (`true`: with the
    /// traces, `false`, or a file's whole path), `ingress_trusted` (ranges, divided by commas). Gives what can't be read,
    /// which changes nothing.
    pub fn take(&mut self, facts: &BTreeMap<String, String>) -> Vec<String> {
        let mut faults = Vec::new();
        let mut read = |key: &str, take: &mut dyn FnMut(&str) -> Option<()>| {
            if let Some(text) = facts.get(key)
                && take(text.trim()).is_none()
            {
                faults.push(format!("{key} can't be {text:?}"));
            }
        };
        let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
        let may_be_off = |text: &str| if text == "off" { Some(None) } else { port(text).map(Some) };
        let flag = |text: &str| text.parse::<bool>().ok();
        let log = |text: &str| match flag(text) {
            Some(true) => Some(To::Traces),
            Some(false) => Some(To::Nowhere),
            None => text.starts_with('/').then(|| To::File(text.into())),
        };
        let ranges = |text: &str| {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            words.map(Range::parse).collect::<Option<Vec<Range>>>()
        };
        read("ingress_http_port", &mut |text| may_be_off(text).map(|port| self.http_port = port));
        read("ingress_https_port", &mut |text| may_be_off(text).map(|port| self.https_port = port));
        read("ingress_public_https_port", &mut |text| port(text).map(|port| self.public_https_port = port));
        read("ingress_proxy_protocol", &mut |text| flag(text).map(|flag| self.proxy_protocol = flag));
        read("ingress_access_log", &mut |text| log(text).map(|log| self.access_log = log));
        read("ingress_trusted", &mut |text| ranges(text).map(|ranges| self.trusted = ranges));
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_change_what_they_can() {
        let facts = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut options = Options::default();
        let faults = options.take(&facts(&[
            ("ingress_http_port", "8080"),
            ("ingress_https_port", "off"),
            ("ingress_proxy_protocol", "true"),
            ("ingress_access_log", "no"),
            ("ingress_trusted", "10.0.0.0/8, fd00::/8"),
            ("other", "x"),
        ]));
        assert_eq!(faults, ["ingress_access_log can't be \"no\""]);
        assert_eq!((options.http_port, options.https_port, options.proxy_protocol), (Some(8080), None, true));
        assert_eq!((&options.access_log, options.trusted.len()), (&To::Traces, 2));
        for (text, expect) in [("false", To::Nowhere), ("true", To::Traces), ("/a/b", To::File("/a/b".into()))] {
            assert_eq!(options.take(&facts(&[("ingress_access_log", text)])), Vec::<String>::new());
            assert_eq!(options.access_log, expect);
        }
    }
}
