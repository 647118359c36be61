//! Nodes, and what this one's links reach → the ways to their pods.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::network::cidr::Cidr;

/// Bytes that VXLAN puts around an Ethernet frame's payload over IPv4 (outer IP, UDP, VXLAN, inner Ethernet).
const OVERHEAD_V4: u32 = 50;
/// The same over IPv6.
const OVERHEAD_V6: u32 = 70;
/// Network identifiers have 24 bits.
const VNI_MASK: u32 = 0x00ff_ffff;
/// Linux' own port for VXLAN, as flannel's; 4789 is often somebody else's on the same machine.
pub const PORT: u16 = 8472;

/// Another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// The ranges of its pods.
    pub cidrs: Vec<Cidr>,
    /// Its addresses, the first of each family being its own.
    pub ips: Vec<IpAddr>,
}

/// How an address is reached from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The link.
    pub link: u32,
    /// The link's MTU.
    pub mtu: u32,
    /// Whether it is on that link, without a router between.
    pub is_on_link: bool,
    /// The address that packets to it leave with.
    pub source: Option<IpAddr>,
}

/// The way to a range of pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// By the node itself, on a shared link.
    Direct {
        /// The node's address.
        via: IpAddr,
        /// The link.
        link: u32,
    },
    /// In packets to the node.
    Overlay {
        /// The node's address.
        host: IpAddr,
        /// What its end of the overlay is known by.
        mac: [u8; 6],
    },
}

/// This node's end of the overlay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// Tells overlays apart.
    pub vni: u32,
    /// The address its packets leave with.
    pub local: IpAddr,
    /// The link they leave by.
    pub link: u32,
    /// What it is known by.
    pub mac: [u8; 6],
    /// The largest packet it takes.
    pub mtu: u32,
    /// Its own addresses: the first of each range of this node's pods.
    pub ips: Vec<IpAddr>,
}

/// What there must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// By the range's text.
    pub ways: BTreeMap<String, Way>,
    /// When a way needs it.
    pub overlay: Option<Overlay>,
}

/// What a node's end of the overlay is known by: every node can tell, so that nobody has to ask.
pub fn mac(node: &str) -> [u8; 6] {
    let digest = Sha256::digest(node.as_bytes());
    let mut mac = [0; 6];
    mac.copy_from_slice(&digest[..6]);
    // Given by us, for one receiver.
    mac[0] = mac[0] & 0xfe | 0x02;
    mac
}

/// The cluster's overlay among others on the same wires.
pub fn vni(cluster: &[&str]) -> u32 {
    let digest = Sha256::digest(cluster.join("|").as_bytes());
    let number = u32::from_be_bytes([0, digest[0], digest[1], digest[2]]) & VNI_MASK;
    number.max(1)
}

/// The ways to all peers' pods; and, with the reason, those that there are none to.
pub fn plan(
    node: &str,
    own: &[Cidr],
    peers: &[Peer],
    vni: u32,
    reach: &dyn Fn(IpAddr) -> Option<Reach>,
) -> (Wanted, Vec<String>) {
    let (mut wanted, mut faults) = (Wanted::default(), Vec::new());
    for peer in peers.iter().filter(|peer| peer.name != node) {
        for cidr in &peer.cidrs {
            if own.contains(cidr) || wanted.ways.contains_key(&cidr.to_string()) {
                faults.push(format!("pods of node {} are in {cidr}, which is another's", peer.name));
                continue;
            }
            match way(peer, *cidr, reach) {
                Some((way, found)) => {
                    if let Way::Overlay { host, .. } = &way {
                        let Some(overlay) = overlay(node, own, vni, *host, found) else { continue };
                        let known = wanted.overlay.get_or_insert(overlay);
                        if known.local.is_ipv4() != host.is_ipv4() {
                            let text = "is of another family than the overlay's other nodes";
                            faults.push(format!("no way to the pods of node {}: {host} {text}", peer.name));
                            continue;
                        }
                        known.mtu = known.mtu.min(found.mtu.saturating_sub(overhead(*host)));
                    }
                    wanted.ways.insert(cidr.to_string(), way);
                }
                None => faults.push(format!("no way to the pods of node {}: no address of it is reached", peer.name)),
            }
        }
    }
    (wanted, faults)
}

