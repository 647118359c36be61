//! Flags, what was chosen before and the routes of this machine → the ranges of the cluster's pods and services.
//!
//! Ranges are chosen once: they stay with the store, and in the data directory for when the store is lost. Flags override
//! them. Another daemon on this machine is seen by its claim, an abstract socket that goes with its process, and by the
//! routes of pods that it left running.

use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use masthead_plan::network::cidr::Cidr;
use masthead_plan::network::ranges::{Network, PodRange};
use masthead_store::kv::{Kv, Op, Txn};
use masthead_store::objects::OWN_ROOT;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::daemon::data::write_private;
use crate::daemon::options::{DATA_DIR, Options};

/// The key of the store and the file of the data directory that keep the ranges.
const RECORD: &str = "network";
/// Pairs of ranges that are tried within 10.0.0.0/8, after the usual one.
const PAIRS: u8 = 60;

/// Ranges, one text each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    pod_cidr: String,
    service_cidr: String,
}

/// Ranges that no other daemon of this machine takes while this lives.
#[derive(Debug)]
pub struct Claims {
    _sockets: Vec<UnixListener>,
}

/// A range of pods and one of services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    pods: Cidr,
    services: Cidr,
}

/// The network of the cluster; what is new about it is recorded.
///
/// # Errors
/// A flag or a record makes no sense, another daemon has the range, or no range is free.
pub async fn network(options: &Options, root: &Path, kv: &dyn Kv) -> Result<(Network, Claims)> {
    let recorded = recorded(root, kv).await?;
    let routes = match fs::read_to_string("/proc/self/net/fib_trie") {
        Ok(text) => routes(&text),
        Err(error) => {
            tracing::warn!(%error, "the routes of this machine cannot be read; ranges may overlap them");
            Vec::new()
        }
    };
    // A shared store is that of several control planes, which may be on one machine.
    let alone = options.store.is_none();
    let (pair, claims) = pick(options, recorded, &routes, root, alone)?;
    let record = Record { pod_cidr: pair.pods.to_string(), service_cidr: pair.services.to_string() };
    if recorded.is_some_and(|known| known != pair) {
        tracing::warn!(
            ?record,
            "the ranges of the cluster are others than before: nodes and services keep what they have until it is given out anew"
        );
    }
    write(root, kv, &record).await?;
    let pods = PodRange::new(pair.pods).with_context(|| format!("{} is too small for one node", pair.pods))?;
    let api = api(options.listen);
    Ok((Network { pods: vec![pods], services: vec![pair.services], api, ..Network::default() }, claims))
}

fn file(root: &Path) -> PathBuf {
    root.join("network.json")
}

/// What was chosen before: the store's word, else that of the data directory.
async fn recorded(root: &Path, kv: &dyn Kv) -> Result<Option<Pair>> {
    let found = kv.get(format!("{OWN_ROOT}{RECORD}").into()).await?;
    let body = match found {
        Some(found) => found.value.to_vec(),
        None => match fs::read(file(root)) {
            Ok(body) => body,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| file(root).display().to_string()),
        },
    };
    let record: Record = serde_json::from_slice(&body).context("reading the recorded ranges")?;
    Ok(Some(Pair { pods: record.pod_cidr.parse()?, services: record.service_cidr.parse()? }))
}

async fn write(root: &Path, kv: &dyn Kv, record: &Record) -> Result<()> {
    let body = serde_json::to_vec(record)?;
    if fs::read(file(root)).ok().as_deref() != Some(&body) {
        write_private(&file(root), &body)?;
    }
    let key = format!("{OWN_ROOT}{RECORD}");
    let known = kv.get(key.clone().into()).await?;
    if known.is_none_or(|known| known.value != body) {
        kv.txn(Txn::of(vec![Op::put(key, body)])).await?;
    }
    Ok(())
}

