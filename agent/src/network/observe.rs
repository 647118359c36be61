//! Reads what there is of this instance: pins, records, links.

use std::collections::BTreeMap;
use std::net::IpAddr;

use nlink::netlink::{Connection, Route};

use crate::network::error::{IoContext, Result};
use crate::network::kernel;
use crate::network::names::{Names, Owner};
use crate::network::netns;
use crate::network::records::{PodRecord, Records};

/// A link of this instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkView {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub owner: Owner,
}

/// What there is of one pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodView {
    /// Its record.
    pub record: Option<PodRecord>,
    /// Whether a file stands where its namespace is pinned.
    pub pin: Pin,
    /// Its link.
    pub link: Option<LinkView>,
}

/// What stands at a pod's pin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pin {
    /// Nothing.
    #[default]
    None,
    /// A plain file: what a restart of the machine leaves.
    Dead,
    /// A namespace.
    Live,
}

/// What there is of the whole instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// By pod uid.
    pub pods: BTreeMap<String, PodView>,
    /// Links that waited in a pool.
    pub pool: Vec<LinkView>,
}

/// Everything.
pub async fn all(host: &Connection<Route>, names: &Names, records: &Records) -> Result<Observed> {
    let mut observed = Observed::default();
    for (uid, record) in records.pods()? {
        observed.pods.entry(uid).or_default().record = Some(record);
    }
    for uid in records.pins()? {
        let pin = pin(records, &uid)?;
        observed.pods.entry(uid).or_default().pin = pin;
    }
    for link in links(host, names).await? {
        match link.owner.clone() {
            Owner::Pool => observed.pool.push(link),
            Owner::Pod(uid) => observed.pods.entry(uid).or_default().link = Some(link),
        }
    }
    for (uid, pod) in &mut observed.pods {
        if pod.record.is_none() && pod.pin == Pin::Live {
            pod.record = rebuild(names, records, uid, pod.link.as_ref()).await?;
        }
    }
    Ok(observed)
}

/// What there is of one pod whose record is known.
pub async fn pod(
    host: &Connection<Route>,
    names: &Names,
    records: &Records,
    uid: &str,
    record: &PodRecord,
) -> Result<PodView> {
    let found = host.get_link_by_name(record.interface.as_str()).await;
    let found = found.doing(|| format!("look up link {}", record.interface))?;
    let link = found.and_then(|l| {
        let owner = names.owner(l.name_or(""), l.alias())?;
        (owner == Owner::Pod(uid.to_owned())).then(|| LinkView {
            index: l.ifindex(),
            name: record.interface.clone(),
            owner,
        })
    });
    Ok(PodView { record: Some(record.clone()), pin: pin(records, uid)?, link })
}

/// Every link of this instance.
pub async fn links(host: &Connection<Route>, names: &Names) -> Result<Vec<LinkView>> {
    let all = host.get_links().await.doing(|| "list the links".to_owned())?;
    let ours = all.iter().filter_map(|l| {
        let name = l.name()?;
        let owner = names.owner(name, l.alias())?;
        Some(LinkView { index: l.ifindex(), name: name.to_owned(), owner })
    });
    Ok(ours.collect())
}

fn pin(records: &Records, uid: &str) -> Result<Pin> {
    let path = records.pin(uid);
    if netns::is_pinned(&path)? {
        return Ok(Pin::Live);
    }
    Ok(if path.exists() { Pin::Dead } else { Pin::None })
}

/// A lost record, from the addresses the namespace itself has.
async fn rebuild(names: &Names, records: &Records, uid: &str, link: Option<&LinkView>) -> Result<Option<PodRecord>> {
    let inside = kernel::connect(&netns::open(&records.pin(uid))?)?;
    let Some(eth) = inside.get_link_by_name(kernel::POD_LINK).await.ok().flatten() else {
        return Ok(None);
    };
    let addresses = inside.get_addresses_by_index(eth.ifindex()).await;
    let addresses = addresses.doing(|| format!("read the addresses of pod {uid}"))?;
    let routed = |ip: &IpAddr| !matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
    let ips: Vec<IpAddr> = addresses.iter().filter_map(|a| a.primary_address().copied()).filter(routed).collect();
    let interface = link.map_or_else(|| names.pod_link(uid, 0), |l| l.name.clone());
    Ok((!ips.is_empty()).then_some(PodRecord { ips, interface }))
}
