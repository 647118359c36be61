//! Sends the node's table to the kernel: as a whole, as a change of elements, or away.

use nix::sys::socket::{setsockopt, sockopt};
use nlink::netlink::nftables::{RawMessage, SetElement, Transaction};
use nlink::netlink::{Connection, Nftables};

use crate::network::error::{IoContext, Result};
use crate::network::rules::ports::{Change, Elements, Map};
use crate::network::rules::table::{self, FAMILY, Table};

/// A batch goes out in one message, and the default buffer refuses one of some hundred elements.
const SEND_BUFFER_BYTES: usize = 32 << 20;
/// Elements in one netlink attribute, whose length is 16 bits.
pub const ELEMENTS: usize = 500;
/// `NFT_MSG_NEWTABLE`.
const NEW_TABLE: u8 = 0;
/// `NLM_F_CREATE`: make it where missing.
const CREATE: u16 = 0x400;
/// `NFTA_TABLE_NAME`.
const TABLE_NAME: u16 = 1;

/// A connection that takes batches of any size we send.
pub fn connect() -> Result<Connection<Nftables>> {
    let conn = match Connection::<Nftables>::new().doing(|| "open netlink for nftables".to_owned()) {
        Err(error) if error.is_unsupported() => return Err(error.lacking("nf_tables")),
        conn => conn?,
    };
    setsockopt(conn.socket(), sockopt::SndBufForce, &SEND_BUFFER_BYTES)
        .doing(|| "grow the send buffer for nftables".to_owned())?;
    Ok(conn)
}

/// Replaces the table as a whole, in one step: no packet sees it missing.
pub async fn replace(conn: &Connection<Nftables>, table: Table) -> Result<()> {
    let mut batch = conn.transaction().raw(ensure(&table.name)).del_table(&table.name, FAMILY);
    batch = batch.add_table(&table.name, FAMILY);
    for chain in table.chains {
        batch = batch.add_chain(chain);
    }
    for (set, elements) in table.sets {
        batch = batch.add_set(set.clone());
        for part in elements.chunks(ELEMENTS) {
            batch = batch.add_set_elements(&set, part);
        }
    }
    for rule in table.rules {
        batch = batch.add_rule(rule);
    }
    commit(conn, batch, "replace the nftables table").await
}

/// Changes elements only.
pub async fn change(conn: &Connection<Nftables>, name: &str, change: &Change) -> Result<()> {
    let mut batch = conn.transaction();
    let mut changed = false;
    for (elements, add) in [(&change.remove, false), (&change.add, true)] {
        for (set, members) in by_set(name, elements) {
            for part in members.chunks(ELEMENTS) {
                changed = true;
                batch = if add { batch.add_set_elements(&set, part) } else { batch.del_set_elements(&set, part) };
            }
        }
    }
    if changed { commit(conn, batch, "change host ports").await } else { Ok(()) }
}

/// Removes the table; succeeds when there is none.
pub async fn remove(conn: &Connection<Nftables>, name: &str) -> Result<()> {
    let batch = conn.transaction().raw(ensure(name)).del_table(name, FAMILY);
    commit(conn, batch, "remove the nftables table").await
}

/// Makes the table where it is missing, so that deleting it cannot fail (the kernel's own message for
/// that is newer than 6.3).
pub fn ensure(name: &str) -> RawMessage {
    let length = u16::try_from(name.len() + 5).unwrap_or(u16::MAX);
    let mut attribute = length.to_ne_bytes().to_vec();
    attribute.extend(TABLE_NAME.to_ne_bytes());
    attribute.extend(name.as_bytes());
    attribute.push(0);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    RawMessage::new(NEW_TABLE, FAMILY).flags(CREATE).attrs(attribute)
}

fn by_set(name: &str, elements: &Elements) -> Vec<(nlink::netlink::nftables::Set, Vec<SetElement>)> {
    let mut sets = Vec::new();
    for v6 in [false, true] {
        for map in [Map::At, Map::Any] {
            let held = elements.ports.iter().filter(|(k, _)| k.map == map && k.v6 == v6);
            let members: Vec<SetElement> = held.map(|(k, t)| table::port_element(k, t)).collect();
            sets.push((table::ports_set(name, map, v6), members));
        }
        let held = elements.hairpins.iter().filter(|ip| ip.is_ipv6() == v6);
        sets.push((table::hairpins(name, v6), held.map(|ip| table::hairpin_element(*ip)).collect()));
    }
    sets
}

/// Sends a batch.
pub async fn commit(conn: &Connection<Nftables>, batch: Transaction, what: &str) -> Result<()> {
    match batch.commit(conn).await.doing(|| what.to_owned()) {
        Err(error) if error.is_unsupported() => Err(error.lacking("nf_tables with NAT")),
        done => done,
    }
}
