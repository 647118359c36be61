//! Flags, what was chosen before and the routes of this machine → the ranges of the cluster's pods and services.
//!
//! Ranges are chosen once: they stay with the store, and in the data directory for when the store is lost. Flags override
//! them. Another daemon on this machine is seen by its claim, an abstract socket that goes with its process, and by the
//! routes of pods that it left running.

use std::fs;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use masthead_plan::network::cidr::Cidr;
use masthead_plan::network::ranges::{NODE_BITS_V4, NODE_BITS_V6, Network, PodRange};
use masthead_store::kv::{Kv, Op, Txn};
use masthead_store::objects::OWN_ROOT;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::daemon::data::write_private;
use crate::daemon::options::{DATA_DIR, Options};

/// The key of the store and the file of the data directory that keep the ranges.
const RECORD: &str = "network";
/// Pairs of ranges that are tried within 10.0.0.0/8, after the usual one; and as many of IPv6.
const PAIRS: u8 = 60;
/// The usual ranges of IPv6, of pods and of services.
const USUAL_V6: (&str, &str) = ("fd00:10:88::/56", "fd00:10:96::/112");

/// Ranges, those of both families in one text with a comma between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    pod_cidr: String,
    service_cidr: String,
}

/// Ranges that no other daemon of this machine takes while this lives.
#[derive(Debug, Default)]
pub struct Claims {
    sockets: Vec<UnixListener>,
}

/// Ranges of pods and of services, one of a family each, the preferred family first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ranges {
    pods: Vec<Cidr>,
    services: Vec<Cidr>,
}

/// A range of pods and one of services, of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    pods: Cidr,
    services: Cidr,
}

/// The network of the cluster; what is new about it is recorded.
///
/// # Errors
/// A flag or a record makes no sense, another daemon has the range, no range is free, or IPv6 is asked for where there is
/// none.
pub async fn network(options: &Options, root: &Path, kv: &dyn Kv) -> Result<(Network, Claims)> {
    let recorded = recorded(root, kv).await?;
    let routes = routes_of_machine();
    // A shared store is that of several control planes, which may be on one machine.
    let alone = options.store.is_none();
    let (ranges, claims) = pick(options, recorded.as_ref(), &routes, root, alone)?;
    if options.runs_pods
        && ranges.pods.iter().any(|range| !range.is_ipv4())
        && let Some(why) = masthead_agent::network::host::lacks_v6()
    {
        bail!("pods are to have addresses of IPv6 ({}), and it is off on this machine: {why}", text(&ranges.pods));
    }
    let record = Record { pod_cidr: text(&ranges.pods), service_cidr: text(&ranges.services) };
    if recorded.is_some_and(|known| known != ranges) {
        tracing::warn!(
            ?record,
            "the ranges of the cluster are others than before: nodes and services keep what they have until it is given out anew"
        );
    }
    write(root, kv, &record).await?;
    let block = |range: &Cidr| PodRange::new(*range).with_context(|| format!("{range} is too small for one node"));
    let pods = ranges.pods.iter().map(block).collect::<Result<Vec<_>>>()?;
    let api = api(options.listen, ranges.services.first().is_none_or(|range| range.is_ipv4()));
    let ingress = options.ingress.clone();
    Ok((Network { pods, services: ranges.services, api, ingress, ..Network::default() }, claims))
}

/// Reads ranges as flags and files have them: one, or one of each family with a comma between.
///
/// # Errors
/// One is none, or two are of one family.
pub fn read_ranges(text: &str) -> Result<Vec<Cidr>> {
    let ranges = text.split(',').map(|part| Ok(part.trim().parse::<Cidr>()?)).collect::<Result<Vec<_>>>()?;
    one_a_family(&ranges)?;
    Ok(ranges)
}

fn one_a_family(ranges: &[Cidr]) -> Result<()> {
    match ranges {
        [a, b] if a.is_ipv4() == b.is_ipv4() => {
            bail!("{a} and {b} are both of {}: one of each family is asked for", a.family())
        }
        [_, _, third, ..] => bail!("{third} is a third range: one of each family is asked for"),
        _ => Ok(()),
    }
}

