//! Events of the store → the cluster as one immutable view, with the indexes that deciders need.

use std::collections::BTreeMap;
use std::sync::Arc;

use masthead_api::apps::deployment::Deployment;
use masthead_api::apps::replica_set::ReplicaSet;
use masthead_api::batch::job::Job;
use masthead_api::core::endpoints::Endpoints;
use masthead_api::core::namespace::Namespace;
use masthead_api::core::node::Node;
use masthead_api::core::pod::Pod;
use masthead_api::core::service::Service;
use masthead_api::discovery::endpoint_slice::EndpointSlice;
use masthead_api::gateway::class::GatewayClass;
use masthead_api::gateway::gateway::Gateway;
use masthead_api::gateway::grant::ReferenceGrant;
use masthead_api::gateway::grpc_route::GRPCRoute;
use masthead_api::gateway::http_route::HTTPRoute;
use masthead_api::key::ObjectKey;
use masthead_api::kind::{Kind, Resource};
use masthead_api::meta::OwnerReference;
use masthead_api::networking::ingress::{Ingress, IngressClass};
use masthead_api::networking::network_policy::NetworkPolicy;
use masthead_api::object::Object;

use crate::cluster::event::{Changed, Event, Fault};
use crate::cluster::index::Index;
use crate::cluster::shard::Shard;
use crate::network::ranges::Network;
use crate::origin::Origin;
use crate::service::claims;
use crate::sync::installed::Installed;
use crate::sync::release::ReleaseKey;
use crate::workload::job::streak::Streak;

/// What git last asked for of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The commit's full id.
    pub commit: String,
    /// Where the object was written.
    pub origin: Origin,
    /// The manifest after defaulting.
    pub desired: Arc<Object>,
}

/// All live objects, what git last asked for, and indexes.
///
/// A clone shares everything and copies only what is written after it. Take decisions only from a view that was loaded
/// as a whole: an owner that is not loaded yet looks like one that is gone.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    pub(super) objects: BTreeMap<Kind, BTreeMap<String, Shard>>,
    revision: u64,
    pub(super) applied: Arc<BTreeMap<ObjectKey, Applied>>,
    pub(super) applied_commit: Option<Arc<str>>,
    pub(super) installed: Arc<BTreeMap<ReleaseKey, Arc<Installed>>>,
    /// Keys by the uid of any of their owners.
    pub(super) dependents: Index,
    /// Pods by the node they are bound to; those bound to none are under the empty text.
    pub(super) pods_by_node: Index,
    /// Pods and replica sets without a controller, by namespace.
    pub(super) orphans: Index,
    /// Pods that agents brought into an empty store and that found no owner yet, by namespace.
    pub(super) recovered: Index,
    /// Services by what they hold, lack and select ([`claims`]).
    pub(super) services: Index,
    pub(super) faults: Arc<BTreeMap<ObjectKey, Fault>>,
    /// Of each job whose pods were counted since the view was loaded, by its uid: the pods may be gone.
    pub(super) streaks: Arc<BTreeMap<String, Streak>>,
    pub(super) network: Arc<Network>,
}

impl Cluster {
    /// Takes in one event; `None` when it was stale and the view is as before.
    ///
    /// Stale is a put whose revision is not newer than that of the object in the view, and a gone that is older than
    /// it. A put after a gone is always news: the events of one key must come in the store's order.
    pub fn apply(&mut self, event: Event) -> Option<Changed> {
        let changed = match event {
            Event::Put(object) => self.put(object)?,
            Event::Gone(key, revision) => self.remove(&key, revision)?,
        };
        if let Some(old) = &changed.old {
            self.count_end(old, changed.new.as_ref());
            self.unindex(old);
        }
        if let Some(new) = &changed.new {
            self.index(new);
        }
        Some(changed)
    }

    fn put(&mut self, object: Arc<Object>) -> Option<Changed> {
        let key = object.key();
        let old = self.get(key).cloned();
        // An object of revision 0 was never stored: simulations put such, and each is news.
        if object.revision() > 0 && old.as_ref().is_some_and(|old| object.revision() <= old.revision()) {
            return None;
        }
        self.revision = self.revision.max(object.revision());
        let shards = self.objects.entry(key.kind).or_default();
        match shards.get_mut(&key.namespace) {
            Some(shard) => shard.put(object.clone()),
            None => shards.entry(key.namespace.clone()).or_default().put(object.clone()),
        }
        Some(Changed { old, new: Some(object) })
    }

    fn remove(&mut self, key: &ObjectKey, revision: u64) -> Option<Changed> {
        let old = self.get(key).cloned()?;
        if revision > 0 && revision < old.revision() {
            return None;
        }
        self.revision = self.revision.max(revision);
        let shards = self.objects.get_mut(&key.kind)?;
        let shard = shards.get_mut(&key.namespace)?;
        shard.remove(&key.name);
        if shard.is_empty() {
            shards.remove(&key.namespace);
        }
        Some(Changed { old: Some(old), new: None })
    }

