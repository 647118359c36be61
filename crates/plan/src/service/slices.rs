//! The endpoints that are wanted, and the slices there are → the fewest writes from the one to the other.
//!
//! As in Kubernetes an endpoint stays in its slice, and new ones go where something changes anyway. Other than there, a
//! slice that runs empty is filled anew instead of being replaced, so that a service that comes and goes keeps its slice.

use std::collections::BTreeMap;
use std::sync::Arc;

use masthead_api::change::Change;
use masthead_api::discovery::endpoint_slice::{DiscoveryPort, Endpoint, EndpointSlice};
use masthead_api::meta::{ObjectMeta, OwnerReference};
use masthead_api::object::{Error, Object};

use crate::context::{Context, Reaction};

/// Endpoints in one slice, at most (Kubernetes' `max-endpoints-per-slice`).
pub const ENDPOINTS_MAX: usize = 100;

/// The label that ties a slice to its service.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// The label that tells who writes a slice.
pub const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// The label of what belongs to a service without an address.
pub const HEADLESS: &str = "service.kubernetes.io/headless";
/// When the endpoints changed last.
pub const TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// Endpoints that share a kind of address and ports.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// `IPv4`, `IPv6`.
    pub address_type: String,
    /// Their ports.
    pub ports: Vec<DiscoveryPort>,
    /// The endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// What every slice of an owner has in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// Namespace of the slices; names begin with the name.
    pub namespace: String,
    /// What names begin with.
    pub prefix: String,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// All annotations but the time of the last change.
    pub annotations: BTreeMap<String, String>,
    /// What they belong to.
    pub owner: OwnerReference,
}

/// A slice on its way to what it shall be.
struct Draft {
    live: Option<Arc<Object>>,
    old: EndpointSlice,
    new: EndpointSlice,
}

impl Draft {
    fn changed(&self) -> bool {
        self.live.is_none()
            || (&self.old.endpoints, &self.old.ports) != (&self.new.endpoints, &self.new.ports)
            || self.old.metadata != self.new.metadata
    }

    fn room(&self) -> usize {
        ENDPOINTS_MAX.saturating_sub(self.new.endpoints.len())
    }
}

/// What tells endpoints apart: the address, and whose it is.
fn identity(endpoint: &Endpoint) -> (String, String) {
    let target = endpoint.target_ref.as_ref().map(|target| target.uid.clone()).unwrap_or_default();
    (endpoint.addresses.first().cloned().unwrap_or_default(), target)
}

/// The writes after which the slices of an owner hold these endpoints.
///
/// With a `placeholder` kind of address an owner without endpoints has one empty slice of it, from which follows that it
/// was looked at.
///
/// # Errors
/// A slice cannot be written as JSON.
pub fn sync(
    existing: Vec<(Arc<Object>, Arc<EndpointSlice>)>,
    groups: Vec<Group>,
    template: &Template,
    placeholder: Option<&str>,
    cx: &mut Context,
) -> Result<Reaction, Error> {
    let groups = merged(groups);
    let mut drafts: Vec<Draft> = existing
        .into_iter()
        .map(|(live, slice)| Draft { live: Some(live), old: (*slice).clone(), new: (*slice).clone() })
        .collect();
    for draft in &mut drafts {
        label(&mut draft.new.metadata, template);
    }
    // What is in none of the groups leaves its slice first, so that the room it had can be used.
    let mut left: Vec<BTreeMap<(String, String), Endpoint>> = Vec::new();
    let mut group_of: Vec<Option<usize>> = vec![None; drafts.len()];
    for (at, group) in groups.iter().enumerate() {
        let mut wanted: BTreeMap<_, Endpoint> = group.endpoints.iter().map(|e| (identity(e), e.clone())).collect();
        for (draft, of) in drafts.iter_mut().zip(&mut group_of) {
            if of.is_none() && draft.new.address_type == group.address_type && draft.new.ports == group.ports {
                *of = Some(at);
                draft.new.endpoints =
                    draft.old.endpoints.iter().filter_map(|endpoint| wanted.remove(&identity(endpoint))).collect();
            }
        }
        left.push(wanted);
    }
    for (draft, of) in drafts.iter_mut().zip(&group_of) {
        if of.is_none() {
            draft.new.endpoints.clear();
        }
    }
    for (at, (group, wanted)) in groups.iter().zip(left).enumerate() {
        place(group, at, wanted.into_values().collect(), &mut drafts, &mut group_of, template, cx);
    }
    if let Some(address_type) = placeholder
        && drafts.iter().all(|draft| draft.new.endpoints.is_empty())
    {
        keep_one(address_type, &mut drafts, template, cx);
        return write(drafts, true, cx);
    }
    write(drafts, false, cx)
}

