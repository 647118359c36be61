//! The kernel's word on addresses and routes → the node's own addresses, whenever they are others.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use masthead_wire::manifest::NodeManifest;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::network::error::{Error, Result};
use crate::network::rules::watch::Addresses;
use crate::node::facts;

/// How long after a change it is looked: a new address comes with its routes, and a pod with both.
const QUIET: Duration = Duration::from_millis(300);

type Manifest = watch::Receiver<Option<Arc<NodeManifest>>>;

/// Of a node's addresses those of the families that the cluster's pods have, in their order; IPv4 before that is known,
/// and all where none is of such a family.
pub fn of_cluster(all: &[IpAddr], manifest: Option<&NodeManifest>) -> Vec<IpAddr> {
    let ranges = manifest.map_or(&[][..], |manifest| &manifest.content.setup.pod_cidrs);
    let mut families: Vec<bool> = ranges.iter().map(|range| range.contains(':')).collect();
    if families.is_empty() {
        families.push(false);
    }
    let of = |is_v6: &bool| all.iter().filter(|ip| ip.is_ipv6() == *is_v6).copied().collect::<Vec<_>>();
    let found: Vec<IpAddr> = families.iter().flat_map(of).collect();
    if found.is_empty() { all.to_vec() } else { found }
}

/// Follows the node's addresses from those that it began with, in the caller's network namespace, as far as they are of
/// the cluster's families. While there is no way out of a family, its address stays as it was: a node that is cut off has
/// not moved.
pub fn follow(first: Vec<IpAddr>, manifest: Manifest, stop: CancellationToken) -> watch::Receiver<Vec<IpAddr>> {
    let begin = of_cluster(&first, manifest.borrow().as_deref());
    let (to, addresses) = watch::channel(begin);
    let kernel = Addresses::open().map_err(unseen).ok();
    tokio::spawn(async move {
        tokio::select! {
            () = tell(first, kernel, manifest, &to) => {}
            () = stop.cancelled() => {}
        }
    });
    addresses
}

fn unseen(error: Error) {
    tracing::warn!(%error, "a change of the node's address is not seen before the agent's next start");
}

async fn tell(
    mut all: Vec<IpAddr>,
    mut kernel: Option<Addresses>,
    mut manifest: Manifest,
    to: &watch::Sender<Vec<IpAddr>>,
) {
    loop {
        tokio::select! {
            changed = heard(kernel.as_ref()) => match changed {
                Ok(()) => {
                    tokio::time::sleep(QUIET).await;
                    all = moved(&all, &facts::ways_out());
                }
                Err(error) => {
                    unseen(error);
                    kernel = None;
                }
            },
            changed = manifest.changed() => if changed.is_err() { return },
        }
        let now = of_cluster(&all, manifest.borrow_and_update().as_deref());
        to.send_if_modified(|known| {
            let is_new = *known != now;
            if is_new {
                tracing::info!(from = ?known, to = ?now, "the node's addresses are others");
                *known = now;
            }
            is_new
        });
    }
}

/// Waits for a change, for ever where none is heard of.
async fn heard(kernel: Option<&Addresses>) -> Result<()> {
    match kernel {
        Some(kernel) => kernel.changed().await,
        None => std::future::pending().await,
    }
}

/// The addresses, each family's by its way out now, else as it was.
fn moved(known: &[IpAddr], out: &[IpAddr]) -> Vec<IpAddr> {
    let of = |list: &[IpAddr], is_v6: bool| list.iter().find(|ip| ip.is_ipv6() == is_v6).copied();
    [false, true].into_iter().filter_map(|is_v6| of(out, is_v6).or_else(|| of(known, is_v6))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_clusters_families_decide() {
        let check = |all: &[&str], ranges: &[&str], expect: &[&str]| {
            let mut manifest = NodeManifest::default();
            manifest.content.setup.pod_cidrs = ranges.iter().map(|range| (*range).to_owned()).collect();
            assert_eq!(of_cluster(&ips(all), Some(&manifest)), ips(expect), "{all:?} {ranges:?}");
        };
        let both = ["192.0.2.1", "2001:db8::1"];
        check(&both, &["10.88.0.0/24"], &["192.0.2.1"]);
        check(&both, &["10.88.0.0/24", "fd00:88::/64"], &both);
        check(&both, &["fd00:88::/64", "10.88.0.0/24"], &["2001:db8::1", "192.0.2.1"]);
        check(&both, &["fd00:88::/64"], &["2001:db8::1"]);
        check(&both, &[], &["192.0.2.1"]);
        check(&both[..1], &["fd00:88::/64"], &["192.0.2.1"]);
        assert_eq!(of_cluster(&ips(&both), None), ips(&["192.0.2.1"]));
    }

    #[test]
    fn who_is_cut_off_has_not_moved() {
        let known = ips(&["192.0.2.1", "2001:db8::1"]);
        assert_eq!(moved(&known, &ips(&["192.0.2.9"])), ips(&["192.0.2.9", "2001:db8::1"]));
        assert_eq!(moved(&known, &[]), known);
        assert_eq!(moved(&known[..1], &ips(&["2001:db8::2"])), ips(&["192.0.2.1", "2001:db8::2"]));
    }
}
