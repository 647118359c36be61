//! The attachments of a node's manifest, as they change → what changes in the zone.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use masthead_wire::attachments::{Attachments, Difference};
use masthead_wire::manifest::NodeManifest;
use masthead_wire::object::{Attachment, AttachmentKey};
use masthead_wire::report::Problem;

use crate::dns::objects::{EndpointSlice, Node, Service, SliceHead};
use crate::dns::records::{ServiceRecords, records};
use crate::dns::zone::{Zone, key};

/// Namespace and name.
type Id = (String, String);

/// What is known of the attachments, so that only what changed is read.
#[derive(Debug, Default)]
pub struct Follower {
    /// What was compared with last; nearly all of it is shared with what comes next.
    last: Option<Arc<NodeManifest>>,
    services: HashMap<Id, Known>,
    /// The service of a slice.
    owners: HashMap<Id, Id>,
    nodes: BTreeMap<String, Vec<IpAddr>>,
    /// What can't be read or told, by kind and name.
    faults: BTreeMap<(String, Id), String>,
}

/// Faults of a service's name, which is well read and can't be told.
const NAME: &str = "name";

#[derive(Debug, Default)]
struct Known {
    service: Option<Service>,
    /// Read only when the service is headless: the others' names don't depend on their endpoints.
    slices: BTreeMap<String, Arc<Attachment>>,
}

/// What changes in a zone.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Records of services by key; nothing for one that is gone.
    pub services: Vec<(Box<[u8]>, Option<ServiceRecords>)>,
    /// All addresses of nodes, when they changed.
    pub nodes: Option<HashSet<IpAddr>>,
    /// Objects that can't be read; what they said before stays.
    pub faults: Vec<String>,
}

impl Changes {
    /// Puts the changes into a zone; says how many services changed.
    pub fn apply(self, zone: &mut Zone) -> usize {
        let changed =
            self.services.into_iter().filter_map(|(key, records)| zone.set_service(&key, records).then_some(()));
        let count = changed.count();
        if let Some(nodes) = self.nodes {
            zone.set_nodes(nodes);
        }
        count
    }
}

fn id_of(key: &AttachmentKey) -> Id {
    (key.namespace.clone(), key.name.clone())
}

impl Follower {
    /// Compares a manifest with the one before.
    pub fn follow(&mut self, manifest: &Arc<NodeManifest>) -> Changes {
        let mut out = Changes::default();
        let mut touched = BTreeSet::new();
        let mut nodes_changed = false;
        let differences = match self.last.replace(manifest.clone()) {
            Some(last) => manifest.content.attachments.since(&last.content.attachments),
            None => manifest.content.attachments.since(&Attachments::default()),
        };
        for Difference { old, new } in differences {
            let Some(key) = new.as_ref().or(old.as_ref()).map(|attachment| &attachment.key) else { continue };
            if !self.faults.is_empty() {
                self.faults.remove(&(key.kind.clone(), id_of(key)));
            }
            let read = match (key.kind.as_str(), &new) {
                ("Service", Some(new)) => self.service(new, &mut touched),
                ("EndpointSlice", Some(new)) => self.slice(new, &mut touched),
                ("Node", Some(new)) => self.node(new).map(|changed| nodes_changed |= changed),
                ("Service", None) => {
                    self.services.entry(id_of(key)).or_default().service = None;
                    touched.insert(id_of(key));
                    Ok(())
                }
                ("EndpointSlice", None) => {
                    self.leave(&id_of(key), &mut touched);
                    Ok(())
                }
                ("Node", None) => {
                    nodes_changed |= self.nodes.remove(&key.name).is_some();
                    Ok(())
                }
                _ => Ok(()),
            };
            if let Err(error) = read {
                self.fault(&mut out, &key.kind, &id_of(key), error.to_string());
            }
        }
        for id in touched {
            self.rebuild(&id, &mut out);
        }
        out.nodes = nodes_changed.then(|| self.nodes.values().flatten().copied().collect());
        out
    }

