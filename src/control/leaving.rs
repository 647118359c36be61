//! Pods that are to stop → the same pods, once every connected node has taken their endpoints out of its tables.
//!
//! A pod's node would else stop its containers while other nodes still send new connections to it: both learn of the
//! deletion at the same moment. So the mark of deletion is held back from the pod's own node until the nodes say that a
//! manifest in which its endpoints are terminating is in their tables, and for [`HOLD_MAX_MS`] at most. A node that says
//! that it can't bring its tables to what they should be is not waited for.

use std::collections::BTreeMap;
use std::sync::Arc;

use masthead_api::core::pod::Pod;
use masthead_api::core::service::Service;
use masthead_api::discovery::endpoint_slice::EndpointSlice;
use masthead_api::object::Object;
use masthead_plan::cluster::event::Changed;
use masthead_plan::cluster::view::Cluster;
use masthead_plan::service::reconcile::{owned_slices, selecting};
use masthead_wire::object::{Attachment, PodEntry};

use crate::control::common::key_of;
use crate::nodes::plan::Tables;

/// How long a pod's end is held back at most: a node that does not answer must not keep others from stopping.
pub const HOLD_MAX_MS: u64 = 2000;

/// A pod whose end is held back.
struct Waiting {
    node: String,
    pod: Arc<Object>,
    entry: Arc<PodEntry>,
    until_ms: u64,
}

/// All pods whose end is held back, by uid.
#[derive(Default)]
pub struct Leaving(BTreeMap<Arc<str>, Waiting>);

/// Whether a change is the first mark of a deletion with grace, of a pod that serves.
pub fn begins(cluster: &Cluster, changed: &Changed) -> bool {
    let (Some(old), Some(new)) = (&changed.old, &changed.new) else { return false };
    let (was, is) = (old.meta(), new.meta());
    let marked = was.deletion_timestamp.is_none() && is.deletion_timestamp.is_some();
    let graceful = is.deletion_grace_period_seconds.is_some_and(|grace_s| grace_s > 0);
    if !marked || !graceful || was.uid != is.uid {
        return false;
    }
    let serves = |pod: Arc<Pod>| pod.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
    old.typed::<Pod>().is_ok_and(serves) && selecting(cluster, new).next().is_some()
}

impl Leaving {
    /// Holds a pod's end back.
    pub fn hold(&mut self, node: &str, pod: Arc<Object>, entry: Arc<PodEntry>, now_ms: u64) {
        let until_ms = now_ms.saturating_add(HOLD_MAX_MS);
        self.0.insert(entry.uid.clone(), Waiting { node: node.to_owned(), pod, entry, until_ms });
    }

    /// Takes in a later version of a pod whose end is held back; says whether it is such a pod.
    pub fn update(&mut self, pod: &Arc<Object>, entry: &Arc<PodEntry>) -> bool {
        let Some(waiting) = self.0.get_mut(&entry.uid) else { return false };
        waiting.pod = pod.clone();
        waiting.entry = entry.clone();
        true
    }

    /// Forgets a pod that is gone.
    pub fn forget(&mut self, uid: &str) {
        self.0.remove(uid);
    }

    /// Whether any is held back.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When the first is held back no longer.
    pub fn due_ms(&self) -> Option<u64> {
        self.0.values().map(|waiting| waiting.until_ms).min()
    }

    /// The pods, with their nodes, that wait no longer; `tables` is what those of the connected nodes say.
    pub fn release(&mut self, cluster: &Cluster, now_ms: u64, tables: &[Tables]) -> Vec<(String, Arc<PodEntry>)> {
        let mut seen = Seen::default();
        let ready: Vec<Arc<str>> = self
            .0
            .iter()
            .filter(|(_, waiting)| waiting.until_ms <= now_ms || has_left(cluster, waiting, tables, &mut seen))
            .map(|(uid, _)| uid.clone())
            .collect();
        let released = ready.into_iter().filter_map(|uid| self.0.remove(&uid));
        released.map(|waiting| (waiting.node, waiting.entry)).collect()
    }
}

/// Slices that were read already; nodes hold the same allocation of the same slice.
type Seen = BTreeMap<*const Attachment, Option<EndpointSlice>>;

/// Whether no node sends new connections to a pod, by what is stored and by what the nodes' tables say.
fn has_left(cluster: &Cluster, waiting: &Waiting, tables: &[Tables], seen: &mut Seen) -> bool {
    if tables.contains(&Tables::Unknown) {
        return false;
    }
    let uid = &waiting.entry.uid;
    let services: Vec<Arc<Service>> =
        selecting(cluster, &waiting.pod).filter_map(|service| service.typed::<Service>().ok()).collect();
    for service in &services {
        for (object, slice) in owned_slices(cluster, &service.metadata.uid) {
            if !is_out(&slice, uid) {
                return false;
            }
            let key = key_of(object.key());
            let contents = tables.iter().filter_map(|tables| match tables {
                Tables::Are(content) => Some(content),
                Tables::Unknown | Tables::Broken => None,
            });
            for attachment in contents.filter_map(|content| content.attachments.get(&key)) {
                let read = || serde_json::from_slice(&attachment.bytes).ok();
                let slice = seen.entry(Arc::as_ptr(attachment)).or_insert_with(read);
                if !slice.as_ref().is_none_or(|slice| is_out(slice, uid)) {
                    return false;
                }
            }
        }
    }
    true
}

/// Whether a slice has no endpoint of a pod, or has it as terminating.
fn is_out(slice: &EndpointSlice, uid: &str) -> bool {
    let its = slice.endpoints.iter().filter(|e| e.target_ref.as_ref().is_some_and(|target| target.uid == uid));
    { its }.all(|endpoint| endpoint.conditions.terminating == Some(true))
}