    fn index(&mut self, object: &Arc<Object>) {
        let key = object.key();
        for owner in &object.meta().owner_references {
            self.dependents.add(&owner.uid, key);
        }
        if is_claimable(key.kind) && controller_of(object).is_none() {
            self.orphans.add(&key.namespace, key);
            if is_recovered(object) {
                self.recovered.add(&key.namespace, key);
            }
        }
        if let Err(error) = decodes(object) {
            let fault = Fault { revision: object.revision(), message: error };
            Arc::make_mut(&mut self.faults).insert(key.clone(), fault);
        } else if let Ok(pod) = object.typed::<Pod>() {
            self.pods_by_node.add(&pod.spec.node_name, key);
        } else if let Ok(service) = object.typed::<Service>() {
            claims::of(&service).iter().for_each(|text| self.services.add(text, key));
        }
    }

    fn unindex(&mut self, object: &Arc<Object>) {
        let key = object.key();
        for owner in &object.meta().owner_references {
            self.dependents.remove(&owner.uid, key);
        }
        if is_claimable(key.kind) {
            self.orphans.remove(&key.namespace, key);
            self.recovered.remove(&key.namespace, key);
        }
        if self.faults.contains_key(key) {
            Arc::make_mut(&mut self.faults).remove(key);
        } else if let Ok(pod) = object.typed::<Pod>() {
            self.pods_by_node.remove(&pod.spec.node_name, key);
        } else if let Ok(service) = object.typed::<Service>() {
            claims::of(&service).iter().for_each(|text| self.services.remove(text, key));
        }
    }

    /// The newest revision taken in.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Notes that the view is complete up to `revision`, which may be that of a key that is no object.
    pub fn advance(&mut self, revision: u64) {
        self.revision = self.revision.max(revision);
    }

    /// Records what git asked for of one object, or that it asks for it no more.
    pub fn set_applied(&mut self, key: ObjectKey, applied: Option<Applied>) {
        let records = Arc::make_mut(&mut self.applied);
        match applied {
            Some(applied) => {
                records.insert(key, applied);
            }
            None => {
                records.remove(&key);
            }
        }
    }

    /// Records how far a release has come, or that it is gone.
    pub fn set_installed(&mut self, key: ReleaseKey, installed: Option<Arc<Installed>>) {
        let records = Arc::make_mut(&mut self.installed);
        match installed {
            Some(installed) => drop(records.insert(key, installed)),
            None => drop(records.remove(&key)),
        }
    }

    /// Sets the ranges that the cluster was started with.
    pub fn set_network(&mut self, network: Arc<Network>) {
        self.network = network;
    }

    /// Notes that all writes of a commit are in this view.
    pub fn set_applied_commit(&mut self, commit: Option<&str>) {
        self.applied_commit = commit.map(Arc::from);
    }
}

/// The owner that controls an object.
pub fn controller_of(object: &Object) -> Option<&OwnerReference> {
    object.meta().owner_references.iter().find(|owner| owner.controller == Some(true))
}

/// The annotation of a pod that an agent brought into an empty store: what owned it before, as `Kind/name`.
pub const RECOVERED_OWNER: &str = "masthead.dev/recovered-owner";

/// Whether a pod was brought in by an agent and has not found an owner since.
pub fn is_recovered(object: &Object) -> bool {
    object.kind() == Pod::KIND
        && controller_of(object).is_none()
        && object.meta().annotations.contains_key(RECOVERED_OWNER)
}

/// Whether controllers adopt objects of this kind.
fn is_claimable(kind: Kind) -> bool {
    kind == Pod::KIND || kind == ReplicaSet::KIND
}

/// Decodes the kinds that controllers read, so that a fault shows when it comes in and not when it hurts.
fn decodes(object: &Object) -> Result<(), String> {
    let kind = object.kind();
    let result = match kind {
        _ if kind == Pod::KIND => object.typed::<Pod>().map(drop),
        _ if kind == ReplicaSet::KIND => object.typed::<ReplicaSet>().map(drop),
        _ if kind == Deployment::KIND => object.typed::<Deployment>().map(drop),
        _ if kind == Job::KIND => object.typed::<Job>().map(drop),
        _ if kind == Node::KIND => object.typed::<Node>().map(drop),
        _ if kind == Namespace::KIND => object.typed::<Namespace>().map(drop),
        _ if kind == Service::KIND => object.typed::<Service>().map(drop),
        _ if kind == EndpointSlice::KIND => object.typed::<EndpointSlice>().map(drop),
        _ if kind == Endpoints::KIND => object.typed::<Endpoints>().map(drop),
        _ if kind == Ingress::KIND => object.typed::<Ingress>().map(drop),
        _ if kind == IngressClass::KIND => object.typed::<IngressClass>().map(drop),
        _ if kind == NetworkPolicy::KIND => object.typed::<NetworkPolicy>().map(drop),
        _ if kind == GatewayClass::KIND => object.typed::<GatewayClass>().map(drop),
        _ if kind == Gateway::KIND => object.typed::<Gateway>().map(drop),
        _ if kind == HTTPRoute::KIND => object.typed::<HTTPRoute>().map(drop),
        _ if kind == GRPCRoute::KIND => object.typed::<GRPCRoute>().map(drop),
        _ if kind == ReferenceGrant::KIND => object.typed::<ReferenceGrant>().map(drop),
        _ => Ok(()),
    };
    result.map_err(|error| error.to_string())
}
