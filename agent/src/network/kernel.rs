//! Turns what a pod's link needs into netlink requests: the pair, its two ends, the way to the pod.
//!
//! Links are routed, not bridged: each pod has a /32 (or /128) and a gateway that is the node's end of
//! its own link, known by a permanent neighbour entry. So there is no broadcast domain between pods, no
//! hairpin mode, and bridge netfilter never sees their traffic.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use futures::StreamExt;
use nlink::netlink::addr::{Ipv4Address, Ipv6Address};
use nlink::netlink::devconf::Ipv4Devconf;
use nlink::netlink::link::VethLink;
use nlink::netlink::messages::LinkMessage;
use nlink::netlink::neigh::Neighbor;
use nlink::netlink::route::{Ipv4Route, Ipv6Route};
use nlink::netlink::types::link::OperState;
use nlink::netlink::types::route::RouteScope;
use nlink::netlink::{Connection, NetworkEvent, Route, RtnetlinkGroup};

use crate::network::error::{Error, IoContext, Result};

/// A pod's link as the pod sees it.
pub const POD_LINK: &str = "eth0";
/// The gateway of every pod (RFC 3927 link-local, so that it collides with no pod's address).
const GATEWAY_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
/// The same of IPv6.
const GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
/// The node's end of each link: the same everywhere, each being alone with its pod.
const GATEWAY_MAC: [u8; 6] = [0xee; 6];
/// Ethernet's, when the node has no default route to learn a better one from.
const DEFAULT_MTU: u32 = 1500;

/// Longest wait for a new link to carry packets; it takes well under a millisecond on an idle machine.
const SETTLE_MAX: Duration = Duration::from_secs(2);

/// Both ends of a pod's link.
pub struct Ends {
    /// Talks to the kernel inside the pod's namespace.
    pub inside: Connection<Route>,
    /// Index of the node's end.
    pub host_index: u32,
    /// Index of the pod's end.
    pub pod_index: u32,
    /// The pod's hardware address.
    pub pod_mac: [u8; 6],
}

/// Makes a pair, ready to carry packets: `name` here, [`POD_LINK`] in the namespace with all but its addresses.
pub async fn make_pair(host: &Connection<Route>, ns: &OwnedFd, name: &str, mtu: u32) -> Result<Ends> {
    let pair = VethLink::new(name, POD_LINK).mtu(mtu).address(GATEWAY_MAC).peer_netns_fd(ns);
    host.add_link(pair).await.doing(|| format!("make link {name}"))?;
    let ends = find_ends(host, ns, name).await?;
    // A pod cannot send from an address that is not its own; what the node sends from its
    // loopback to a host port reaches the pod.
    let strict = [(Ipv4Devconf::RpFilter, 1), (Ipv4Devconf::RouteLocalnet, 1)];
    host.set_ipv4_devconf_by_index(ends.host_index, &strict).await.doing(|| format!("set up link {name}"))?;
    let inside = &ends.inside;
    let what = || format!("set up the pod's end of {name}");
    inside.set_link_up("lo").await.doing(what)?;
    bring_up(host, ns, &ends).await?;
    let neighbour = Neighbor::with_index_v4(ends.pod_index, GATEWAY_V4).lladdr(GATEWAY_MAC).permanent();
    inside.replace_neighbor(neighbour).await.doing(what)?;
    let gateway = Ipv4Route::new(GATEWAY_V4, 32).dev_index(ends.pod_index).scope(RouteScope::Link);
    inside.replace_route(gateway).await.doing(what)?;
    let default = Ipv4Route::default_route().gateway(GATEWAY_V4).dev_index(ends.pod_index).onlink();
    inside.replace_route(default).await.doing(what)?;
    Ok(ends)
}

/// Brings both ends up and waits until the first to come up carries packets too.
///
/// An end that comes up before its peer gets its transmit queue only when the kernel's link watch, a
/// work queue, has seen the carrier; until then it drops what it is given, and a first connection waits
/// a second for TCP to try again. The second end has its queue at once.
async fn bring_up(host: &Connection<Route>, ns: &OwnedFd, ends: &Ends) -> Result<()> {
    let what = || "bring a pod's link up".to_owned();
    let watch = connect(ns)?;
    watch.subscribe(&[RtnetlinkGroup::Link]).doing(what)?;
    let mut events = watch.events().await;
    ends.inside.set_link_up_by_index(ends.pod_index).await.doing(what)?;
    host.set_link_up_by_index(ends.host_index).await.doing(what)?;
    let carries = |l: &LinkMessage| l.ifindex() == ends.pod_index && l.operstate() == Some(OperState::Up);
    let now = ends.inside.get_link_by_index(ends.pod_index).await.doing(what)?;
    if now.as_ref().is_some_and(carries) {
        return Ok(());
    }
    let settled = async {
        while let Some(event) = events.next().await {
            if let NetworkEvent::NewLink(link) = event.doing(what)?
                && carries(&link)
            {
                break;
            }
        }
        Ok(())
    };
    // Late is no error: the link works, its first packet may not.
    tokio::time::timeout(SETTLE_MAX, settled).await.unwrap_or(Ok(()))
}

