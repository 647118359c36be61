//! Sets up, once for the node, what pods need of it: forwarding and an address of its own among theirs.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use nlink::netlink::addr::{Ipv4Address, Ipv6Address};
use nlink::netlink::{Connection, Route};

use crate::network::cidr::Cidr;
use crate::network::error::{IoContext, Result};
use crate::network::records::{HostRecord, Records};

const LOOPBACK: &str = "lo";

/// Brings the node to `cidrs`. Each change is on record before it is made, so that it can be undone.
pub async fn ensure(
    host: &Connection<Route>,
    records: &Records,
    record: &mut HostRecord,
    cidrs: &[Cidr],
) -> Result<()> {
    let wanted: Vec<IpAddr> = cidrs.iter().map(Cidr::node).collect();
    let gone: Vec<IpAddr> = record.node_ips.iter().filter(|ip| !wanted.contains(ip)).copied().collect();
    let sysctls = sysctls(cidrs);
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
    for (key, before) in &record.sysctls {
        if path(key).exists() && read_sysctl(key)? == ON {
            write_sysctl(key, before)?;
        }
    }
    Ok(())
}

/// What every setting of ours is set to.
const ON: &str = "1";

fn sysctls(cidrs: &[Cidr]) -> Vec<(String, String)> {
    let mut keys = Vec::new();
    if cidrs.iter().any(|c| !c.is_v6()) {
        keys.push("net/ipv4/ip_forward");
    }
    if cidrs.iter().any(Cidr::is_v6) {
        keys.push("net/ipv6/conf/all/forwarding");
    }
    keys.into_iter().map(|k| (k.to_owned(), ON.to_owned())).collect()
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