/// Flags first, then what was chosen before, then the first pair that overlaps nothing and that nobody has.
fn pick(
    options: &Options,
    recorded: Option<Pair>,
    routes: &[Cidr],
    root: &Path,
    alone: bool,
) -> Result<(Pair, Claims)> {
    let given = |pair: Pair| Pair {
        pods: options.pod_cidr.unwrap_or(pair.pods),
        services: options.service_cidr.unwrap_or(pair.services),
    };
    let fixed = match (options.pod_cidr, options.service_cidr, recorded) {
        (Some(pods), Some(services), _) => Some(Pair { pods, services }),
        (_, _, Some(recorded)) => Some(given(recorded)),
        _ => None,
    };
    if let Some(pair) = fixed {
        check(pair)?;
        for range in [pair.pods, pair.services] {
            if let Some(route) = routes.iter().find(|route| route.overlaps(range) && !range.holds(**route)) {
                tracing::warn!(%range, %route, "the range overlaps a route of this machine");
            }
        }
        let claims = if alone {
            claim(pair).with_context(|| {
                format!(
                    "{} or {} belongs to another Masthead on this machine: give --pod-cidr and --service-cidr",
                    pair.pods, pair.services
                )
            })?
        } else {
            Claims { _sockets: Vec::new() }
        };
        return Ok((pair, claims));
    }
    for pair in candidates(root).map(given) {
        let free = |range: Cidr, is_given: bool| is_given || !routes.iter().any(|route| route.overlaps(range));
        if check(pair).is_err()
            || !free(pair.pods, options.pod_cidr.is_some())
            || !free(pair.services, options.service_cidr.is_some())
        {
            continue;
        }
        if !alone {
            return Ok((pair, Claims { _sockets: Vec::new() }));
        }
        if let Ok(claims) = claim(pair) {
            return Ok((pair, claims));
        }
    }
    bail!("every range that would do overlaps a route of this machine: give --pod-cidr and --service-cidr")
}

/// Pairs of ranges in the order in which they are tried: the usual one first, but only for the usual data directory, so
/// that another daemon does not take it while the first is stopped.
fn candidates(root: &Path) -> impl Iterator<Item = Pair> {
    let pair = |a: [u8; 2], b: [u8; 2]| {
        let range = |[a, b]: [u8; 2]| Cidr::of(IpAddr::from([a, b, 0, 0]), 16);
        Some(Pair { pods: range(a)?, services: range(b)? })
    };
    let usual = pair([10, 88], [10, 96]);
    let first = Sha256::digest(root.as_os_str().as_encoded_bytes())[0] % PAIRS;
    let within_ten = (0..PAIRS).filter_map(move |n| {
        let at = 100 + 2 * ((first + n) % PAIRS);
        pair([10, at], [10, at + 1])
    });
    let private = (16..32).step_by(2).filter_map(move |n| pair([172, n], [172, n + 1]));
    let shared = (64..128).step_by(2).filter_map(move |n| pair([100, n], [100, n + 1]));
    let early = usual.filter(|_| root == Path::new(DATA_DIR));
    early.into_iter().chain(within_ten).chain(private).chain(shared).chain(usual)
}

/// Whether ranges can be used at all.
fn check(pair: Pair) -> Result<()> {
    let Pair { pods, services } = pair;
    for range in [pods, services] {
        if !range.is_ipv4() {
            bail!("{range}: ranges of IPv6 are not supported");
        }
    }
    if PodRange::new(pods).is_none() {
        bail!("{pods}: the range of pods must hold at least one /24, the block of a node");
    }
    if !(8..=28).contains(&services.bits()) {
        bail!("{services}: the range of services must have between 8 and 28 bits");
    }
    if pods.overlaps(services) {
        bail!("the range of pods {pods} and that of services {services} overlap");
    }
    Ok(())
}

/// Claims both ranges within this network namespace.
fn claim(pair: Pair) -> std::io::Result<Claims> {
    let one = |range: Cidr| {
        let name = format!("masthead/range/{range}");
        UnixListener::bind_addr(&UnixAddr::from_abstract_name(name)?)
    };
    Ok(Claims { _sockets: vec![one(pair.pods)?, one(pair.services)?] })
}

/// The networks and addresses that the kernel has routes for; the default route is none.
fn routes(fib_trie: &str) -> Vec<Cidr> {
    let mut out: Vec<Cidr> = Vec::new();
    let mut leaf: Option<IpAddr> = None;
    for line in fib_trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
        } else if let Some(bits) = line.strip_prefix('/')
            && let Some(address) = leaf
        {
            let bits: Option<u8> = bits.split_whitespace().next().and_then(|bits| bits.parse().ok());
            out.extend(bits.filter(|bits| *bits > 0).and_then(|bits| Cidr::of(address, bits)));
        }
    }
    out.sort_unstable();
    out.dedup();
    out
}

