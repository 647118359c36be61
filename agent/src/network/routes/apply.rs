//! Ways to other nodes' pods → routes, the overlay's link, and whom it knows, by netlink.

use std::net::IpAddr;

use nlink::netlink::addr::{Ipv4Address, Ipv6Address};
use nlink::netlink::fdb::FdbEntryBuilder;
use nlink::netlink::link::VxlanLink;
use nlink::netlink::messages::RouteMessage;
use nlink::netlink::neigh::Neighbor;
use nlink::netlink::route::{Ipv4Route, Ipv6Route};
use nlink::netlink::types::route::{RouteProtocol, RouteScope};
use nlink::netlink::{Connection, Route};

use crate::network::cidr::Cidr;
use crate::network::error::{IoContext, Result};
use crate::network::kernel;
use crate::network::names::Names;
use crate::network::records::Records;
use crate::network::routes::plan::{Overlay, PORT, Wanted, Way};

/// Marks our routes (`m`; no routing daemon has this number).
const PROTOCOL: u8 = 109;

/// Whether a route is of an instance of ours.
pub fn is_ours(route: &RouteMessage) -> bool {
    route.protocol() == RouteProtocol::from(PROTOCOL)
}

/// Brings the kernel from what is on record to what is wanted. What is wanted is on record before it is there.
///
/// # Errors
/// The kernel, or the record; it may be repeated.
pub async fn bring(host: &Connection<Route>, names: &Names, records: &Records, wanted: &Wanted) -> Result<()> {
    let held = records.routes()?;
    let mut both = wanted.clone();
    for (cidr, way) in &held.ways {
        both.ways.entry(cidr.clone()).or_insert_with(|| way.clone());
    }
    both.overlay = both.overlay.or_else(|| held.overlay.clone());
    if both != held {
        records.keep_routes(&both)?;
    }
    let mut link = overlay(host, names, wanted.overlay.as_ref(), held.overlay.as_ref()).await?;
    for (text, way) in &wanted.ways {
        let cidr: Cidr = text.parse()?;
        add(host, cidr, way, link).await?;
    }
    for (text, way) in held.ways.iter().filter(|(cidr, _)| !wanted.ways.contains_key(*cidr)) {
        remove(host, text.parse()?, way, link).await?;
    }
    // A node that moved between links leaves its old entry in the overlay.
    for (text, way) in held.ways.iter().filter(|(cidr, way)| wanted.ways.get(*cidr).is_some_and(|new| new != *way)) {
        forget(host, text.parse()?, way, link).await?;
    }
    if wanted.overlay.is_none()
        && let Some(link) = link.take()
    {
        kernel::remove_link(host, link).await?;
    }
    if both != *wanted {
        records.keep_routes(wanted)?;
    }
    Ok(())
}

/// Makes the overlay's link, anew where it is another; gives back its index, when there is one.
async fn overlay(
    host: &Connection<Route>,
    names: &Names,
    wanted: Option<&Overlay>,
    held: Option<&Overlay>,
) -> Result<Option<u32>> {
    let name = names.overlay_link();
    let what = || format!("set up the overlay's link {name}");
    let found = host.get_link_by_name(name.as_str()).await.doing(what)?;
    let Some(wanted) = wanted else { return Ok(found.map(|link| link.ifindex())) };
    let mut index = found.map(|link| link.ifindex());
    if let Some(stale) = index.filter(|_| held != Some(wanted)) {
        kernel::remove_link(host, stale).await?;
        index = None;
    }
    let index = match index {
        Some(index) => index,
        None => {
            let link = VxlanLink::new(name.as_str(), wanted.vni).port(PORT).learning(false).mtu(wanted.mtu);
            let link = link.address(wanted.mac).dev_index(wanted.link);
            let link = match wanted.local {
                IpAddr::V4(v4) => link.local(v4),
                IpAddr::V6(v6) => link.local6(v6),
            };
            host.add_link(link).await.doing(what)?;
            let made = host.get_link_by_name(name.as_str()).await.doing(what)?;
            made.map(|link| link.ifindex()).unwrap_or_default()
        }
    };
    for ip in &wanted.ips {
        match ip {
            IpAddr::V4(v4) => host.replace_address(Ipv4Address::with_index(index, *v4, 32)).await.doing(what)?,
            IpAddr::V6(v6) => {
                host.replace_address(Ipv6Address::with_index(index, *v6, 128).nodad()).await.doing(what)?
            }
        }
    }
    host.set_link_up_by_index(index).await.doing(what)?;
    Ok(Some(index))
}

async fn add(host: &Connection<Route>, cidr: Cidr, way: &Way, overlay: Option<u32>) -> Result<()> {
    let what = || format!("lead to the pods of {cidr}");
    let (via, link) = match way {
        Way::Direct { via, link } => (*via, *link),
        Way::Overlay { host: node, mac } => {
            let Some(link) = overlay else { return Ok(()) };
            let entry = FdbEntryBuilder::new(*mac).ifindex(link).dst(*node).self_().permanent();
            host.replace_fdb(entry).await.doing(what)?;
            let neighbour = Neighbor::with_index(link, cidr.base()).lladdr(*mac).permanent();
            host.replace_neighbor(neighbour).await.doing(what)?;
            (cidr.base(), link)
        }
    };
    let protocol = RouteProtocol::from(PROTOCOL);
    match (cidr.base(), via) {
        (IpAddr::V4(base), IpAddr::V4(via)) => {
            let route = Ipv4Route::new(base, cidr.bits()).gateway(via).dev_index(link).onlink().protocol(protocol);
            host.replace_route(route).await.doing(what)
        }
        (IpAddr::V6(base), IpAddr::V6(via)) => {
            let route = Ipv6Route::new(base, cidr.bits()).gateway(via).dev_index(link).onlink().protocol(protocol);
            host.replace_route(route).await.doing(what)
        }
        // A plan has no such way.
        _ => Ok(()),
    }
}

async fn remove(host: &Connection<Route>, cidr: Cidr, way: &Way, overlay: Option<u32>) -> Result<()> {
    let what = || format!("stop leading to the pods of {cidr}");
    let protocol = RouteProtocol::from(PROTOCOL);
    match cidr.base() {
        IpAddr::V4(base) => {
            let route = Ipv4Route::new(base, cidr.bits()).scope(RouteScope::Universe).protocol(protocol);
            host.del_route_if_exists(route).await.map(drop).doing(what)?;
        }
        IpAddr::V6(base) => {
            let route = Ipv6Route::new(base, cidr.bits()).protocol(protocol);
            host.del_route_if_exists(route).await.map(drop).doing(what)?;
        }
    }
    forget(host, cidr, way, overlay).await
}

/// Takes a node out of the overlay.
async fn forget(host: &Connection<Route>, cidr: Cidr, way: &Way, overlay: Option<u32>) -> Result<()> {
    let what = || format!("forget the node of {cidr}");
    let (Way::Overlay { host: node, mac }, Some(link)) = (way, overlay) else { return Ok(()) };
    let neighbour = Neighbor::with_index(link, cidr.base());
    host.del_neighbor_if_exists(neighbour).await.map(drop).doing(what)?;
    match host.del_fdb_entry(FdbEntryBuilder::new(*mac).ifindex(link).dst(*node).self_()).await {
        Err(error) if error.is_not_found() => Ok(()),
        done => done.doing(what),
    }
}
