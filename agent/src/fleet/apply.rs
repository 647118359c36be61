//! Makes a segment, its nodes' namespaces and the machine's place on it, and takes them away; every step may be repeated.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::Path;

use nlink::netlink::addr::{Ipv4Address, Ipv6Address};
use nlink::netlink::link::{BridgeLink, VethLink};
use nlink::netlink::nftables::{BaseChain, Chain, NatHook, Priority, Rule};
use nlink::netlink::route::{Ipv4Route, Ipv6Route};
use nlink::netlink::{Connection, Route};

use crate::fleet::plan::{self, Places, Prefix, SEGMENT_BITS, SEGMENT_BITS_V6, Segment};
use crate::network::error::{Error, IoContext, Result};
use crate::network::rules::table::{FAMILY, Table};
use crate::network::{host as settings, kernel, netns, rules};

/// The bridge in its namespace.
const BRIDGE: &str = "segment";
/// The machine's port on it.
const MACHINE_PORT: &str = "machine";
/// A node's link to it.
const NODE_LINK: &str = "eth0";
/// Forwarding of what nodes send to the world.
const FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";

/// The prefixes that the machine routes or has addresses in.
pub async fn observe() -> Result<Vec<Prefix>> {
    let host = Connection::<Route>::new().doing(|| "open netlink".to_owned())?;
    let what = || "look up the machine's routes".to_owned();
    let mut taken = Vec::new();
    for route in host.get_routes().await.doing(what)? {
        taken.extend(route.destination().map(|ip| (*ip, route.dst_len())));
    }
    for address in host.get_addresses().await.doing(what)? {
        taken.extend(address.address().map(|ip| (*ip, address.prefix_len())));
    }
    Ok(taken)
}

/// Makes the segment with the machine on it. Gives back the machine's forwarding setting as it was before.
pub async fn ensure(places: &Places, segment: &Segment) -> Result<String> {
    let nodes = places.home.join("nodes");
    fs::create_dir_all(&nodes).doing(|| format!("make {}", nodes.display()))?;
    let host = Connection::<Route>::new().doing(|| "open netlink".to_owned())?;
    let hub = namespace(&places.hub())?;
    let inside = kernel::connect(&hub)?;
    let what = || "make the segment".to_owned();
    inside.set_link_up("lo").await.doing(what)?;
    if inside.get_link_by_name(BRIDGE).await.doing(what)?.is_none() {
        inside.add_link(BridgeLink::new(BRIDGE).stp(false)).await.doing(what)?;
    }
    inside.set_link_up(BRIDGE).await.doing(what)?;
    let link = places.link();
    if host.get_link_by_name(link.as_str()).await.doing(what)?.is_none() {
        let pair = VethLink::new(link.as_str(), MACHINE_PORT).peer_netns_fd(&hub);
        host.add_link(pair).await.doing(|| format!("make link {link}"))?;
    }
    inside.enslave(MACHINE_PORT, BRIDGE).await.doing(what)?;
    host.set_link_up(link.as_str()).await.doing(what)?;
    let address = Ipv4Address::new(link.as_str(), segment.machine(), SEGMENT_BITS);
    host.replace_address(address).await.doing(|| format!("give {link} its address"))?;
    let nft = rules::apply::connect()?;
    rules::apply::replace(&nft, way_out(places, segment).doing(|| "build the nftables table".to_owned())?).await?;
    rules::forward::ensure(&nft, &places.names).await?;
    let before = fs::read_to_string(FORWARD).doing(|| format!("read {FORWARD}"))?;
    fs::write(FORWARD, "1").doing(|| format!("set {FORWARD}"))?;
    Ok(before.trim().to_owned())
}

/// Gives the machine its place among the segment's addresses of IPv6. Gives back the machine's settings as they were
/// before, those alone that are others now.
///
/// # Errors
/// IPv6 is off on this machine, or the kernel refuses.
pub async fn ensure_v6(places: &Places, segment: &Segment) -> Result<BTreeMap<String, String>> {
    let Some(machine) = segment.machine_v6() else { return Ok(BTreeMap::new()) };
    if let Some(why) = settings::lacks_v6() {
        return Err(Error::NoV6(why));
    }
    let host = Connection::<Route>::new().doing(|| "open netlink".to_owned())?;
    let link = places.link();
    let address = Ipv6Address::new(link.as_str(), machine, SEGMENT_BITS_V6).nodad();
    host.replace_address(address).await.doing(|| format!("give {link} its address of IPv6"))?;
    let nft = rules::apply::connect()?;
    rules::apply::replace(&nft, way_out(places, segment).doing(|| "build the nftables table".to_owned())?).await?;
    settings::forward_v6(&places.names)
}

/// What nodes send to the world goes out with the machine's address.
fn way_out(places: &Places, segment: &Segment) -> std::result::Result<Table, nlink::Error> {
    let name = places.table();
    let leaving = Chain::new(name.as_str(), "leaving")?
        .family(FAMILY)
        .base(BaseChain::nat(NatHook::Postrouting, Priority::SrcNat));
    let v6 = segment.base_v6.map(|base| (IpAddr::V6(base), SEGMENT_BITS_V6));
    let rules = [Some((IpAddr::V4(segment.base), SEGMENT_BITS)), v6].into_iter().flatten().map(|(base, bits)| {
        let rule = Rule::new(&name, "leaving").family(FAMILY);
        rule.match_saddr(base, bits).match_oif_not(&places.link()).masquerade()
    });
    let rules = rules.collect();
    Ok(Table { name, chains: vec![leaving], sets: Vec::new(), rules })
}