    fn fault(&mut self, out: &mut Changes, kind: &str, id: &Id, text: String) {
        out.faults.push(format!("{kind} {}/{}: {text}", id.0, id.1));
        self.faults.insert((kind.to_owned(), id.clone()), text);
    }

    /// All that has no name though it should.
    pub fn problems(&self) -> Vec<Problem> {
        let problem = |((kind, id), text): (&(String, Id), &String)| Problem {
            kind: if kind == NAME { "Service".to_owned() } else { kind.clone() },
            namespace: id.0.clone(),
            name: id.1.clone(),
            reason: "NoName".to_owned(),
            message: format!("the cluster's DNS does not tell it: {text}"),
            component: "dns".to_owned(),
        };
        self.faults.iter().map(problem).collect()
    }

    /// A slice leaves its service.
    fn leave(&mut self, slice: &Id, touched: &mut BTreeSet<Id>) {
        if let Some(owner) = self.owners.remove(slice) {
            self.services.entry(owner.clone()).or_default().slices.remove(&slice.1);
            touched.insert(owner);
        }
    }

    fn service(&mut self, attachment: &Attachment, touched: &mut BTreeSet<Id>) -> Result<(), serde_json::Error> {
        let service: Service = serde_json::from_slice(&attachment.bytes)?;
        let id = id_of(&attachment.key);
        self.services.entry(id.clone()).or_default().service = Some(service);
        touched.insert(id);
        Ok(())
    }

    fn slice(&mut self, attachment: &Arc<Attachment>, touched: &mut BTreeSet<Id>) -> Result<(), serde_json::Error> {
        let head: SliceHead = serde_json::from_slice(&attachment.bytes)?;
        let slice = id_of(&attachment.key);
        let owner = (slice.0.clone(), head.metadata.labels.service_name);
        if self.owners.get(&slice).is_some_and(|old| *old != owner) {
            self.leave(&slice, touched);
        }
        if owner.1.is_empty() {
            return Ok(());
        }
        let known = self.services.entry(owner.clone()).or_default();
        known.slices.insert(slice.1.clone(), attachment.clone());
        if known.service.as_ref().is_none_or(|service| service.spec.cluster_ip == "None") {
            touched.insert(owner.clone());
        }
        self.owners.insert(slice, owner);
        Ok(())
    }

    fn node(&mut self, attachment: &Attachment) -> Result<bool, serde_json::Error> {
        let node: Node = serde_json::from_slice(&attachment.bytes)?;
        let ips: Vec<IpAddr> = node.status.addresses.iter().filter_map(|a| a.address.parse().ok()).collect();
        Ok(self.nodes.insert(attachment.key.name.clone(), ips.clone()) != Some(ips))
    }

    fn rebuild(&mut self, id: &Id, out: &mut Changes) {
        if !self.faults.is_empty() {
            self.faults.remove(&(NAME.to_owned(), id.clone()));
        }
        let Some(known) = self.services.get(id) else { return };
        let Some(key) = key(&id.0, &id.1) else {
            return self.fault(out, NAME, id, "its name is none that DNS can tell".to_owned());
        };
        let Some(service) = &known.service else {
            out.services.push((key, None));
            if known.slices.is_empty() {
                self.services.remove(id);
            }
            return;
        };
        let mut slices: Vec<EndpointSlice> = Vec::new();
        for attachment in known.slices.values().filter(|_| service.spec.cluster_ip == "None") {
            match serde_json::from_slice(&attachment.bytes) {
                Ok(slice) => slices.push(slice),
                Err(error) => {
                    let slice = id_of(&attachment.key);
                    return self.fault(out, "EndpointSlice", &slice, error.to_string());
                }
            }
        }
        out.services.push((key, Some(records(service, &slices.iter().collect::<Vec<_>>()))));
    }
}
