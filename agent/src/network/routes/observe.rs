//! This node's routes and links → how an address is reached from here.

use std::collections::HashMap;
use std::net::IpAddr;

use nlink::netlink::types::route::RouteType;
use nlink::netlink::{Connection, Route};

use crate::network::error::{IoContext, Result};
use crate::network::routes::apply::is_ours;
use crate::network::routes::plan::Reach;
use crate::network::services::model::Net;
use crate::network::services::want::covers;

/// `RT_TABLE_MAIN`.
const MAIN: u32 = 254;

/// A route that others made.
struct Known {
    net: Net,
    link: u32,
    has_gateway: bool,
    source: Option<IpAddr>,
}

/// What leads where.
pub struct Underlay {
    routes: Vec<Known>,
    mtus: HashMap<u32, u32>,
    addresses: Vec<(u32, IpAddr)>,
}

impl Underlay {
    /// Reads routes, links and addresses.
    pub async fn read(host: &Connection<Route>) -> Result<Self> {
        let what = || "read the routes of this node".to_owned();
        let mut routes = Vec::new();
        for route in host.get_routes().await.doing(what)? {
            let Some(link) = route.oif().filter(|_| route.table_id() == MAIN) else { continue };
            if route.route_type() != RouteType::Unicast || is_ours(&route) {
                continue;
            }
            let none: IpAddr = if route.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
            let net = Net { base: route.destination().copied().unwrap_or(none), bits: route.dst_len() };
            let has_gateway = route.has_gateway() || route.via().is_some();
            routes.push(Known { net, link, has_gateway, source: route.prefsrc().copied() });
        }
        // The longest prefix first.
        routes.sort_by_key(|route| std::cmp::Reverse(route.net.bits));
        let mut mtus = HashMap::new();
        for link in host.get_links().await.doing(what)? {
            mtus.extend(link.mtu().map(|mtu| (link.ifindex(), mtu)));
        }
        let mut addresses = Vec::new();
        for address in host.get_addresses().await.doing(what)? {
            // Nothing is sent to others from an address of a link alone.
            let ip = address.primary_address().filter(|ip| !matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()));
            addresses.extend(ip.map(|ip| (address.ifindex(), *ip)));
        }
        Ok(Self { routes, mtus, addresses })
    }

    /// How an address is reached; none when it is this node's own, or not reached at all.
    pub fn reach(&self, ip: IpAddr) -> Option<Reach> {
        if self.addresses.iter().any(|(_, own)| *own == ip) {
            return None;
        }
        let route = self.routes.iter().find(|route| covers(&route.net, ip))?;
        let own = |(link, own): &&(u32, IpAddr)| *link == route.link && own.is_ipv6() == ip.is_ipv6();
        let source = route.source.or_else(|| self.addresses.iter().find(own).map(|(_, own)| *own));
        let mtu = self.mtus.get(&route.link).copied()?;
        Some(Reach { link: route.link, mtu, is_on_link: !route.has_gateway, source })
    }
}
