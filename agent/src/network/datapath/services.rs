//! Services as the manifest has them → the service table in the kernel, by the smallest change.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use masthead_wire::attachments::Difference;
use masthead_wire::manifest::NodeManifest;
use masthead_wire::object::{Attachment, AttachmentKey};
use masthead_wire::report::Problem;
use nlink::netlink::nftables::Chain;
use nlink::netlink::{Connection, Nftables};

use crate::network::error::{IoContext, Result};
use crate::network::names::Names;
use crate::network::rules::apply;
use crate::network::rules::contents::{self, Ops, Skeleton};
use crate::network::rules::ports::Protocol;
use crate::network::rules::table::FAMILY;
use crate::network::services::book::{Book, Change};
use crate::network::services::conntrack;
use crate::network::services::decode;
use crate::network::services::element::{Element, Shape};
use crate::network::services::health::Health;
use crate::network::services::model::{Here, Name, Service};
use crate::network::services::want::{Scope, Spot};
use crate::network::services::{table, taken};

/// The kind of a service's attachment.
pub const SERVICE: &str = "Service";
/// The kind of a slice's.
pub const SLICE: &str = "EndpointSlice";
/// Who tells of problems, as in Kubernetes.
const COMPONENT: &str = "kube-proxy";

/// Lists of up to so many endpoints have their chains from the start. A chain that is made while the maps that it looks
/// into are full costs a walk over all of them (`nf_tables_bind_set`): with 50,000 endpoints some milliseconds.
const READY_SIZES: u32 = 32;
/// Chains that no list has any more and that stay for the next, besides those.
const IDLE_MAX: usize = 256;

/// The service table and what it is made from.
pub struct Services {
    nft: Connection<Nftables>,
    table: String,
    book: Book,
    skeleton: Option<Skeleton>,
    /// Chains that are there without a list that has them.
    idle: BTreeSet<(Scope, Shape)>,
    /// Whether the kernel holds what the book says.
    is_sure: bool,
    health: Health,
    /// UDP flows that are to be looked through.
    udp: Option<HashSet<Spot>>,
    /// Objects that are not used, and why.
    faults: BTreeMap<AttachmentKey, String>,
    /// Ports for load balancers that can't be opened, and why.
    unanswered: Vec<(Name, String)>,
    /// What services ask for of the node's ports.
    node_ports: BTreeMap<Name, Vec<(Protocol, u16)>>,
    /// Whether they changed since they were looked at.
    is_unseen: bool,
    /// Of these, those that a process of the node listens on as well.
    taken: Vec<(Name, Protocol, u16)>,
}

impl Services {
    /// Nothing is known yet, and the kernel is left as it is.
    pub fn new(names: &Names) -> Result<Self> {
        Ok(Self {
            nft: apply::connect()?,
            table: names.services_table(),
            book: Book::default(),
            skeleton: None,
            idle: BTreeSet::new(),
            is_sure: false,
            health: Health::default(),
            udp: None,
            faults: BTreeMap::new(),
            unanswered: Vec::new(),
            node_ports: BTreeMap::new(),
            is_unseen: false,
            taken: Vec::new(),
        })
    }

    /// How many services and endpoints the table has.
    pub fn counts(&self) -> (usize, usize) {
        self.book.counts()
    }

    /// What is not done, and why.
    pub fn problems(&self) -> Vec<Problem> {
        let of = |kind: &str, namespace: &str, name: &str, reason: &str, message: String| Problem {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            reason: reason.to_owned(),
            message,
            component: COMPONENT.to_owned(),
        };
        let service = |name: &Name, reason: &str, text: String| of(SERVICE, &name.namespace, &name.name, reason, text);
        let mut all: Vec<Problem> = Vec::new();
        for (key, text) in &self.faults {
            all.push(of(&key.kind, &key.namespace, &key.name, "NotUnderstood", format!("it is not served: {text}")));
        }
        all.extend(self.book.problems().map(|(name, text)| service(name, "TooManyEndpoints", text.clone())));
        for (name, text) in &self.unanswered {
            all.push(service(name, "FailedToStartServiceHealthcheck", text.clone()));
        }
        for (name, protocol, port) in &self.taken {
            let text = format!(
                "a process of the node listens on node port {port}/{}: clients reach the service, and that process no more",
                protocol.name()
            );
            all.push(service(name, "NodePortInUse", text));
        }
        all
    }

