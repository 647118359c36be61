//! An object and what belongs to it to the text that `describe` prints.

use crate::apps::deployment::Deployment;
use crate::apps::replica_set::ReplicaSet;
use crate::batch::job::Job;
use crate::coordination::lease::Lease;
use crate::core::config::{ConfigMap, Secret, ServiceAccount};
use crate::core::endpoints::Endpoints;
use crate::core::event::Event;
use crate::core::namespace::Namespace;
use crate::core::node::Node;
use crate::core::pod::Pod;
use crate::core::service::Service;
use crate::discovery::endpoint_slice::EndpointSlice;
use crate::kind::registry;
use crate::meta::time::Time;
use crate::networking::ingress::{Ingress, IngressClass};
use crate::networking::network_policy::NetworkPolicy;
use crate::object::{Error, Object};

pub mod config;
pub mod container;
pub mod env;
pub mod event;
pub mod generic;
pub mod job;
pub mod network;
pub mod node;
pub mod page;
pub mod pod;
pub mod resources;
pub mod service;
pub mod tabs;
#[cfg(test)]
mod tests;
pub mod unserved;
pub mod volume;
pub mod workload;

/// What is shown beside the object itself. Each list may hold more than belongs to it: what does not is left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Related<'a> {
    /// Events of its namespace (for a node: of all); `None` when they were not asked for.
    pub events: Option<&'a [Event]>,
    /// For a ReplicaSet those of its namespace, for a node all.
    pub pods: &'a [Pod],
    /// For a Deployment those of its namespace.
    pub replica_sets: &'a [ReplicaSet],
    /// For a Service or an Ingress those of its namespace.
    pub endpoint_slices: &'a [EndpointSlice],
    /// For a Service those of its namespace, from which follows why it has no endpoints; `None` when they are not known.
    pub selectable: Option<&'a [Pod]>,
    /// For an Ingress those of its namespace.
    pub services: &'a [Service],
    /// For an Ingress all, from which follows who serves it; `None` when they are not known.
    pub ingress_classes: Option<&'a [IngressClass]>,
    /// For a ServiceAccount those of its namespace; `None` when they may not be read.
    pub secrets: Option<&'a [Secret]>,
    /// For a node its lease in `kube-node-lease`.
    pub lease: Option<&'a Lease>,
}

/// The description of an object; times are in UTC.
///
/// # Errors
/// The object does not fit its kind.
pub fn describe(object: &Object, related: &Related, now: Time) -> Result<String, Error> {
    let events = event::Events::of(object, related.events, now);
    Ok(match object.kind() {
        registry::POD => pod::describe(&*object.typed::<Pod>()?, &events, now),
        registry::DEPLOYMENT => workload::deployment(&*object.typed::<Deployment>()?, related.replica_sets, &events),
        registry::REPLICA_SET => workload::replica_set(&*object.typed::<ReplicaSet>()?, related.pods, &events),
        registry::JOB => job::describe(&*object.typed::<Job>()?, &events),
        registry::SERVICE => service::describe(&*object.typed::<Service>()?, related, &events),
        registry::ENDPOINTS => network::endpoints(&*object.typed::<Endpoints>()?, &events),
        registry::ENDPOINT_SLICE => network::endpoint_slice(&*object.typed::<EndpointSlice>()?, &events),
        registry::INGRESS => network::ingress(&*object.typed::<Ingress>()?, related, &events),
        registry::INGRESS_CLASS => network::ingress_class(&*object.typed::<IngressClass>()?, &events),
        registry::NETWORK_POLICY => network::network_policy(&*object.typed::<NetworkPolicy>()?),
        registry::NODE => node::describe(&*object.typed::<Node>()?, related.pods, related.lease, &events, now),
        registry::NAMESPACE => config::namespace(&*object.typed::<Namespace>()?),
        registry::CONFIG_MAP => config::config_map(&*object.typed::<ConfigMap>()?, &events),
        registry::SECRET => config::secret(&*object.typed::<Secret>()?),
        registry::SERVICE_ACCOUNT => {
            config::service_account(&*object.typed::<ServiceAccount>()?, related.secrets, &events)
        }
        _ => generic::describe(&object.value(), &events),
    })
}