/// Finds both ends of a pair that exists.
pub async fn find_ends(host: &Connection<Route>, ns: &OwnedFd, name: &str) -> Result<Ends> {
    let here = link(host, name).await?;
    let inside = connect(ns)?;
    let there = link(&inside, POD_LINK).await?;
    let pod_mac = there.address().and_then(|a| <[u8; 6]>::try_from(a).ok()).unwrap_or_default();
    Ok(Ends { host_index: here.ifindex(), pod_index: there.ifindex(), pod_mac, inside })
}

/// A connection to the kernel inside a namespace.
pub fn connect(ns: &OwnedFd) -> Result<Connection<Route>> {
    Connection::new_in(ns.as_fd()).doing(|| "open netlink in a pod's namespace".to_owned())
}

async fn link(conn: &Connection<Route>, name: &str) -> Result<LinkMessage> {
    let what = || format!("look up link {name}");
    let found = conn.get_link_by_name(name).await.doing(what)?;
    found.ok_or_else(|| Error::Io { what: what(), source: std::io::ErrorKind::NotFound.into() })
}

/// Gives the pod's end its addresses.
pub async fn address_pod(ends: &Ends, ips: &[IpAddr]) -> Result<()> {
    let index = ends.pod_index;
    for ip in ips {
        let what = || format!("give a pod the address {ip}");
        match ip {
            IpAddr::V4(v4) => {
                let address = Ipv4Address::with_index(index, *v4, 32);
                ends.inside.replace_address(address).await.doing(what)?;
            }
            IpAddr::V6(v6) => {
                let address = Ipv6Address::with_index(index, *v6, 128).nodad();
                ends.inside.replace_address(address).await.doing(what)?;
                let gateway = Neighbor::with_index_v6(index, GATEWAY_V6).lladdr(GATEWAY_MAC).permanent();
                ends.inside.replace_neighbor(gateway).await.doing(what)?;
                let default = Ipv6Route::default_route().gateway(GATEWAY_V6).dev_index(index).onlink();
                ends.inside.replace_route(default).await.doing(what)?;
            }
        }
    }
    Ok(())
}

/// Makes the node's end the pod's: its name, its alias, up.
pub async fn name_host_end(host: &Connection<Route>, index: u32, name: &str, alias: &str) -> Result<()> {
    let what = || format!("set up link {name}");
    host.set_link_alias_by_index(index, alias).await.doing(what)?;
    let found = host.get_link_by_index(index).await.doing(what)?;
    if found.as_ref().is_none_or(|l| l.name() != Some(name)) {
        rename(host, index, name).await?;
    }
    if found.is_none_or(|l| !l.is_up()) {
        host.set_link_up_by_index(index).await.doing(what)?;
    }
    Ok(())
}

/// Kernels before 6.3 refuse to rename a link that is up.
async fn rename(host: &Connection<Route>, index: u32, name: &str) -> Result<()> {
    let what = || format!("name link {index} {name}");
    match host.set_link_name_by_index(index, name).await {
        Err(e) if e.is_busy() => {
            host.set_link_down_by_index(index).await.doing(what)?;
            host.set_link_name_by_index(index, name).await.doing(what)?;
            host.set_link_up_by_index(index).await.doing(what)
        }
        done => done.doing(what),
    }
}

/// Leads the node to the pod. `node_ips` are what the node sends from.
pub async fn route_pod(host: &Connection<Route>, ends: &Ends, ips: &[IpAddr], node_ips: &[IpAddr]) -> Result<()> {
    let index = ends.host_index;
    for ip in ips {
        let what = || format!("lead to the pod address {ip}");
        let neighbour = Neighbor::with_index(index, *ip).lladdr(ends.pod_mac).permanent();
        host.replace_neighbor(neighbour).await.doing(what)?;
        match ip {
            IpAddr::V4(v4) => {
                let mut route = Ipv4Route::new(*v4, 32).dev_index(index).scope(RouteScope::Link);
                for node in node_ips {
                    if let IpAddr::V4(node) = node {
                        route = route.prefsrc(*node);
                    }
                }
                host.replace_route(route).await.doing(what)?;
            }
            IpAddr::V6(v6) => {
                let mut route = Ipv6Route::new(*v6, 128).dev_index(index);
                for node in node_ips {
                    if let IpAddr::V6(node) = node {
                        route = route.prefsrc(*node);
                    }
                }
                host.replace_route(route).await.doing(what)?;
            }
        }
    }
    Ok(())
}

/// Removes a link; succeeds when it is gone, also by its namespace ending meanwhile.
pub async fn remove_link(host: &Connection<Route>, index: u32) -> Result<()> {
    match host.del_link_by_index(index).await {
        Err(e) if e.is_not_found() || e.is_no_device() => Ok(()),
        done => done.doing(|| format!("remove link {index}")),
    }
}

/// The MTU of the way out: that of the link with the default route.
pub async fn uplink_mtu(host: &Connection<Route>) -> Result<u32> {
    let what = || "look up the default route".to_owned();
    for route in host.get_routes().await.doing(what)? {
        if let (true, Some(oif)) = (route.is_default() && route.has_gateway(), route.oif()) {
            let link = host.get_link_by_index(oif).await.doing(what)?;
            return Ok(link.and_then(|l| l.mtu()).unwrap_or(DEFAULT_MTU));
        }
    }
    Ok(DEFAULT_MTU)
}