/// Direct by an address of the range's family, else by the overlay.
fn way(peer: &Peer, cidr: Cidr, reach: &dyn Fn(IpAddr) -> Option<Reach>) -> Option<(Way, Reach)> {
    let on_link = peer.ips.iter().filter(|ip| ip.is_ipv6() == cidr.is_v6()).find_map(|ip| {
        let found = reach(*ip).filter(|found| found.is_on_link)?;
        Some((Way::Direct { via: *ip, link: found.link }, found))
    });
    on_link.or_else(|| {
        let found = peer.ips.iter().find_map(|ip| Some((*ip, reach(*ip)?)));
        found.map(|(host, found)| (Way::Overlay { host, mac: mac(&peer.name) }, found))
    })
}

fn overhead(host: IpAddr) -> u32 {
    if host.is_ipv6() { OVERHEAD_V6 } else { OVERHEAD_V4 }
}

fn overlay(node: &str, own: &[Cidr], vni: u32, host: IpAddr, found: Reach) -> Option<Overlay> {
    Some(Overlay {
        vni,
        local: found.source?,
        link: found.link,
        mac: mac(node),
        mtu: found.mtu.saturating_sub(overhead(host)),
        ips: own.iter().map(Cidr::base).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(name: &str, cidrs: &[&str], ips: &[&str]) -> Peer {
        Peer {
            name: name.to_owned(),
            cidrs: cidrs.iter().map(|c| c.parse().unwrap()).collect(),
            ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
        }
    }

    /// 192.0.2.0/24 is on link 2, all other IPv4 addresses behind a router of link 3.
    fn reach(ip: IpAddr) -> Option<Reach> {
        let IpAddr::V4(v4) = ip else { return None };
        let is_on_link = v4.octets()[..3] == [192, 0, 2];
        let source = Some(IpAddr::from([192, 0, 2, 1]));
        Some(Reach { link: if is_on_link { 2 } else { 3 }, mtu: 1500, is_on_link, source })
    }

    fn check(peers: &[Peer], expect: &[(&str, Way)], overlay_mtu: Option<u32>, faults: usize) {
        let own = ["10.42.0.0/24".parse().unwrap()];
        let (wanted, found) = plan("here", &own, peers, 7, &reach);
        let expect: BTreeMap<String, Way> = expect.iter().map(|(c, w)| ((*c).to_owned(), w.clone())).collect();
        assert_eq!(wanted.ways, expect);
        assert_eq!(wanted.overlay.map(|o| o.mtu), overlay_mtu);
        assert_eq!(found.len(), faults, "{found:?}");
    }

    #[test]
    fn direct_on_a_shared_link_else_by_the_overlay() {
        let near = || Way::Direct { via: "192.0.2.7".parse().unwrap(), link: 2 };
        let far = |name: &str| Way::Overlay { host: "198.51.100.1".parse().unwrap(), mac: mac(name) };
        check(&[], &[], None, 0);
        check(&[peer("here", &["10.42.0.0/24"], &["192.0.2.1"])], &[], None, 0);
        check(&[peer("a", &["10.42.1.0/24"], &["192.0.2.7"])], &[("10.42.1.0/24", near())], None, 0);
        let b = || peer("b", &["10.42.2.0/24", "fd00:2::/112"], &["198.51.100.1"]);
        check(&[b()], &[("10.42.2.0/24", far("b")), ("fd00:2::/112", far("b"))], Some(1450), 0);
        check(&[peer("c", &["10.42.3.0/24"], &["2001:db8::1"])], &[], None, 1);
        check(&[peer("d", &["10.42.0.0/24"], &["192.0.2.7"])], &[], None, 1);
        let twice = [peer("a", &["10.42.1.0/24"], &["192.0.2.7"]), peer("e", &["10.42.1.0/24"], &["192.0.2.8"])];
        check(&twice, &[("10.42.1.0/24", near())], None, 1);
    }

    #[test]
    fn ends_of_the_overlay_are_told_apart() {
        assert_ne!(mac("a"), mac("b"));
        assert_eq!(mac("a")[0] & 3, 2, "a unicast address of local administration");
        assert_ne!(vni(&["a", "b"]), vni(&["ab", ""]));
    }
}
