//! The attachments of a node's manifest, as they change → the table, built anew when one that matters has changed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use masthead_api::gateway::resolved;
use masthead_wire::attachments::{Attachments, Difference};
use masthead_wire::manifest::NodeManifest;
use masthead_wire::object::{Attachment, AttachmentKey};

use crate::ingress::build::{Built, Id, World, build, named_services};
use crate::ingress::gateway;
use crate::ingress::gateway::build::RouteId;
use crate::ingress::metrics;
use crate::ingress::objects::{EndpointSlice, Secret};
use crate::ingress::tls;

/// What is known of the attachments.
#[derive(Default)]
pub struct Follower {
    last: Option<Arc<NodeManifest>>,
    world: World,
    /// Slices by service and name; those of services that no Ingress names are kept unread.
    slices: HashMap<Id, BTreeMap<String, Slice>>,
    owners: HashMap<Id, Id>,
    /// Services that Ingresses name; nothing when it must be looked up again.
    named: Option<HashSet<Id>>,
    is_built: bool,
}

struct Slice {
    attachment: Arc<Attachment>,
    read: Option<Arc<EndpointSlice>>,
}

/// A table that takes the place of the last.
pub struct Next {
    /// The table and what is wrong in it.
    pub built: Built,
    /// Objects that can't be read.
    pub faults: Vec<String>,
}

fn id_of(key: &AttachmentKey) -> Id {
    (key.namespace.clone(), key.name.clone())
}

fn read<T: for<'a> serde::Deserialize<'a>>(attachment: &Attachment, faults: &mut Vec<String>) -> Option<T> {
    match serde_json::from_slice(&attachment.bytes) {
        Ok(object) => Some(object),
        Err(error) => {
            // The place only: the text of a Secret may be in the message.
            let key = &attachment.key;
            let at = format!("line {}, column {}", error.line(), error.column());
            faults.push(format!("{} {}/{} can't be read ({at})", key.kind, key.namespace, key.name));
            None
        }
    }
}

/// Services that something names: only their endpoints need to be read.
fn named(world: &World) -> HashSet<Id> {
    let mut all = named_services(&world.ingresses);
    all.extend(gateway::build::named_services(&world.routes));
    all
}

/// Under which name the requests of a route are counted.
fn counted((kind, (namespace, name)): &RouteId) -> String {
    format!("{kind} {namespace}/{name}")
}

impl Follower {
    /// Compares a manifest with the one before; gives a table when it is another.
    pub fn follow(&mut self, manifest: &Arc<NodeManifest>) -> Option<Next> {
        let differences = match self.last.replace(manifest.clone()) {
            Some(last) => manifest.content.attachments.since(&last.content.attachments),
            None => manifest.content.attachments.since(&Attachments::default()),
        };
        let mut faults = Vec::new();
        let mut matters = !std::mem::replace(&mut self.is_built, true);
        for Difference { old, new } in &differences {
            let Some(key) = new.as_ref().or(old.as_ref()).map(|attachment| &attachment.key) else { continue };
            matters |= self.take(key, new.as_ref(), &mut faults);
        }
        matters.then(|| self.build(faults))
    }

    /// The certificate of a Secret, when it has one.
    #[cfg(test)]
    pub fn certificate(&self, namespace: &str, name: &str) -> Option<Arc<rustls::sign::CertifiedKey>> {
        self.world.certificates.get(&(namespace.to_owned(), name.to_owned()))?.clone().ok()
    }

