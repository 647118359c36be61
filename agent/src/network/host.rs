//! Sets up, once for the node, what pods need of it: forwarding and an address of its own among theirs.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use nlink::netlink::addr::{Ipv4Address, Ipv6Address};
use nlink::netlink::{Connection, Route};

use crate::network::cidr::Cidr;
use crate::network::error::{Error, IoContext, Result};
use crate::network::names::Names;
use crate::network::records::{HostRecord, Records};

const LOOPBACK: &str = "lo";

/// Brings the node to `cidrs`. Each change is on record before it is made, so that it can be undone.
pub async fn ensure(
    host: &Connection<Route>,
    names: &Names,
    records: &Records,
    record: &mut HostRecord,
    cidrs: &[Cidr],
) -> Result<()> {
    let wanted: Vec<IpAddr> = cidrs.iter().map(Cidr::node).collect();
    let gone: Vec<IpAddr> = record.node_ips.iter().filter(|ip| !wanted.contains(ip)).copied().collect();
    if cidrs.iter().any(Cidr::is_v6)
        && let Some(why) = lacks_v6()
    {
        return Err(Error::NoV6(why));
    }
    let sysctls = sysctls(names, cidrs, record)?;
    record.cidrs = cidrs.iter().map(Cidr::to_string).collect();
    for ip in &wanted {
        if !record.node_ips.contains(ip) {
            record.node_ips.push(*ip);
        }
    }
    for (key, value) in &sysctls {
        let before = read_sysctl(key)?;
        if before != *value && !record.sysctls.contains_key(key) {
            record.sysctls.insert(key.clone(), before);
        }
    }
    records.keep_host(record)?;
    for (key, value) in &sysctls {
        if read_sysctl(key)? != *value {
            write_sysctl(key, value)?;
        }
    }
    for ip in &wanted {
        add_node_ip(host, *ip).await?;
    }
    for ip in &gone {
        remove_node_ip(host, *ip).await?;
    }
    if !gone.is_empty() {
        record.node_ips = wanted;
        records.keep_host(record)?;
    }
    Ok(())
}

/// Takes back what [`ensure`] did. A setting that somebody changed since is left as it is.
pub async fn undo(host: &Connection<Route>, record: &HostRecord) -> Result<()> {
    for ip in &record.node_ips {
        remove_node_ip(host, *ip).await?;
    }
    put_back(&record.sysctls)
}

/// Puts settings back to what they were. One that somebody changed since is left as it is.
///
/// # Errors
/// The kernel.
pub fn put_back(before: &BTreeMap<String, String>) -> Result<()> {
    for (key, before) in before {
        if path(key).exists() && read_sysctl(key)? == ours(key) {
            write_sysctl(key, before)?;
        }
    }
    Ok(())
}

/// Lets this network namespace forward IPv6. Gives back the settings as they were, those alone that are others now.
///
/// # Errors
/// The kernel.
pub fn forward_v6(names: &Names) -> Result<BTreeMap<String, String>> {
    let mut before = BTreeMap::new();
    let keys = router_advertisements(names, &BTreeMap::new())?;
    for key in keys.into_iter().chain([FORWARDING_V6.to_owned()]) {
        let value = read_sysctl(&key)?;
        if value != ours(&key) {
            write_sysctl(&key, ours(&key))?;
            before.insert(key, value);
        }
    }
    Ok(before)
}

/// What a setting of ours is set to.
fn ours(key: &str) -> &'static str {
    if key.ends_with(ACCEPT_RA) { "2" } else { "1" }
}

/// What the machine takes routers' word by.
const ACCEPT_RA: &str = "/accept_ra";
const FORWARDING_V6: &str = "net/ipv6/conf/all/forwarding";

fn sysctls(names: &Names, cidrs: &[Cidr], record: &HostRecord) -> Result<Vec<(String, String)>> {
    let mut keys = Vec::new();
    if cidrs.iter().any(|c| !c.is_v6()) {
        keys.push("net/ipv4/ip_forward".to_owned());
    }
    if cidrs.iter().any(Cidr::is_v6) {
        keys.extend(router_advertisements(names, &record.sysctls)?);
        keys.push(FORWARDING_V6.to_owned());
    }
    Ok(keys.into_iter().map(|key| (key.clone(), ours(&key).to_owned())).collect())
}

/// A machine that forwards IPv6 takes no router's word any more, and loses the default route that it had from one, where
/// it is not told to go on: links that took it are told so before. One that forwarded already is left as it is.
fn router_advertisements(names: &Names, known: &BTreeMap<String, String>) -> Result<Vec<String>> {
    let known = known.keys().filter(|key| key.ends_with(ACCEPT_RA)).cloned();
    if read_sysctl(FORWARDING_V6)? == ours(FORWARDING_V6) {
        return Ok(known.filter(|key| path(key).exists()).collect());
    }
    let what = || "list the links' settings of IPv6".to_owned();
    let mut keys = Vec::new();
    for link in fs::read_dir(path("net/ipv6/conf")).doing(what)? {
        let name = link.doing(what)?.file_name().to_string_lossy().into_owned();
        let key = format!("net/ipv6/conf/{name}{ACCEPT_RA}");
        let is_uplink =
            !["all", "default", LOOPBACK].contains(&name.as_str()) && !name.starts_with(&names.link_prefix());
        // A link may go at any moment.
        if is_uplink && read_sysctl(&key).is_ok_and(|value| value == "1") {
            keys.push(key);
        }
    }
    Ok(keys)
}

/// Why this network namespace can have no addresses of IPv6, if so.
#[must_use]
pub fn lacks_v6() -> Option<String> {
    for link in ["all", "default", LOOPBACK] {
        let key = format!("net/ipv6/conf/{link}/disable_ipv6");
        match read_sysctl(&key) {
            Ok(value) if value == "0" => {}
            Ok(_) => return Some(format!("{} is 1", key.replace('/', "."))),
            Err(_) => return Some("the kernel runs without IPv6".to_owned()),
        }
    }
    None
}

fn path(key: &str) -> PathBuf {
    PathBuf::from("/proc/sys").join(key)
}

fn read_sysctl(key: &str) -> Result<String> {
    let text = fs::read_to_string(path(key)).doing(|| format!("read sysctl {key}"))?;
    Ok(text.trim().to_owned())
}

fn write_sysctl(key: &str, value: &str) -> Result<()> {
    fs::write(path(key), value).doing(|| format!("set sysctl {key} to {value}"))
}

async fn add_node_ip(host: &Connection<Route>, ip: IpAddr) -> Result<()> {
    let what = || format!("give the node the address {ip}");
    host.set_link_up(LOOPBACK).await.doing(what)?;
    match ip {
        IpAddr::V4(v4) => host.replace_address(Ipv4Address::new(LOOPBACK, v4, 32)).await,
        IpAddr::V6(v6) => host.replace_address(Ipv6Address::new(LOOPBACK, v6, 128).nodad()).await,
    }
    .doing(what)
}

async fn remove_node_ip(host: &Connection<Route>, ip: IpAddr) -> Result<()> {
    let bits = if ip.is_ipv4() { 32 } else { 128 };
    let done = host.del_address_if_exists(LOOPBACK, ip, bits).await;
    done.map(drop).doing(|| format!("take the address {ip} from the node"))
}