fn text(ranges: &[Cidr]) -> String {
    ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The range of a family.
fn of_family(ranges: &[Cidr], family: &str) -> Option<Cidr> {
    ranges.iter().copied().find(|range| range.family() == family)
}

fn routes_of_machine() -> Vec<Cidr> {
    let mut all = Vec::new();
    for (file, read) in [("fib_trie", routes as fn(&str) -> Vec<Cidr>), ("ipv6_route", routes_v6)] {
        match fs::read_to_string(Path::new("/proc/self/net").join(file)) {
            Ok(text) => all.extend(read(&text)),
            // A kernel without IPv6.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && file == "ipv6_route" => {}
            Err(error) => {
                tracing::warn!(%error, "the routes of this machine cannot be read; ranges may overlap them");
            }
        }
    }
    all
}

fn file(root: &Path) -> PathBuf {
    root.join("network.json")
}

/// What was chosen before: the store's word, else that of the data directory.
async fn recorded(root: &Path, kv: &dyn Kv) -> Result<Option<Ranges>> {
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
    let read = |text: &str| read_ranges(text).context("reading the recorded ranges");
    Ok(Some(Ranges { pods: read(&record.pod_cidr)?, services: read(&record.service_cidr)? }))
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

/// The families of pods, and those of services: as flags say, else a file, else as before, else IPv4 alone.
fn families(options: &Options, recorded: Option<&Ranges>) -> Result<(Vec<&'static str>, Vec<&'static str>)> {
    let names = |ranges: &[Cidr]| ranges.iter().map(|range| range.family()).collect::<Vec<_>>();
    let (pods, services) = (names(&options.pod_cidr), names(&options.service_cidr));
    let asked = options.families.map(|families| families.list().to_vec());
    let before = recorded.map(|known| (names(&known.pods), names(&known.services)));
    let (pods, services) = match (pods.is_empty(), services.is_empty()) {
        (false, false) => (pods, services),
        (false, true) => (pods.clone(), pods),
        (true, false) => (services.clone(), services),
        (true, true) => match (asked, before) {
            (Some(asked), _) => (asked.clone(), asked),
            (None, Some(before)) => before,
            (None, None) => (vec!["IPv4"], vec!["IPv4"]),
        },
    };
    if pods.first() != services.first() || services.iter().any(|family| !pods.contains(family)) {
        bail!(
            "pods are of {} and services of {}: services are of the families of pods, the first of both the same",
            pods.join(" and "),
            services.join(" and ")
        );
    }
    Ok((pods, services))
}

/// Flags first, then what was chosen before, then the first pair that overlaps nothing and that nobody has; so for each
/// family.
fn pick(
    options: &Options,
    recorded: Option<&Ranges>,
    routes: &[Cidr],
    root: &Path,
    alone: bool,
) -> Result<(Ranges, Claims)> {
    one_a_family(&options.pod_cidr).context("--pod-cidr")?;
    one_a_family(&options.service_cidr).context("--service-cidr")?;
    let (pods, services) = families(options, recorded)?;
    let (mut ranges, mut claims) = (Ranges::default(), Claims::default());
    for family in pods {
        let before = |of: fn(&Ranges) -> &Vec<Cidr>| recorded.and_then(|known| of_family(of(known), family));
        let asked = Asked {
            pods: of_family(&options.pod_cidr, family),
            services: of_family(&options.service_cidr, family),
            pods_before: before(|known| &known.pods),
            services_before: before(|known| &known.services),
            has_services: services.contains(&family),
        };
        let (pair, claimed) = pick_pair(family, asked, routes, root, alone)?;
        ranges.pods.push(pair.pods);
        if asked.has_services {
            ranges.services.push(pair.services);
        }
        claims.sockets.extend(claimed.sockets);
    }
    Ok((ranges, claims))
}

/// What is known of the ranges of a family.
#[derive(Clone, Copy)]
struct Asked {
    pods: Option<Cidr>,
    services: Option<Cidr>,
    pods_before: Option<Cidr>,
    services_before: Option<Cidr>,
    /// Whether services have addresses of it.
    has_services: bool,
}

fn pick_pair(family: &str, asked: Asked, routes: &[Cidr], root: &Path, alone: bool) -> Result<(Pair, Claims)> {
    let (pods, services) = (asked.pods.or(asked.pods_before), asked.services.or(asked.services_before));
    let kept = |pair: Pair| [Some(pair.pods), asked.has_services.then_some(pair.services)];
    let claimed = |pair: Pair| -> std::io::Result<Claims> {
        if alone { claim(kept(pair).into_iter().flatten()) } else { Ok(Claims::default()) }
    };
    // Without services of the family, any range stands for theirs.
    let services =
        services.or_else(|| candidates(family, root).next().map(|pair| pair.services).filter(|_| !asked.has_services));
    if let (Some(pods), Some(services)) = (pods, services) {
        let pair = Pair { pods, services };
        check(pair, asked.has_services)?;
        for range in kept(pair).into_iter().flatten() {
            if let Some(route) = routes.iter().find(|route| route.overlaps(range) && !range.holds(**route)) {
                tracing::warn!(%range, %route, "the range overlaps a route of this machine");
            }
        }
        let claims = claimed(pair).with_context(|| {
            format!(
                "{pods} or {services} belongs to another Masthead on this machine: give --pod-cidr and --service-cidr"
            )
        })?;
        return Ok((pair, claims));
    }
    let given = |pair: Pair| Pair { pods: pods.unwrap_or(pair.pods), services: services.unwrap_or(pair.services) };
    for pair in candidates(family, root).map(given) {
        let is_free = |range: Cidr, is_given: bool| is_given || !routes.iter().any(|route| route.overlaps(range));
        if check(pair, asked.has_services).is_ok()
            && is_free(pair.pods, pods.is_some())
            && is_free(pair.services, services.is_some())
            && let Ok(claims) = claimed(pair)
        {
            return Ok((pair, claims));
        }
    }
    bail!("every range of {family} that would do overlaps a route of this machine: give --pod-cidr and --service-cidr")
}

/// Pairs of ranges in the order in which they are tried: the usual one first, but only for the usual data directory, so
/// that another daemon does not take it while the first is stopped.
fn candidates(family: &str, root: &Path) -> Box<dyn Iterator<Item = Pair>> {
    let is_usual = root == Path::new(DATA_DIR);
    if family != "IPv4" {
        let usual = match (USUAL_V6.0.parse(), USUAL_V6.1.parse()) {
            (Ok(pods), Ok(services)) => Some(Pair { pods, services }),
            _ => None,
        };
        let root = root.to_owned();
        let local = (0..PAIRS).filter_map(move |n| unique_local(&root, n));
        return Box::new(usual.filter(|_| is_usual).into_iter().chain(local));
    }
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
    let early = usual.filter(|_| is_usual);
    Box::new(early.into_iter().chain(within_ten).chain(private).chain(shared).chain(usual))
}

/// A /56 of pods and a /112 of services in a network of its own (RFC 4193), whose number follows from the data directory.
fn unique_local(root: &Path, n: u8) -> Option<Pair> {
    let mut hash = Sha256::new();
    hash.update(root.as_os_str().as_encoded_bytes());
    hash.update([n]);
    let digest = hash.finalize();
    let mut network = [0; 16];
    network[0] = 0xfd;
    network[1..6].copy_from_slice(&digest[..5]);
    let mut services = network;
    services[6] = 1;
    Some(Pair { pods: Cidr::of(IpAddr::from(network), 56)?, services: Cidr::of(IpAddr::from(services), 112)? })
}

/// Whether ranges can be used at all.
fn check(pair: Pair, has_services: bool) -> Result<()> {
    let Pair { pods, services } = pair;
    let (block, bits) = if pods.is_ipv4() { (NODE_BITS_V4, 8..=28) } else { (NODE_BITS_V6, 64..=124) };
    if PodRange::new(pods).is_none() {
        bail!("{pods}: the range of pods must hold at least one /{block}, the block of a node");
    }
    if !has_services {
        return Ok(());
    }
    if !bits.contains(&services.bits()) {
        bail!("{services}: the range of services must have between {} and {} bits", bits.start(), bits.end());
    }
    if pods.overlaps(services) {
        bail!("the range of pods {pods} and that of services {services} overlap");
    }
    Ok(())
}

/// Claims ranges within this network namespace.
fn claim(ranges: impl Iterator<Item = Cidr>) -> std::io::Result<Claims> {
    let one = |range: Cidr| {
        let name = format!("masthead/range/{range}");
        UnixListener::bind_addr(&UnixAddr::from_abstract_name(name)?)
    };
    Ok(Claims { sockets: ranges.map(one).collect::<std::io::Result<_>>()? })
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

/// The same of IPv6, from a list of destination and bits, both in hexadecimal digits.
fn routes_v6(ipv6_route: &str) -> Vec<Cidr> {
    let of = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (address, bits) = (words.next().filter(|word| word.len() == 32)?, words.next()?);
        let address = Ipv6Addr::from(u128::from_str_radix(address, 16).ok()?);
        let bits = u8::from_str_radix(bits, 16).ok().filter(|bits| *bits > 0)?;
        Cidr::of(address.into(), bits)
    };
    let mut out: Vec<Cidr> = ipv6_route.lines().filter_map(of).collect();
    out.sort_unstable();
    out.dedup();
    out
}

/// Where pods reach an API that listens there: by an address of the preferred family, else by one of the other.
fn api(listen: SocketAddr, prefers_v4: bool) -> Option<SocketAddr> {
    if listen.ip().is_loopback() || listen.port() == 0 {
        return None;
    }
    if !listen.ip().is_unspecified() {
        return Some(listen);
    }
    // Who listens on all addresses of IPv6 listens on those of IPv4 as well.
    let mut ips = masthead_agent::node::facts::ways_out();
    ips.retain(|ip| ip.is_ipv4() || listen.is_ipv6());
    let preferred = ips.iter().find(|ip| ip.is_ipv4() == prefers_v4).or(ips.first());
    preferred.map(|own| SocketAddr::new(*own, listen.port()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use masthead_api::admit::families::Families;

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
            pod_cidr: pods.map(ranges).unwrap_or_default(),
            service_cidr: services.map(ranges).unwrap_or_default(),
            families: None,
            ingress: Default::default(),
            runs_pods: false,
        }
    }

    fn ranges(text: &str) -> Vec<Cidr> {
        text.split(',').map(|part| part.parse().unwrap()).collect()
    }

    fn picked(o: &Options, recorded: Option<(&str, &str)>, routes: &[&str], root: &str) -> Result<(String, String)> {
        let routes: Vec<Cidr> = routes.iter().map(|text| text.parse().unwrap()).collect();
        let recorded = recorded.map(|(p, s)| Ranges { pods: ranges(p), services: ranges(s) });
        // Claims would meet those of other tests and daemons in this namespace.
        let (found, _) = pick(o, recorded.as_ref(), &routes, Path::new(root), false)?;
        Ok((text(&found.pods), text(&found.services)))
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
    fn each_family_has_ranges_of_its_own() {
        let both = ("10.88.0.0/16,fd00:10:88::/56".to_owned(), "10.96.0.0/16,fd00:10:96::/112".to_owned());
        let asked = |families| Options { families: Some(families), ..options(None, None) };
        let dual = asked(Families::V4V6);
        assert_eq!(picked(&dual, None, &[], DATA_DIR).unwrap(), both);
        let (pods, services) = picked(&dual, None, &[], "/tmp/x").unwrap();
        assert!(
            pods.contains(",fd") && services.ends_with(":100::/112") && !pods.contains("fd00:10"),
            "{pods} {services}"
        );
        assert_eq!(picked(&dual, None, &[], "/tmp/x").unwrap(), (pods, services), "and always the same");
        let (pods, _) = picked(&dual, None, &["fd00:10::/32"], DATA_DIR).unwrap();
        assert!(!pods.contains("fd00:10:"), "{pods}");
        let six = asked(Families::V6);
        let alone = ("fd00:10:88::/56".to_owned(), "fd00:10:96::/112".to_owned());
        assert_eq!(picked(&six, None, &[], DATA_DIR).unwrap(), alone);
        let turned = picked(&asked(Families::V6V4), None, &[], DATA_DIR).unwrap();
        assert_eq!(turned.0, "fd00:10:88::/56,10.88.0.0/16");
        // A cluster that was of one family, and is asked to be of two.
        let recorded = Some(("10.1.0.0/16", "10.2.0.0/16"));
        let (pods, services) = picked(&dual, recorded, &["10.1.3.0/24"], DATA_DIR).unwrap();
        assert_eq!((pods.as_str(), services.as_str()), ("10.1.0.0/16,fd00:10:88::/56", "10.2.0.0/16,fd00:10:96::/112"));
        // What was chosen stays without a word.
        let recorded = Some((pods.as_str(), services.as_str()));
        assert_eq!(picked(&options(None, None), recorded, &[], DATA_DIR).unwrap().0, pods);
        // Flags say families as well as ranges.
        let flag = options(Some("10.3.0.0/16,fd00:3::/48"), None);
        let (pods, services) = picked(&flag, None, &[], DATA_DIR).unwrap();
        assert_eq!((pods.as_str(), services.as_str()), ("10.3.0.0/16,fd00:3::/48", "10.96.0.0/16,fd00:10:96::/112"));
        let flag = options(Some("10.3.0.0/16,fd00:3::/48"), Some("10.4.0.0/16"));
        assert_eq!(picked(&flag, None, &[], DATA_DIR).unwrap().1, "10.4.0.0/16");
    }

    #[test]
    fn ranges_that_make_no_sense_are_refused() {
        let check = |pods, services, expect: &str| {
            let error = picked(&options(Some(pods), Some(services)), None, &[], DATA_DIR).unwrap_err();
            let error = format!("{error:#}");
            assert!(error.contains(expect), "{error}");
        };
        check("10.0.0.0/16", "10.0.1.0/24", "overlap");
        check("10.0.0.0/25", "10.1.0.0/24", "at least one /24");
        check("10.0.0.0/16", "10.1.0.0/29", "between 8 and 28");
        check("fd00::/48", "10.1.0.0/24", "pods are of IPv6 and services of IPv4");
        check("10.0.0.0/16", "10.1.0.0/24,fd00::/112", "pods are of IPv4 and services of IPv4 and IPv6");
        check("10.0.0.0/16,fd00::/48", "fd01::/112,10.1.0.0/24", "the first of both the same");
        check("10.0.0.0/16,10.2.0.0/16", "10.1.0.0/24", "both of IPv4");
        check("10.0.0.0/16,fd00::/48,fd01::/48", "10.1.0.0/24", "a third range");
        check("fd00::/72", "fd01::/112", "at least one /64");
        check("fd00::/48", "fd01::/48", "between 64 and 124");
        check("fd00::/48", "fd00::/112", "overlap");
        for text in ["10.0.0.0/16,", "10.0.0.0/16,x", "10.0.0.1/16", ""] {
            assert!(read_ranges(text).is_err(), "{text}");
        }
        assert_eq!(text(&read_ranges("10.0.0.0/16, fd00::/48").unwrap()), "10.0.0.0/16,fd00::/48");
    }

    #[test]
    fn routes_are_read_from_the_kernels_tree() {
        let text = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     +-- 10.0.0.0/8 2 0 2\n        \
                    |-- 10.0.0.0\n           /8 link UNICAST\n           /24 link UNICAST\n        |-- 10.0.0.7\n           /32 host LOCAL\n";
        let expect: Vec<Cidr> =
            ["10.0.0.0/8", "10.0.0.0/24", "10.0.0.7/32"].iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(routes(text), expect);
        assert!(routes("Main:\n |-- x\n /y\n /8").is_empty());
        let text = "fd000000000000000000000000000000 40 00000000000000000000000000000000 00 0 0 0 0 00000001 eth0\n\
                    00000000000000000000000000000000 00 0 00 0 0 0 0 00200200 lo\nx\nfd 40\n";
        assert_eq!(routes_v6(text), ["fd00::/64".parse().unwrap()]);
    }

    #[test]
    fn a_claim_is_of_one_daemon_and_ends_with_it() {
        // Ranges of documentation, that no daemon takes.
        let pair = Pair { pods: "198.51.100.0/24".parse().unwrap(), services: "203.0.113.0/24".parse().unwrap() };
        let both = || [pair.pods, pair.services].into_iter();
        let held = claim(both()).unwrap();
        assert!(claim(both()).is_err());
        drop(held);
        claim(both()).unwrap();
    }
}