    /// Takes one change; says whether the table can depend on it.
    fn take(&mut self, key: &AttachmentKey, new: Option<&Arc<Attachment>>, faults: &mut Vec<String>) -> bool {
        let id = id_of(key);
        match (key.kind.as_str(), new) {
            ("Ingress", Some(new)) => {
                self.named = None;
                read(new, faults).map(|ingress| self.world.ingresses.insert(id, ingress));
                true
            }
            ("Ingress", None) => {
                self.named = None;
                self.world.counters.remove(&id);
                metrics::forget(&format!("{}/{}", id.0, id.1));
                self.world.ingresses.remove(&id).is_some()
            }
            ("IngressClass", Some(new)) => {
                read(new, faults).map(|class| self.world.classes.insert(key.name.clone(), class));
                true
            }
            ("IngressClass", None) => self.world.classes.remove(&key.name).is_some(),
            ("Service", Some(new)) => {
                read(new, faults).map(|service| self.world.services.insert(id.clone(), service));
                self.is_named(&id)
            }
            ("Service", None) => {
                self.world.services.remove(&id);
                self.is_named(&id)
            }
            ("EndpointSlice", new) => self.slice(id, new, faults),
            ("Secret", Some(new)) => {
                let secret: Option<Secret> = read(new, faults);
                let certificate =
                    secret.map(|secret| tls::certificate(&secret).map(Arc::new).map_err(|e| e.to_string()));
                certificate.map(|certificate| self.world.certificates.insert(id, certificate));
                true
            }
            ("Secret", None) => self.world.certificates.remove(&id).is_some(),
            (resolved::GATEWAY, Some(new)) => {
                read(new, faults).map(|gateway| self.world.gateways.insert(id, gateway));
                true
            }
            (resolved::GATEWAY, None) => self.world.gateways.remove(&id).is_some(),
            (resolved::HTTP_ROUTE, new) => self.route((resolved::HTTP_ROUTE, id), new, faults),
            (resolved::GRPC_ROUTE, new) => self.route((resolved::GRPC_ROUTE, id), new, faults),
            _ => false,
        }
    }

    fn route(&mut self, id: RouteId, new: Option<&Arc<Attachment>>, faults: &mut Vec<String>) -> bool {
        self.named = None;
        match new {
            Some(new) => {
                read(new, faults).map(|route| self.world.routes.insert(id, route));
                true
            }
            None => {
                self.world.route_counters.remove(&id);
                metrics::forget(&counted(&id));
                self.world.routes.remove(&id).is_some()
            }
        }
    }

    fn is_named(&mut self, id: &Id) -> bool {
        self.named.get_or_insert_with(|| named(&self.world)).contains(id)
    }

    fn slice(&mut self, id: Id, new: Option<&Arc<Attachment>>, faults: &mut Vec<String>) -> bool {
        let old = self.owners.remove(&id);
        let mut matters = false;
        if let Some(owner) = &old {
            if let Some(of_owner) = self.slices.get_mut(owner) {
                of_owner.remove(&id.1);
                if of_owner.is_empty() {
                    self.slices.remove(owner);
                }
            }
            matters |= self.is_named(owner);
        }
        let Some(new) = new else { return matters };
        let head: Option<crate::dns::objects::SliceHead> = read(new, faults);
        let Some(owner) = head.map(|head| (id.0.clone(), head.metadata.labels.service_name)) else { return matters };
        matters |= self.is_named(&owner);
        let slice = Slice { attachment: new.clone(), read: None };
        self.slices.entry(owner.clone()).or_default().insert(id.1.clone(), slice);
        self.owners.insert(id, owner);
        matters
    }

    fn build(&mut self, mut faults: Vec<String>) -> Next {
        let named = named(&self.world);
        self.world.slices.clear();
        for id in named {
            let Some(slices) = self.slices.get_mut(&id) else { continue };
            let mut of_service = Vec::new();
            for slice in slices.values_mut() {
                if slice.read.is_none() {
                    slice.read = read(&slice.attachment, &mut faults).map(Arc::new);
                }
                of_service.extend(slice.read.clone());
            }
            self.world.slices.insert(id, of_service);
        }
        for id in self.world.ingresses.keys() {
            if !self.world.counters.contains_key(id) {
                let counters = metrics::counters(&format!("{}/{}", id.0, id.1));
                counters.map(|counters| self.world.counters.insert(id.clone(), Arc::new(counters)));
            }
        }
        for id in self.world.routes.keys() {
            if !self.world.route_counters.contains_key(id) {
                let counters = metrics::counters(&counted(id));
                counters.map(|counters| self.world.route_counters.insert(id.clone(), Arc::new(counters)));
            }
        }
        let built = build(&self.world);
        let gone = self.world.endpoints.iter().filter(|(address, _)| !built.endpoints.contains_key(address));
        gone.for_each(|(_, endpoint)| endpoint.leave());
        self.world.endpoints.clone_from(&built.endpoints);
        self.world.shares.clone_from(&built.shares);
        Next { built, faults }
    }
}
