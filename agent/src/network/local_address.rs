//! An address that is served on this node alone → on the loopback link, on record, and gone with the instance.

use std::net::IpAddr;
use std::path::Path;

use nlink::netlink::addr::{Ipv4Address, Ipv6Address};
use nlink::netlink::types::addr::Scope;
use nlink::netlink::{Connection, Route};

use crate::network::error::{IoContext, Result};
use crate::network::records::{self, Records};

const LOOPBACK: &str = "lo";
/// Seconds of a lifetime that never ends.
const FOREVER_S: u32 = u32::MAX;

/// Adds `ip` to the loopback link of the caller's network namespace; repeated, it changes nothing.
///
/// Nothing is ever sent from it unless a program binds to it: masquerading takes no address of host scope (IPv4),
/// and source selection none whose preferred lifetime is over (IPv6). It is on record in `data_dir` before, so
/// that [`crate::network::destroy`] takes it away.
///
/// # Errors
/// The kernel, or the record.
pub async fn ensure_local_address(data_dir: &Path, ip: IpAddr) -> Result<()> {
    let records = Records::open(&records::home(data_dir))?;
    let mut known = records.local_ips()?;
    if !known.contains(&ip) {
        known.push(ip);
        records.keep_local_ips(&known)?;
    }
    let what = || format!("serve {ip} on this node");
    let host = Connection::<Route>::new().doing(what)?;
    host.set_link_up(LOOPBACK).await.doing(what)?;
    match ip {
        IpAddr::V4(v4) => host.replace_address(Ipv4Address::new(LOOPBACK, v4, 32).scope(Scope::Host)).await,
        IpAddr::V6(v6) => {
            let address = Ipv6Address::new(LOOPBACK, v6, 128).nodad();
            host.replace_address(address.valid_lifetime(FOREVER_S).preferred_lifetime(0)).await
        }
    }
    .doing(what)
}

/// Takes such an address away; succeeds when it is not there.
///
/// # Errors
/// The kernel.
pub async fn take_away(host: &Connection<Route>, ip: IpAddr) -> Result<()> {
    let bits = if ip.is_ipv4() { 32 } else { 128 };
    let done = host.del_address_if_exists(LOOPBACK, ip, bits).await;
    done.map(drop).doing(|| format!("take the address {ip} from the loopback link"))
}
