//! The link's manifest → the same manifest, once the pods' names files know what it says of the cluster's DNS.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use masthead_wire::manifest::NodeManifest;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::dns::facts::Facts;
use crate::pods::convert::names::{Learned, Names};

/// The node's own hosts file.
const HOSTS: &str = "/etc/hosts";

type Manifest = watch::Receiver<Option<Arc<NodeManifest>>>;

/// Gives each manifest on after `learned` knows its facts, so that no pod is made with those of before. Without
/// `is_served` the cluster's nameservers are left out: the node does not answer for them.
pub fn before_pods(mut from: Manifest, learned: Learned, is_served: bool, stop: CancellationToken) -> Manifest {
    let (to, manifest) = watch::channel(None);
    tokio::spawn(async move {
        let mut seen: Option<SystemTime> = None;
        loop {
            let next = from.borrow_and_update().clone();
            if let Some(next) = next {
                let hosts = hosts_when_changed(Path::new(HOSTS), &mut seen);
                let names = names(&next, is_served, hosts, &learned.get());
                if names != *learned.get() {
                    learned.set(names);
                }
                to.send_replace(Some(next));
            }
            tokio::select! {
                changed = from.changed() => if changed.is_err() { return },
                () = stop.cancelled() => return,
            }
        }
    });
    manifest
}

fn names(manifest: &NodeManifest, is_served: bool, hosts: Option<String>, old: &Names) -> Names {
    let facts = &manifest.content.setup.facts;
    let addresses = Facts::read(facts).0.addresses;
    Names {
        nameservers: addresses.iter().filter(|_| is_served).map(ToString::to_string).collect(),
        domain: facts.get("cluster_domain").filter(|text| !text.is_empty()).cloned(),
        node_hosts: hosts.unwrap_or_else(|| old.node_hosts.clone()),
    }
}

/// The node's hosts file, when it is another than the last time.
fn hosts_when_changed(path: &Path, seen: &mut Option<SystemTime>) -> Option<String> {
    let changed = std::fs::metadata(path).and_then(|meta| meta.modified()).ok()?;
    if seen.replace(changed) == Some(changed) {
        return None;
    }
    match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) => {
            tracing::warn!(%error, "the node's hosts file can't be read; pods with its network go without");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pods_are_told_after_their_names() {
        let mut manifest = NodeManifest::default();
        let facts = [("dns_ip", "10.96.0.10"), ("cluster_domain", "example.internal")];
        manifest.content.setup.facts = facts.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let (to, from) = watch::channel(None);
        for (is_served, expect) in [(true, vec!["10.96.0.10".to_owned()]), (false, Vec::new())] {
            let (learned, stop) = (Learned::default(), CancellationToken::new());
            let mut given = before_pods(from.clone(), learned.clone(), is_served, stop);
            to.send_replace(Some(Arc::new(manifest.clone())));
            given.wait_for(Option::is_some).await.unwrap();
            let names = learned.get();
            assert_eq!((&names.nameservers, names.domain.as_deref()), (&expect, Some("example.internal")));
        }
    }
}
