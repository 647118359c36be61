//! The node's own resolv.conf → nameservers and search domains for pods, and the servers that the agent itself asks.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The port of name servers.
const PORT: u16 = 53;
/// The node's own settings.
const OWN: &str = "/etc/resolv.conf";
/// What stands behind systemd-resolved's local stub.
const BEHIND: &str = "/run/systemd/resolve/resolv.conf";

/// What a resolv.conf says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolver {
    /// Nameservers that a pod can reach.
    pub nameservers: Vec<String>,
    /// Nameservers on the node's loopback, which only the node itself can reach.
    pub local: Vec<IpAddr>,
    /// Search domains.
    pub searches: Vec<String>,
    /// Options.
    pub options: Vec<String>,
}

/// The node's settings. Behind a local stub (systemd-resolved) it is the stub's own servers that count.
pub fn observe() -> Resolver {
    observe_at(Path::new(OWN), Path::new(BEHIND))
}

fn observe_at(own: &Path, behind: &Path) -> Resolver {
    let read = |path: &Path| match std::fs::read_to_string(path) {
        Ok(text) => parse(&text),
        // A node without the file has no resolver, as the C library sees it too.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Resolver::default(),
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "the node's name servers can't be read");
            Resolver::default()
        }
    };
    let own = read(own);
    if own.nameservers.is_empty() {
        let behind = read(behind);
        if !behind.nameservers.is_empty() {
            return Resolver { local: own.local, ..behind };
        }
    }
    own
}

/// Reads a resolv.conf; servers on the loopback are told apart, for a pod's loopback is another.
pub fn parse(text: &str) -> Resolver {
    let mut found = Resolver::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => match words.next().and_then(|word| word.parse::<IpAddr>().ok()) {
                Some(address) if address.is_loopback() => found.local.push(address),
                Some(address) => found.nameservers.push(address.to_string()),
                None => {}
            },
            // The last of these lines counts; `domain` is one name.
            Some("search") => found.searches = words.map(str::to_owned).collect(),
            Some("domain") => found.searches = words.take(1).map(str::to_owned).collect(),
            Some("options") => found.options.extend(words.map(str::to_owned)),
            _ => {}
        }
    }
    found
}

impl Resolver {
    /// Whom the agent asks: the servers that pods could ask too, else those on the loopback; never itself.
    pub fn servers(&self, own: &[IpAddr]) -> Vec<SocketAddr> {
        let outside = self.nameservers.iter().filter_map(|text| text.parse::<IpAddr>().ok());
        let pick = |ips: &mut dyn Iterator<Item = IpAddr>| -> Vec<SocketAddr> {
            ips.filter(|ip| !own.contains(ip)).map(|ip| SocketAddr::new(ip, PORT)).collect()
        };
        let found = pick(&mut outside.into_iter());
        if found.is_empty() { pick(&mut self.local.iter().copied()) } else { found }
    }
}

/// The node's servers, read anew when the files have changed.
#[derive(Debug)]
pub struct Follow {
    files: [PathBuf; 2],
    seen: Option<[Option<SystemTime>; 2]>,
    resolver: Resolver,
}

impl Default for Follow {
    fn default() -> Self {
        Self { files: [OWN.into(), BEHIND.into()], seen: None, resolver: Resolver::default() }
    }
}

impl Follow {
    /// Whom the agent asks now.
    pub fn servers(&mut self, own: &[IpAddr]) -> Vec<SocketAddr> {
        let changed_at = |path: &PathBuf| std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
        let now = [changed_at(&self.files[0]), changed_at(&self.files[1])];
        if self.seen.as_ref() != Some(&now) {
            self.seen = Some(now);
            self.resolver = observe_at(&self.files[0], &self.files[1]);
        }
        self.resolver.servers(own)
    }
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
        assert_eq!(got.options, ["edns0"]);
        assert_eq!(parse("search a b\ndomain c d\n").searches, ["c"]);
    }

    #[test]
    fn whom_the_agent_asks() {
        let own = ["10.96.0.10".parse().unwrap()];
        for (text, servers) in [
            ("nameserver 127.0.0.53\nnameserver 10.0.0.2\n", "10.0.0.2:53"),
            ("nameserver 127.0.0.53\n", "127.0.0.53:53"),
            ("nameserver 10.96.0.10\nnameserver fd00::2\n", "[fd00::2]:53"),
            ("nameserver 10.96.0.10\n", ""),
            ("nameserver nonsense\n", ""),
        ] {
            let got: Vec<String> = parse(text).servers(&own).iter().map(ToString::to_string).collect();
            assert_eq!(got.join(" "), servers, "{text}");
        }
    }

    #[test]
    fn files_that_change_are_read_anew() {
        let dir = tempfile::tempdir().unwrap();
        let files = [dir.path().join("own"), dir.path().join("behind")];
        let mut follow = Follow { files: files.clone(), seen: None, resolver: Resolver::default() };
        assert_eq!(follow.servers(&[]), []);
        std::fs::write(&files[1], "nameserver 10.0.0.3\n").unwrap();
        assert_eq!(follow.servers(&[]), ["10.0.0.3:53".parse().unwrap()]);
        std::fs::write(&files[0], "nameserver 10.0.0.4\n").unwrap();
        assert_eq!(follow.servers(&[]), ["10.0.0.4:53".parse().unwrap()]);
    }
}