    /// Whether services ask for ports of the node that they did not ask for before.
    pub fn has_new_ports(&self) -> bool {
        self.is_unseen
    }

    /// Looks which node ports somebody else listens on, and tries ports again that could not be opened.
    pub fn look_at_ports(&mut self) {
        self.is_unseen = false;
        if !self.unanswered.is_empty() {
            self.unanswered = self.health.set(&self.book.health());
        }
        if self.node_ports.is_empty() {
            self.taken.clear();
            return;
        }
        match taken::observe() {
            Ok(taken) => self.taken = taken::clashes(&self.node_ports, &taken),
            Err(error) => tracing::warn!(%error, "it is not known which ports of the node are in use"),
        }
    }

    /// The table may be other than the book says: it is looked at before the next change.
    pub fn doubt(&mut self) {
        self.is_sure = false;
    }

    /// Whether the kernel still has the table, with as many rules as were made.
    ///
    /// # Errors
    /// The kernel.
    pub async fn is_intact(&self) -> Result<bool> {
        match &self.skeleton {
            Some(skeleton) if self.is_sure => {
                Ok(contents::chains(&self.nft, &self.table).await?.contains(&skeleton.version))
            }
            _ => Ok(true),
        }
    }

    /// Takes in what differs, or everything when the node itself is another.
    pub fn take(&mut self, here: &Here, manifest: &NodeManifest, differences: Option<&[Difference]>) -> Result<()> {
        match differences {
            Some(differences) if here == self.book.here() && self.skeleton.is_some() => {
                for difference in differences {
                    if let Some(key) = difference.key() {
                        self.set(key, difference.new.as_deref());
                    }
                }
            }
            _ => {
                let skeleton = table::skeleton(&self.table, here).doing(|| "build the service table".to_owned())?;
                self.skeleton = Some(skeleton);
                self.book = Book::new(here.clone());
                self.is_sure = false;
                self.faults.clear();
                self.node_ports.clear();
                for attachment in manifest.content.attachments.values() {
                    self.set(&attachment.key, Some(attachment));
                }
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &AttachmentKey, attachment: Option<&Attachment>) {
        let name = Name::new(&key.namespace, &key.name);
        let fault = match (key.kind.as_str(), attachment) {
            (SERVICE, attachment) => {
                let read = attachment.map(|a| decode::service(&a.bytes)).transpose();
                let (service, fault) = kept(read);
                self.set_ports(&name, service.as_ref());
                self.book.set_service(name, service);
                fault
            }
            (SLICE, attachment) => {
                let read = attachment.map(|a| decode::slice(&a.bytes, self.book.here())).transpose();
                let (slice, fault) = kept(read);
                self.book.set_slice(name, slice);
                fault
            }
            _ => return,
        };
        match fault {
            Some(fault) => {
                tracing::warn!(?key, fault, "an object is not used");
                self.faults.insert(key.clone(), fault);
            }
            None => drop(self.faults.remove(key)),
        }
    }

    fn set_ports(&mut self, name: &Name, service: Option<&Service>) {
        let ports = service.into_iter().flat_map(|service| &service.ports);
        let ports: Vec<(Protocol, u16)> = ports.filter_map(|port| Some((port.protocol, port.node_port?))).collect();
        let known = self.node_ports.get(name).map_or(&[][..], Vec::as_slice);
        self.is_unseen |= known != ports;
        match ports.is_empty() {
            true => drop(self.node_ports.remove(name)),
            false => drop(self.node_ports.insert(name.clone(), ports)),
        }
    }

    /// Brings the kernel to what the book says.
    ///
    /// # Errors
    /// The kernel. What the book says stays to be done.
    pub async fn apply(&mut self) -> Result<()> {
        let Some(skeleton) = &self.skeleton else { return Ok(()) };
        let change = self.book.settle();
        if change.is_udp_touched || !change.gone_udp.is_empty() {
            self.udp.get_or_insert_default().extend(change.gone_udp.iter().copied());
        }
        if self.is_sure {
            // Until the kernel has taken it, nothing is certain.
            self.is_sure = false;
            let ops = ops(&self.table, &change, &mut self.idle)?;
            contents::change(&self.nft, &self.table, &skeleton.sets, ops).await?;
        } else {
            self.udp.get_or_insert_default();
            self.idle = self.whole(skeleton).await?;
        }
        self.is_sure = true;
        if let Some(gone) = self.udp.take()
            && let Err(error) = conntrack::forget(&self.book, &gone).await
        {
            tracing::warn!(%error, "UDP flows may stay with endpoints that are gone");
        }
        self.unanswered = self.health.set(&self.book.health());
        Ok(())
    }

    /// Whether chains have the rules that they are made with, by their number.
    async fn is_whole(&self, skeleton: &Skeleton, held: &BTreeSet<String>) -> Result<bool> {
        let rules = self.nft.list_rules(&self.table, FAMILY).await;
        let rules = rules.doing(|| format!("list the rules of table {}", self.table))?;
        let own = |name: &str| name.starts_with("in-") || name.starts_with("out-");
        let fixed = rules.iter().filter(|rule| !own(&rule.chain)).count();
        if fixed != skeleton.rules.len() {
            return Ok(false);
        }
        for name in held.iter().filter(|name| own(name)) {
            let is_sticky = name.matches('-').count() == 2;
            let count = rules.iter().filter(|rule| rule.chain == *name).count();
            if count != table::rules_of(is_sticky) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes the table right by what there is of it: rules that serve stay, and with them who is led by them. Gives the
    /// chains that no list has.
    async fn whole(&self, skeleton: &Skeleton) -> Result<BTreeSet<(Scope, Shape)>> {
        let (nft, table) = (&self.nft, self.table.as_str());
        let elements: Vec<Element> = self.book.elements().collect();
        let mut shapes = chains(elements.iter());
        let idle: BTreeSet<(Scope, Shape)> = ready().filter(|of| !shapes.contains(of)).collect();
        shapes.extend(&idle);
        let held = contents::chains(nft, table).await?;
        let mut ops = Ops::default();
        // A table that was restored from a listing may lack rules that the listing could not show.
        let is_whole = held.contains(&skeleton.version) && self.is_whole(skeleton, &held).await?;
        if !is_whole {
            for element in &elements {
                put(&mut ops.add, element);
            }
            for (scope, shape) in shapes {
                ops.new_chains.push(chain(table, scope, shape)?);
            }
            contents::replace(nft, table, skeleton, ops).await?;
            return Ok(idle);
        }
        let wanted: BTreeMap<String, (Scope, Shape)> =
            shapes.into_iter().map(|(scope, shape)| (shape.chain(scope), (scope, shape))).collect();
        for (scope, shape) in wanted.iter().filter(|(name, _)| !held.contains(*name)).map(|(_, of)| of) {
            ops.new_chains.push(chain(table, *scope, *shape)?);
        }
        let own = |name: &&String| name.starts_with("in-") || name.starts_with("out-");
        ops.old_chains = held.iter().filter(own).filter(|name| !wanted.contains_key(*name)).cloned().collect();
        let mut sets: BTreeMap<&str, BTreeMap<_, _>> = BTreeMap::new();
        for element in &elements {
            let (set, key, value) = element.parts();
            sets.entry(set).or_default().insert(key, value);
        }
        let none = BTreeMap::new();
        for set in skeleton.sets.iter().map(|set| set.name()).filter(|name| !name.starts_with("clients")) {
            let there = contents::read(nft, table, set).await?;
            ops.differ(set, &there, sets.get(set).unwrap_or(&none));
        }
        contents::change(nft, table, &skeleton.sets, ops).await?;
        Ok(idle)
    }
}

/// Shapes that have a chain in every table.
fn ready() -> impl Iterator<Item = (Scope, Shape)> {
    (1..=READY_SIZES).map(|size| (Scope::Inner, Shape(size)))
}

/// What was read, and why nothing was.
fn kept<T>(read: std::result::Result<Option<Option<T>>, decode::Error>) -> (Option<T>, Option<String>) {
    match read {
        Ok(object) => (object.flatten(), None),
        Err(error) => (None, Some(error.to_string())),
    }
}

fn chains<'a>(elements: impl Iterator<Item = &'a Element>) -> BTreeSet<(Scope, Shape)> {
    let of = |element: &Element| match element {
        Element::Shape(scope, shape) if shape.parts().0 > 0 => Some((*scope, *shape)),
        _ => None,
    };
    elements.filter_map(of).collect()
}

fn chain(table: &str, scope: Scope, shape: Shape) -> Result<(Chain, Vec<nlink::netlink::nftables::Rule>)> {
    let what = || "build a chain of the service table".to_owned();
    let chain = Chain::new(table, shape.chain(scope)).doing(what)?.family(FAMILY);
    Ok((chain, table::chain_rules(table, scope, shape).doing(what)?))
}

fn put(sets: &mut BTreeMap<String, Vec<(contents::Key, contents::Value)>>, element: &Element) {
    let (set, key, value) = element.parts();
    match sets.get_mut(set) {
        Some(all) => all.push((key, value)),
        None => drop(sets.insert(set.to_owned(), vec![(key, value)])),
    }
}

/// A change of the book as a change of the table. Chains that no list has any more become idle, and are used again.
fn ops(table: &str, change: &Change, idle: &mut BTreeSet<(Scope, Shape)>) -> Result<Ops> {
    let mut ops = Ops::default();
    change.remove.iter().for_each(|element| put(&mut ops.remove, element));
    change.add.iter().for_each(|element| put(&mut ops.add, element));
    for of in chains(change.add.iter()) {
        if !idle.remove(&of) {
            ops.new_chains.push(chain(table, of.0, of.1)?);
        }
    }
    idle.extend(chains(change.remove.iter()));
    while idle.len() > READY_SIZES as usize + IDLE_MAX
        && let Some(of) = idle.pop_last()
    {
        // Those of long lists and of clients that stay: the rarest.
        ops.old_chains.push(of.1.chain(of.0));
    }
    Ok(ops)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain is made when a list needs it and is not there, taken out when it is, and there for every list.
    #[test]
    fn every_list_has_its_chain_and_idle_ones_are_bounded() {
        let mut seed = 3_u64;
        let mut next = |below: u32| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as u32 % below
        };
        let mut idle: BTreeSet<(Scope, Shape)> = ready().collect();
        let mut there: BTreeSet<String> = idle.iter().map(|(scope, shape)| shape.chain(*scope)).collect();
        let mut wanted: BTreeSet<(Scope, Shape)> = BTreeSet::new();
        for round in 0..3000 {
            let mut change = Change::default();
            for _ in 0..1 + next(4) {
                let scope = if next(2) == 0 { Scope::Inner } else { Scope::Outer };
                let of = (scope, Shape(1 + next(700)));
                if wanted.remove(&of) {
                    change.remove.push(Element::Shape(of.0, of.1));
                } else if !change.remove.contains(&Element::Shape(of.0, of.1)) {
                    wanted.insert(of);
                    change.add.push(Element::Shape(of.0, of.1));
                }
            }
            // The same one twice in a change is none.
            let both: Vec<Element> = change.add.iter().filter(|e| change.remove.contains(e)).copied().collect();
            change.add.retain(|element| !both.contains(element));
            change.remove.retain(|element| !both.contains(element));
            let ops = ops("t", &change, &mut idle).unwrap();
            for (made, _) in &ops.new_chains {
                // Its name can't be asked for.
                let text = format!("{made:?}");
                let name = text.split('"').find(|word| word.starts_with("in-") || word.starts_with("out-"));
                let name = name.unwrap_or_else(|| panic!("no name in {text}"));
                assert!(there.insert(name.to_owned()), "round {round}: it is there already");
            }
            for gone in &ops.old_chains {
                assert!(there.remove(gone), "round {round}: it is not there");
            }
            let lacking = wanted.iter().find(|(scope, shape)| !there.contains(&shape.chain(*scope)));
            assert_eq!(lacking, None, "round {round}");
            assert!(there.len() <= wanted.len() + idle.len() && idle.len() <= READY_SIZES as usize + IDLE_MAX);
        }
    }
}
