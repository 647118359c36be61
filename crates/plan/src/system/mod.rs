//! An empty store → what every cluster has: the system's namespaces and services, and an account in each namespace.

use std::sync::Arc;

use masthead_api::change::Change;
use masthead_api::core::config::ServiceAccount;
use masthead_api::core::namespace::Namespace;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::object::Object;

use crate::cluster::view::Cluster;
use crate::context::{Context, Reaction};
use crate::service;

/// The namespaces that exist in every cluster, as in Kubernetes.
pub const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// The account that pods run as when they name none.
const DEFAULT_ACCOUNT: &str = "default";

/// Makes the system's namespaces that are missing, and the default account of each namespace that lives.
pub fn bootstrap(cluster: &Cluster, cx: &mut Context) -> Reaction {
    let mut reaction = Reaction::default();
    for name in NAMESPACES {
        if cluster.get(&ObjectKey::new(Namespace::KIND, "", name)).is_none() {
            let mut namespace = Namespace::default();
            namespace.metadata.name = name.to_owned();
            namespace.metadata.labels.insert("kubernetes.io/metadata.name".to_owned(), name.to_owned());
            namespace.spec.finalizers = vec!["kubernetes".to_owned()];
            namespace.status.phase = "Active".to_owned();
            create(&mut reaction, namespace, cx);
        }
    }
    reaction.append(service::system::bootstrap(cluster, cx));
    reaction
}

/// Makes the default account of a namespace that has none.
pub fn default_account(cluster: &Cluster, namespace: &str, cx: &mut Context) -> Reaction {
    let mut reaction = Reaction::default();
    let exists = cluster.get(&ObjectKey::new(ServiceAccount::KIND, namespace, DEFAULT_ACCOUNT)).is_some();
    if !exists && !cluster.is_terminating(namespace) {
        let mut account = ServiceAccount::default();
        account.metadata.name = DEFAULT_ACCOUNT.to_owned();
        account.metadata.namespace = namespace.to_owned();
        create(&mut reaction, account, cx);
    }
    reaction
}

fn create<T: Resource + serde::Serialize>(reaction: &mut Reaction, mut new: T, cx: &mut Context) {
    let meta = new.meta_mut();
    meta.uid = cx.ids.uid();
    meta.creation_timestamp = Some(cx.now);
    // A registered kind always has a JSON form.
    if let Ok(object) = Object::of(&new) {
        reaction.changes.push(Change::Create { object: Arc::new(object), reason: "every cluster has it".to_owned() });
    }
}
