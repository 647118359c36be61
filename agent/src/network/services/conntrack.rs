//! Takes away what the kernel remembers of UDP flows to endpoints that are gone, so that they go to another.
//!
//! A flow of UDP has no end: while packets come it would stay with its endpoint for ever. Connections of TCP are left
//! alone: they end by themselves, and an endpoint that ends has a right to finish them.

use std::collections::HashSet;
use std::net::IpAddr;

use nlink::netlink::netfilter::{ConntrackEntry, ConntrackFilter, ConntrackTuple, IpProtocol};
use nlink::netlink::{Connection, Netfilter};

use crate::network::error::{IoContext, Result};
use crate::network::services::book::Book;
use crate::network::services::select::Target;
use crate::network::services::want::Spot;

/// Looks all UDP flows through and forgets the stale ones. Says how many.
pub async fn forget(book: &Book, gone: &HashSet<Spot>) -> Result<usize> {
    let what = || "forget UDP flows".to_owned();
    let conn = Connection::<Netfilter>::new().doing(what)?;
    let udp = ConntrackFilter::new().proto(IpProtocol::Udp);
    let all = conn.get_conntrack_matching(&udp).await.doing(what)?;
    let mut count = 0;
    for flow in all.iter().filter(|flow| is_stale(book, gone, flow)) {
        match conn.del_conntrack_entry(flow).await {
            Ok(()) => count += 1,
            // It ended by itself.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error).doing(what),
        }
    }
    Ok(count)
}

fn is_stale(book: &Book, gone: &HashSet<Spot>, flow: &ConntrackEntry) -> bool {
    let end = |ip: Option<IpAddr>, port: Option<u16>| -> Option<Target> { Some((ip?, port?)) };
    let to = |tuple: &ConntrackTuple| end(tuple.dst_ip, tuple.dst_port);
    let from = |tuple: &ConntrackTuple| end(tuple.src_ip, tuple.src_port);
    match (to(&flow.orig), from(&flow.reply)) {
        (Some(to), Some(by)) => book.is_stale(to, by, gone),
        _ => false,
    }
}
