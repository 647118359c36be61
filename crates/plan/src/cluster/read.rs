//! The view → what deciders ask of it: lookups by key, kind, namespace, owner and node.

use std::collections::BTreeMap;
use std::sync::Arc;

use masthead_api::core::namespace::Namespace;
use masthead_api::key::ObjectKey;
use masthead_api::kind::{Kind, Resource};
use masthead_api::object::Object;

use crate::cluster::event::Fault;
use crate::cluster::shard::Shard;
use crate::cluster::view::{Applied, Cluster, controller_of};
use crate::network::ranges::Network;
use crate::sync::installed::Installed;
use crate::sync::release::ReleaseKey;

impl Cluster {
    /// The object of a key.
    pub fn get(&self, key: &ObjectKey) -> Option<&Arc<Object>> {
        self.objects.get(&key.kind)?.get(&key.namespace)?.get(&key.name)
    }

    /// The object of a key as its type; `None` when there is none or it does not decode.
    pub fn typed<T: Resource + Send + Sync + 'static>(&self, key: &ObjectKey) -> Option<Arc<T>> {
        self.get(key)?.typed::<T>().ok()
    }

    /// All objects of a kind, by namespace and name.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.get(&kind).into_iter().flat_map(|shards| shards.values()).flat_map(Shard::iter)
    }

    /// All objects of a kind in a namespace, by name; the namespace of cluster-scoped kinds is empty.
    pub fn in_namespace(&self, kind: Kind, namespace: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.get(&kind).and_then(|shards| shards.get(namespace)).into_iter().flat_map(Shard::iter)
    }

    /// Typed objects of a namespace, by name; those that do not decode are left out.
    pub fn list<T: Resource + Send + Sync + 'static>(&self, namespace: &str) -> impl Iterator<Item = Arc<T>> {
        self.in_namespace(T::KIND, namespace).filter_map(|object| object.typed::<T>().ok())
    }

    /// Typed objects of all namespaces; those that do not decode are left out.
    pub fn list_all<T: Resource + Send + Sync + 'static>(&self) -> impl Iterator<Item = Arc<T>> {
        self.of_kind(T::KIND).filter_map(|object| object.typed::<T>().ok())
    }

    /// All objects, by kind, namespace and name.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.values().flat_map(|shards| shards.values()).flat_map(Shard::iter)
    }

    /// All objects of a namespace, by kind and name.
    pub fn content(&self, namespace: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.objects
            .keys()
            .filter(|kind| kind.info().namespaced)
            .flat_map(move |kind| self.in_namespace(*kind, namespace))
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.objects.values().flat_map(|shards| shards.values()).map(Shard::len).sum()
    }

    /// Whether there is no object.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() || self.len() == 0
    }

    /// Objects that name this uid as an owner, controlling or not.
    pub fn dependents(&self, uid: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.dependents.keys(uid).filter_map(|key| self.get(key))
    }

    /// Objects whose controller has this uid.
    pub fn owned_by(&self, uid: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.dependents(uid).filter(move |object| controller_of(object).is_some_and(|owner| owner.uid == uid))
    }

    /// Pods bound to a node.
    pub fn pods_on(&self, node: &str) -> impl Iterator<Item = &Arc<Object>> {
        // The empty name is where the unbound are kept.
        self.pods_by_node.keys(if node.is_empty() { "/" } else { node }).filter_map(|key| self.get(key))
    }

    /// How many pods are bound to a node.
    pub fn pod_count_on(&self, node: &str) -> usize {
        if node.is_empty() { 0 } else { self.pods_by_node.count(node) }
    }

    /// Pods bound to no node yet.
    pub fn pods_unscheduled(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.pods_by_node.keys("").filter_map(|key| self.get(key))
    }

    /// Pods or replica sets of a namespace that have no controller.
    pub fn orphans(&self, kind: Kind, namespace: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.orphans.keys(namespace).filter(move |key| key.kind == kind).filter_map(|key| self.get(key))
    }

    /// Pods of a namespace that agents brought into an empty store, as long as nothing took them in.
    pub fn recovered(&self, namespace: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.recovered.keys(namespace).filter_map(|key| self.get(key))
    }

    /// As [`Cluster::recovered`], of all namespaces.
    pub fn recovered_everywhere(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.recovered.all().filter_map(|key| self.get(key))
    }

    /// Services under a text of [`claims`](crate::service::claims), by namespace and name.
    pub fn services_with<'c>(&'c self, text: &str) -> impl Iterator<Item = &'c Arc<Object>> + use<'c> {
        self.services.keys(text).filter_map(|key| self.get(key))
    }

    /// Whether any service is under a text of [`claims`](crate::service::claims).
    pub fn is_claimed(&self, text: &str) -> bool {
        self.services.count(text) > 0
    }

    /// The ranges that the cluster was started with.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// Whether a namespace is on its way out, so that nothing new may be made in it.
    pub fn is_terminating(&self, namespace: &str) -> bool {
        !namespace.is_empty()
            && self
                .get(&ObjectKey::new(Namespace::KIND, "", namespace))
                .is_some_and(|object| object.meta().deletion_timestamp.is_some())
    }

    /// Objects that do not decode, and why.
    pub fn faults(&self) -> impl Iterator<Item = (&ObjectKey, &Fault)> {
        self.faults.iter()
    }

    /// What git last asked for, by key.
    pub fn applied(&self) -> impl Iterator<Item = (&ObjectKey, &Applied)> {
        self.applied.iter()
    }

    /// What git last asked for of one object; `None` when git never asked for it, or removed it.
    pub fn applied_of(&self, key: &ObjectKey) -> Option<&Applied> {
        self.applied.get(key)
    }

    /// How far releases have come, by namespace and name.
    pub fn installed(&self) -> &BTreeMap<ReleaseKey, Arc<Installed>> {
        &self.installed
    }

    /// The newest commit whose writes are all in this view; `None` since the store began until one is applied.
    pub fn applied_commit(&self) -> Option<&str> {
        self.applied_commit.as_deref()
    }
}
