//! The node's own resolv.conf → nameservers and search domains for pods.

use std::net::IpAddr;

/// What a resolv.conf says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolver {
    /// Nameservers that a pod can reach.
    pub nameservers: Vec<String>,
    /// Search domains.
    pub searches: Vec<String>,
}

/// The node's settings. Behind a local stub (systemd-resolved) it is the stub's own servers that count.
pub fn observe() -> Resolver {
    let read = |path: &str| parse(&std::fs::read_to_string(path).unwrap_or_default());
    let own = read("/etc/resolv.conf");
    if own.nameservers.is_empty() {
        let behind = read("/run/systemd/resolve/resolv.conf");
        if !behind.nameservers.is_empty() {
            return behind;
        }
    }
    own
}

/// Reads a resolv.conf; servers on the loopback are left out, for a pod's loopback is another.
pub fn parse(text: &str) -> Resolver {
    let mut found = Resolver::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => {
                let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                found
                    .nameservers
                    .extend(address.filter(|address| !address.is_loopback()).map(|address| address.to_string()));
            }
            Some("search" | "domain") => found.searches = words.map(str::to_owned).collect(),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pods_can_use() {
        let got = parse(
            "# x\nnameserver 127.0.0.53\nnameserver 10.0.0.2\nnameserver fd00::2\nsearch a.example b.example\noptions edns0\n",
        );
        assert_eq!(got.nameservers, ["10.0.0.2", "fd00::2"]);
        assert_eq!(got.searches, ["a.example", "b.example"]);
    }
}