/// Where pods reach an API that listens there.
fn api(listen: SocketAddr) -> Option<SocketAddr> {
    if listen.ip().is_loopback() || listen.port() == 0 {
        return None;
    }
    if !listen.ip().is_unspecified() {
        return Some(listen);
    }
    // No packet is sent: the kernel tells which of our addresses it would send from.
    let socket = UdpSocket::bind(("0.0.0.0", 0)).ok()?;
    socket.connect(("192.0.2.1", 9)).ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_loopback() && !own.is_unspecified()).then(|| SocketAddr::new(own, listen.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pods: Option<&str>, services: Option<&str>) -> Options {
        Options {
            program: PathBuf::new(),
            data: PathBuf::new(),
            listen: "127.0.0.1:0".parse().unwrap(),
            listen_nodes: "127.0.0.1:0".parse().unwrap(),
            store: None,
            repo: None,
            branch: None,
            path: String::new(),
            pod_cidr: pods.map(|text| text.parse().unwrap()),
            service_cidr: services.map(|text| text.parse().unwrap()),
        }
    }

    fn picked(o: &Options, recorded: Option<(&str, &str)>, routes: &[&str], root: &str) -> Result<(String, String)> {
        let routes: Vec<Cidr> = routes.iter().map(|text| text.parse().unwrap()).collect();
        let recorded = recorded.map(|(p, s)| Pair { pods: p.parse().unwrap(), services: s.parse().unwrap() });
        // Claims would meet those of other tests and daemons in this namespace.
        let (pair, _) = pick(o, recorded, &routes, Path::new(root), false)?;
        Ok((pair.pods.to_string(), pair.services.to_string()))
    }

    #[test]
    fn flags_then_the_record_then_what_is_free() {
        let usual = ("10.88.0.0/16".to_owned(), "10.96.0.0/16".to_owned());
        let none = options(None, None);
        assert_eq!(picked(&none, None, &["192.0.2.0/24"], DATA_DIR).unwrap(), usual);
        let other = picked(&none, None, &[], "/tmp/x").unwrap();
        assert_ne!(other, usual, "another data directory leaves the usual ranges to the usual one");
        assert_eq!(picked(&none, None, &[], "/tmp/x").unwrap(), other, "and always tries the same first");
        assert_ne!(picked(&none, None, &["10.88.3.0/24"], DATA_DIR).unwrap(), usual);
        assert_eq!(picked(&none, None, &["10.0.0.0/8"], DATA_DIR).unwrap().0, "172.16.0.0/16");
        assert_eq!(picked(&none, None, &["10.0.0.0/8", "172.16.0.0/12"], DATA_DIR).unwrap().0, "100.64.0.0/16");
        let recorded = Some(("10.1.0.0/16", "10.2.0.0/16"));
        let kept = ("10.1.0.0/16".to_owned(), "10.2.0.0/16".to_owned());
        assert_eq!(picked(&none, recorded, &["10.1.7.0/24"], DATA_DIR).unwrap(), kept, "our own pods have routes");
        let flag = options(Some("10.3.0.0/20"), None);
        assert_eq!(picked(&flag, recorded, &[], DATA_DIR).unwrap(), ("10.3.0.0/20".to_owned(), kept.1));
        assert_eq!(picked(&flag, None, &["10.3.0.0/24"], DATA_DIR).unwrap().0, "10.3.0.0/20");
        let all = ["10.0.0.0/8", "172.16.0.0/12", "100.64.0.0/10"];
        let error = picked(&none, None, &all, DATA_DIR).unwrap_err().to_string();
        assert!(error.contains("give --pod-cidr"), "{error}");
    }

    #[test]
    fn ranges_that_make_no_sense_are_refused() {
        let check = |pods, services, expect: &str| {
            let error = picked(&options(Some(pods), Some(services)), None, &[], DATA_DIR).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check("10.0.0.0/16", "10.0.1.0/24", "overlap");
        check("10.0.0.0/25", "10.1.0.0/24", "at least one /24");
        check("10.0.0.0/16", "10.1.0.0/29", "between 8 and 28");
        check("fd00::/48", "10.1.0.0/24", "not supported");
    }

    #[test]
    fn routes_are_read_from_the_kernels_tree() {
        let text = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     +-- 10.0.0.0/8 2 0 2\n        \
                    |-- 10.0.0.0\n           /8 link UNICAST\n           /24 link UNICAST\n        |-- 10.0.0.7\n           /32 host LOCAL\n";
        let expect: Vec<Cidr> =
            ["10.0.0.0/8", "10.0.0.0/24", "10.0.0.7/32"].iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(routes(text), expect);
        assert!(routes("Main:\n |-- x\n /y\n /8").is_empty());
    }

    #[test]
    fn a_claim_is_of_one_daemon_and_ends_with_it() {
        // Ranges of documentation, that no daemon takes.
        let pair = Pair { pods: "198.51.100.0/24".parse().unwrap(), services: "203.0.113.0/24".parse().unwrap() };
        let held = claim(pair).unwrap();
        assert!(claim(pair).is_err());
        drop(held);
        claim(pair).unwrap();
    }
}