/// Groups of one kind of address and the same ports as one.
fn merged(groups: Vec<Group>) -> Vec<Group> {
    let mut out: Vec<Group> = Vec::with_capacity(groups.len());
    for mut group in groups {
        match out.iter_mut().find(|known| known.address_type == group.address_type && known.ports == group.ports) {
            Some(known) => known.endpoints.append(&mut group.endpoints),
            None => out.push(group),
        }
    }
    out
}

/// Puts what is left of a group into slices: those that change anyway, then empty or new ones for each hundred, and the
/// rest into the fullest that takes all of it.
fn place(
    group: &Group,
    at: usize,
    mut left: Vec<Endpoint>,
    drafts: &mut Vec<Draft>,
    group_of: &mut Vec<Option<usize>>,
    template: &Template,
    cx: &mut Context,
) {
    for (draft, of) in drafts.iter_mut().zip(group_of.iter()) {
        if *of == Some(at) && draft.changed() && !draft.new.endpoints.is_empty() {
            let take = draft.room().min(left.len());
            draft.new.endpoints.extend(left.drain(..take));
        }
    }
    while !left.is_empty() {
        let fits = |(draft, of): &(&mut Draft, &Option<usize>)| {
            **of == Some(at) && !draft.new.endpoints.is_empty() && draft.room() >= left.len()
        };
        let fitting = drafts.iter_mut().zip(group_of.iter()).filter(fits).min_by_key(|(draft, _)| draft.room());
        if let Some((draft, _)) = fitting {
            draft.new.endpoints.append(&mut left);
            return;
        }
        let take = ENDPOINTS_MAX.min(left.len());
        let endpoints: Vec<Endpoint> = left.drain(..take).collect();
        let empty = drafts.iter().position(|d| d.new.endpoints.is_empty() && d.new.address_type == group.address_type);
        let index = empty.unwrap_or_else(|| {
            drafts.push(newborn(&group.address_type, template, cx));
            group_of.push(None);
            drafts.len() - 1
        });
        group_of[index] = Some(at);
        drafts[index].new.ports.clone_from(&group.ports);
        drafts[index].new.endpoints = endpoints;
    }
}

/// Of slices that are all empty one stays, without ports.
fn keep_one(address_type: &str, drafts: &mut Vec<Draft>, template: &Template, cx: &mut Context) {
    let kept = drafts.iter().position(|draft| draft.new.address_type == address_type);
    let index = kept.unwrap_or_else(|| {
        drafts.push(newborn(address_type, template, cx));
        drafts.len() - 1
    });
    drafts[index].new.ports.clear();
    drafts.swap(0, index);
}

fn label(meta: &mut ObjectMeta, template: &Template) {
    let trigger = meta.annotations.get(TRIGGER_TIME).cloned();
    meta.labels.clone_from(&template.labels);
    meta.annotations.clone_from(&template.annotations);
    meta.annotations.extend(trigger.map(|at| (TRIGGER_TIME.to_owned(), at)));
    meta.owner_references = vec![template.owner.clone()];
}

fn newborn(address_type: &str, template: &Template, cx: &mut Context) -> Draft {
    let mut new = EndpointSlice { address_type: address_type.to_owned(), ..EndpointSlice::default() };
    new.metadata.namespace.clone_from(&template.namespace);
    new.metadata.name = format!("{}-{}", template.prefix, cx.ids.suffix());
    new.metadata.uid = cx.ids.uid();
    new.metadata.creation_timestamp = Some(cx.now);
    label(&mut new.metadata, template);
    Draft { live: None, old: EndpointSlice::default(), new }
}