/// Makes a node's namespace with its link to the segment; `number` gives its address.
pub async fn ensure_node(places: &Places, segment: &Segment, name: &str, number: u8) -> Result<()> {
    let what = || format!("make the network of node {name}");
    let hub = netns::open(&places.hub())?;
    let bridge = kernel::connect(&hub)?;
    let ns = namespace(&places.node(name))?;
    let inside = kernel::connect(&ns)?;
    inside.set_link_up("lo").await.doing(what)?;
    let port = plan::port(number);
    if inside.get_link_by_name(NODE_LINK).await.doing(what)?.is_none() {
        if let Some(stale) = bridge.get_link_by_name(port.as_str()).await.doing(what)? {
            kernel::remove_link(&bridge, stale.ifindex()).await?;
        }
        bridge.add_link(VethLink::new(port.as_str(), NODE_LINK).peer_netns_fd(&ns)).await.doing(what)?;
    }
    bridge.enslave(port.as_str(), BRIDGE).await.doing(what)?;
    inside.set_link_up(NODE_LINK).await.doing(what)?;
    let address = Ipv4Address::new(NODE_LINK, segment.node(number), SEGMENT_BITS);
    inside.replace_address(address).await.doing(what)?;
    let default = Ipv4Route::default_route().gateway(segment.machine()).dev(NODE_LINK);
    inside.replace_route(default).await.doing(what)?;
    if let (Some(own), Some(machine)) = (segment.node_v6(number), segment.machine_v6()) {
        let address = Ipv6Address::new(NODE_LINK, own, SEGMENT_BITS_V6).nodad();
        inside.replace_address(address).await.doing(what)?;
        let default = Ipv6Route::default_route().gateway(machine).dev(NODE_LINK);
        inside.replace_route(default).await.doing(what)?;
    }
    Ok(())
}

/// Plugs a node's link in or out: what a cable that is pulled does.
pub async fn plug(places: &Places, number: u8, is_in: bool) -> Result<()> {
    let hub = netns::open(&places.hub())?;
    let bridge = kernel::connect(&hub)?;
    let port = plan::port(number);
    if is_in { bridge.set_link_up(port.as_str()).await } else { bridge.set_link_down(port.as_str()).await }
        .doing(|| format!("switch {port}"))
}

/// Leads the machine to addresses behind a node: its pods', or the cluster's services.
pub async fn lead(places: &Places, prefix: Prefix, via: IpAddr) -> Result<()> {
    let host = Connection::<Route>::new().doing(|| "open netlink".to_owned())?;
    let what = || format!("lead to {}/{} by {via}", prefix.0, prefix.1);
    match (prefix.0, via) {
        (IpAddr::V4(to), IpAddr::V4(via)) => {
            host.replace_route(Ipv4Route::new(to, prefix.1).gateway(via).dev(places.link())).await.doing(what)
        }
        (IpAddr::V6(to), IpAddr::V6(via)) => {
            host.replace_route(Ipv6Route::new(to, prefix.1).gateway(via).dev(places.link())).await.doing(what)
        }
        _ => Err(Error::Misplaced(what())),
    }
}

/// Takes a way of [`lead`] back; succeeds when there is none.
pub async fn mislead(places: &Places, prefix: Prefix) -> Result<()> {
    let host = Connection::<Route>::new().doing(|| "open netlink".to_owned())?;
    let done = match prefix.0 {
        IpAddr::V4(to) => host.del_route_if_exists(Ipv4Route::new(to, prefix.1).dev(places.link())).await,
        IpAddr::V6(to) => host.del_route_if_exists(Ipv6Route::new(to, prefix.1).dev(places.link())).await,
    };
    done.map(drop).doing(|| format!("forget the way to {}/{}", prefix.0, prefix.1))
}

/// Takes a node's namespace away; its agent and its pods must be gone.
pub async fn remove_node(places: &Places, name: &str, number: u8) -> Result<()> {
    if netns::is_pinned(&places.hub())? {
        let bridge = kernel::connect(&netns::open(&places.hub())?)?;
        let port = plan::port(number);
        let found = bridge.get_link_by_name(port.as_str()).await.doing(|| format!("look up link {port}"))?;
        if let Some(link) = found {
            kernel::remove_link(&bridge, link.ifindex()).await?;
        }
    }
    netns::unpin(&places.node(name))
}

/// Takes the whole segment away, and puts the machine's forwarding, and its settings of IPv6, back to what they were, when
/// we changed them.
pub async fn remove(
    places: &Places,
    forward_before: Option<&str>,
    settings_before: &BTreeMap<String, String>,
) -> Result<()> {
    let host = Connection::<Route>::new().doing(|| "open netlink".to_owned())?;
    let link = places.link();
    let what = || format!("remove link {link}");
    if let Some(found) = host.get_link_by_name(link.as_str()).await.doing(what)? {
        kernel::remove_link(&host, found.ifindex()).await?;
    }
    for name in pins(&places.home.join("nodes"))? {
        netns::unpin(&places.node(&name))?;
    }
    netns::unpin(&places.hub())?;
    let nft = rules::apply::connect()?;
    rules::forward::remove(&nft, &places.names).await?;
    rules::apply::remove(&nft, &places.table()).await?;
    if let Some(before) = forward_before {
        fs::write(FORWARD, before).doing(|| format!("set {FORWARD} back"))?;
    }
    settings::put_back(settings_before)?;
    match fs::remove_dir_all(&places.home) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).doing(|| format!("remove {}", places.home.display()))
        }
        _ => Ok(()),
    }
}

fn pins(dir: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.doing(|| format!("read {}", dir.display()))?,
    };
    Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// The pinned namespace, made where it is missing; a restart of the machine leaves a plain file of a pin.
fn namespace(pin: &Path) -> Result<OwnedFd> {
    if !netns::is_pinned(pin)? {
        netns::unpin(pin)?;
        netns::pin(&netns::create()?, pin)?;
    }
    netns::open(pin)
}