/// The writes; slices that ran empty go, but for the first one when it is kept as a placeholder.
fn write(drafts: Vec<Draft>, keep_first: bool, cx: &Context) -> Result<Reaction, Error> {
    let mut reaction = Reaction::default();
    for (at, mut draft) in drafts.into_iter().enumerate() {
        if draft.new.endpoints.is_empty() && !(keep_first && at == 0) {
            if let Some(live) = draft.live {
                let reason = "no endpoint is left for it".to_owned();
                reaction.changes.push(Change::Delete { key: live.key().clone(), base: live.revision(), reason });
            }
            continue;
        }
        if !draft.changed() {
            continue;
        }
        let shows = draft.live.is_none()
            || (&draft.old.endpoints, &draft.old.ports) != (&draft.new.endpoints, &draft.new.ports);
        if shows {
            let meta = &mut draft.new.metadata;
            meta.annotations.insert(TRIGGER_TIME.to_owned(), cx.now.to_string());
            meta.generation += 1;
        }
        let object = Arc::new(Object::of(&draft.new)?);
        let count = draft.new.endpoints.len();
        reaction.changes.push(match draft.live {
            None => Change::Create { object, reason: format!("holds {count} endpoints") },
            Some(live) => {
                Change::Update { object, base: live.revision(), reason: format!("now holds {count} endpoints") }
            }
        });
    }
    Ok(reaction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn template() -> Template {
        let labels = BTreeMap::from([(SERVICE_NAME.to_owned(), "s".to_owned())]);
        Template {
            namespace: "n".to_owned(),
            prefix: "s".to_owned(),
            labels,
            annotations: BTreeMap::new(),
            owner: OwnerReference { name: "s".to_owned(), uid: "u".to_owned(), ..OwnerReference::default() },
        }
    }

    fn endpoint(n: u64) -> Endpoint {
        let mut endpoint = Endpoint { addresses: vec![format!("10.0.{}.{}", n / 250, n % 250)], ..Endpoint::default() };
        endpoint.conditions.ready = Some(true);
        endpoint
    }

    fn group(port: i32, all: impl IntoIterator<Item = u64>) -> Group {
        let ports = vec![DiscoveryPort { port: Some(port), ..DiscoveryPort::default() }];
        Group { address_type: "IPv4".to_owned(), ports, endpoints: all.into_iter().map(endpoint).collect() }
    }

    type Store = BTreeMap<String, Arc<Object>>;

    /// Applies the writes; returns how many there were.
    fn step(store: &mut Store, groups: Vec<Group>, cx: &mut Context) -> usize {
        let existing = store.values().map(|o| (o.clone(), o.typed::<EndpointSlice>().unwrap())).collect();
        let reaction = sync(existing, groups, &template(), Some("IPv4"), cx).unwrap();
        let count = reaction.changes.len();
        for change in reaction.changes {
            match change {
                Change::Create { object, .. } | Change::Update { object, .. } => {
                    store.insert(object.key().name.clone(), object)
                }
                Change::Delete { key, .. } => store.remove(&key.name),
            };
        }
        count
    }

    fn held(store: &Store) -> BTreeSet<(Option<i32>, String)> {
        let slices = store.values().map(|o| o.typed::<EndpointSlice>().unwrap());
        slices
            .flat_map(|s| {
                let port = s.ports.first().and_then(|p| p.port);
                s.endpoints.iter().map(|e| (port, e.addresses[0].clone())).collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn writes_are_few() {
        let (mut store, mut cx) = (Store::new(), Context::new(0, 1));
        assert_eq!(step(&mut store, vec![], &mut cx), 1, "a placeholder");
        assert_eq!(step(&mut store, vec![], &mut cx), 0);
        assert_eq!(step(&mut store, vec![group(80, 0..3)], &mut cx), 1, "the placeholder is filled");
        assert_eq!(store.len(), 1);
        assert_eq!(step(&mut store, vec![group(80, 0..250)], &mut cx), 3);
        assert_eq!(store.len(), 3);
        assert_eq!(step(&mut store, vec![group(80, 0..251)], &mut cx), 1, "one more is one write");
        assert_eq!(step(&mut store, vec![group(80, (0..251).filter(|n| *n != 7))], &mut cx), 1, "one less too");
        assert_eq!(step(&mut store, vec![group(80, (0..252).filter(|n| *n != 7 && *n != 8))], &mut cx), 1, "or both");
        assert_eq!(step(&mut store, vec![group(81, 0..251)], &mut cx), 3, "other ports");
        assert_eq!(step(&mut store, vec![], &mut cx), 3, "two go, one stays empty");
        let kept = store.values().next().unwrap().typed::<EndpointSlice>().unwrap();
        assert!(store.len() == 1 && kept.endpoints.is_empty() && kept.ports.is_empty());
        assert!(kept.metadata.generation > 1);
    }

    /// By seed: after each step exactly the wanted endpoints are held, no slice is too large, and nothing is left to do.
    #[test]
    fn random_wishes_are_met_and_then_nothing_is_left_to_do() {
        for seed in 0..60 {
            let (mut store, mut cx) = (Store::new(), Context::new(0, seed));
            for _ in 0..12 {
                let (a, b) = (cx.ids.below(300), cx.ids.below(150));
                let skip = cx.ids.below(10) + 2;
                let mut groups = vec![
                    group(80, (0..a).filter(|n| n % skip != 0)),
                    group(81, (1000..1000 + b).filter(|n| n % skip != 1)),
                ];
                groups.retain(|group| !group.endpoints.is_empty());
                let wanted: BTreeSet<(Option<i32>, String)> = groups
                    .iter()
                    .flat_map(|g| g.endpoints.iter().map(|e| (g.ports[0].port, e.addresses[0].clone())))
                    .collect();
                step(&mut store, groups.clone(), &mut cx);
                assert_eq!(held(&store), wanted, "seed {seed}");
                let sizes = store.values().map(|o| o.typed::<EndpointSlice>().unwrap().endpoints.len());
                assert!(sizes.max().unwrap_or(0) <= ENDPOINTS_MAX);
                assert_eq!(step(&mut store, groups, &mut cx), 0, "seed {seed}");
            }
        }
    }
}
