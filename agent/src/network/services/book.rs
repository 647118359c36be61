//! Services and slices as they change → the few entries of the table that change with them.
//!
//! What the table holds is a function of what the book holds: where two services claim one spot the older has it, and
//! the places of endpoints in a list are theirs until they leave, so that one that comes or goes moves no other.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use crate::network::rules::ports::Protocol;
use crate::network::services::element::{Element, Shape};
use crate::network::services::model::{Here, Name, Service, Slice};
use crate::network::services::select::Target;
use crate::network::services::want::{self, Lead, PoolId, Scope, Spot, Wanted};

/// What leads from one state of the table to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Entries to take out, with the value they had.
    pub remove: Vec<Element>,
    /// Entries to put in.
    pub add: Vec<Element>,
    /// Spots of UDP that lead nowhere any more.
    pub gone_udp: HashSet<Spot>,
    /// Whether a list of UDP endpoints lost one.
    pub is_udp_touched: bool,
}

impl Change {
    /// Whether the table stays as it is.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.add.is_empty()
    }
}

/// Sorts services that claim one spot: the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Order {
    created: String,
    name: Name,
}

/// Who claims what; the first has it.
#[derive(Clone, Debug)]
struct Claims<V>(HashMap<Spot, Vec<(Arc<Order>, V)>>);

impl<V: Copy + PartialEq> Claims<V> {
    fn holder(&self, spot: &Spot) -> Option<V> {
        self.0.get(spot).and_then(|claims| claims.first()).map(|(_, value)| *value)
    }

    fn add(&mut self, spot: Spot, order: &Arc<Order>, value: V) {
        let claims = self.0.entry(spot).or_default();
        let at = claims.partition_point(|(other, _)| other <= order);
        claims.insert(at, (order.clone(), value));
    }

    fn remove(&mut self, spot: &Spot, order: &Arc<Order>, value: V) {
        if let Some(claims) = self.0.get_mut(spot) {
            if let Some(at) = claims.iter().position(|(other, held)| other == order && *held == value) {
                claims.remove(at);
            }
            if claims.is_empty() {
                self.0.remove(spot);
            }
        }
    }
}

/// A list of endpoints at their places.
#[derive(Clone, Debug, Default)]
struct Placed {
    targets: Vec<Target>,
    is_sticky: bool,
}

/// Everything that is known of services.
#[derive(Clone, Debug, Default)]
pub struct Book {
    here: Here,
    services: HashMap<Name, (Arc<Order>, Service)>,
    slices: HashMap<Name, Slice>,
    slices_of: HashMap<Name, BTreeSet<Name>>,
    held: HashMap<Name, (Arc<Order>, Wanted)>,
    leads: Claims<Lead>,
    guards: Claims<PoolId>,
    placed: HashMap<PoolId, Placed>,
    near: HashMap<IpAddr, isize>,
    shapes: HashMap<(Scope, Shape), isize>,
    /// Where load balancers ask, by service.
    health: BTreeMap<Name, (u16, usize)>,
    /// What services ask for that is not done, and why.
    problems: BTreeMap<Name, Vec<String>>,
    /// Endpoints in all lists.
    endpoints: usize,
    dirty: BTreeSet<Name>,
}

impl<V> Default for Claims<V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl Book {
    /// An empty book of this node.
    pub fn new(here: Here) -> Self {
        Self { here, ..Self::default() }
    }

    /// The node it is kept for.
    pub fn here(&self) -> &Here {
        &self.here
    }

    /// Adds, replaces or takes out a service.
    pub fn set_service(&mut self, name: Name, service: Option<Service>) {
        match service {
            Some(service) => {
                let order = Arc::new(Order { created: service.created.clone(), name: name.clone() });
                self.services.insert(name.clone(), (order, service));
            }
            None => drop(self.services.remove(&name)),
        }
        self.dirty.insert(name);
    }

    /// Adds, replaces or takes out a slice by its own name.
    pub fn set_slice(&mut self, name: Name, slice: Option<Slice>) {
        if let Some(old) = self.slices.remove(&name) {
            if let Some(others) = self.slices_of.get_mut(&old.service) {
                others.remove(&name);
                if others.is_empty() {
                    self.slices_of.remove(&old.service);
                }
            }
            self.dirty.insert(old.service);
        }
        if let Some(slice) = slice {
            self.slices_of.entry(slice.service.clone()).or_default().insert(name.clone());
            self.dirty.insert(slice.service.clone());
            self.slices.insert(name, slice);
        }
    }

    /// How many services there are, and how many endpoints in all lists.
    pub fn counts(&self) -> (usize, usize) {
        (self.services.len(), self.endpoints)
    }

    /// Services with a port where load balancers ask, and how many ready endpoints this node has of each.
    pub fn health(&self) -> Vec<(Name, u16, usize)> {
        self.health.iter().map(|(name, (port, ready))| (name.clone(), *port, *ready)).collect()
    }

    /// What services ask for that is not done, and why.
    pub fn problems(&self) -> impl Iterator<Item = (&Name, &String)> {
        self.problems.iter().flat_map(|(name, texts)| texts.iter().map(move |text| (name, text)))
    }

    /// Takes in what was set since, and says what it changes.
    pub fn settle(&mut self) -> Change {
        let mut work = Work::default();
        for name in std::mem::take(&mut self.dirty) {
            let (old_order, old) = self.held.remove(&name).unwrap_or_default();
            let new = self.services.get(&name).map(|(order, service)| {
                let slices = self.slices_of.get(&name).into_iter().flatten().filter_map(|slice| self.slices.get(slice));
                (order.clone(), want::want(&self.here, &name, service, slices))
            });
            let (order, new) = new.unwrap_or_default();
            if (&old_order, &old) != (&order, &new) {
                self.claim(&mut work, (&old_order, &old), (&order, &new));
                self.place(&mut work, &old, &new);
            }
            match new.problems.is_empty() {
                true => drop(self.problems.remove(&name)),
                false => drop(self.problems.insert(name.clone(), new.problems.clone())),
            }
            match new.health {
                Some(asked) => drop(self.health.insert(name.clone(), asked)),
                None => drop(self.health.remove(&name)),
            }
            if self.services.contains_key(&name) {
                self.held.insert(name, (order, new));
            }
        }
        self.finish(work)
    }

    fn claim(&mut self, work: &mut Work, old: (&Arc<Order>, &Wanted), new: (&Arc<Order>, &Wanted)) {
        for (spot, lead) in &old.1.leads {
            work.leads.entry(*spot).or_insert_with(|| self.leads.holder(spot));
            self.leads.remove(spot, old.0, *lead);
        }
        for (spot, lead) in &new.1.leads {
            work.leads.entry(*spot).or_insert_with(|| self.leads.holder(spot));
            self.leads.add(*spot, new.0, *lead);
        }
        for (spot, id) in &old.1.guarded {
            work.guards.entry(*spot).or_insert_with(|| self.guards.holder(spot));
            self.guards.remove(spot, old.0, *id);
        }
        for (spot, id) in &new.1.guarded {
            work.guards.entry(*spot).or_insert_with(|| self.guards.holder(spot));
            self.guards.add(*spot, new.0, *id);
        }
        let ranges = |wanted: &Wanted| wanted.ranges.iter().copied().collect::<BTreeSet<_>>();
        let (before, after) = (ranges(old.1), ranges(new.1));
        work.change.remove.extend(before.difference(&after).map(|(id, net)| Element::Range(*id, *net)));
        work.change.add.extend(after.difference(&before).map(|(id, net)| Element::Range(*id, *net)));
        old.1.near.iter().for_each(|ip| *work.near.entry(*ip).or_default() -= 1);
        new.1.near.iter().for_each(|ip| *work.near.entry(*ip).or_default() += 1);
    }

    fn place(&mut self, work: &mut Work, old: &Wanted, new: &Wanted) {
        for pool in &old.pools {
            if new.pools.iter().all(|other| other.id != pool.id)
                && let Some(placed) = self.placed.remove(&pool.id)
            {
                work.change.is_udp_touched |= pool.protocol == Protocol::Udp;
                self.endpoints -= placed.targets.len();
                work.change.remove.extend(elements(pool.id, &placed));
            }
        }
        for pool in &new.pools {
            let before = self.placed.remove(&pool.id).unwrap_or_default();
            let after = Placed { targets: places(&before.targets, &pool.targets), is_sticky: pool.is_sticky };
            self.endpoints = self.endpoints + after.targets.len() - before.targets.len();
            let kept = before.targets.iter().zip(&after.targets).take_while(|(a, b)| a == b).count();
            if kept == before.targets.len() && kept == after.targets.len() && before.is_sticky == after.is_sticky {
                self.placed.insert(pool.id, after);
                continue;
            }
            if before.targets.is_empty() {
                work.change.add.extend(elements(pool.id, &after));
            } else {
                let (was, is): (HashSet<Element>, HashSet<Element>) =
                    (elements(pool.id, &before).collect(), elements(pool.id, &after).collect());
                work.change.remove.extend(was.difference(&is));
                work.change.add.extend(is.difference(&was));
            }
            work.change.is_udp_touched |= pool.protocol == Protocol::Udp;
            self.placed.insert(pool.id, after);
        }
    }

    /// Turns what was touched into what differs.
    fn finish(&mut self, work: Work) -> Change {
        let Work { mut change, leads, guards, near } = work;
        let mut shapes: HashMap<(Scope, Shape), isize> = HashMap::new();
        for (spot, before) in leads {
            let after = self.leads.holder(&spot);
            if before == after {
                continue;
            }
            let mut count = |lead: &Lead, by: isize| *shapes.entry((spot.scope, Shape::of(lead))).or_default() += by;
            if let Some(lead) = before {
                count(&lead, -1);
                change.remove.push(Element::Lead(spot, lead));
            }
            if let Some(lead) = after {
                count(&lead, 1);
                change.add.push(Element::Lead(spot, lead));
            } else if spot.protocol == Protocol::Udp {
                change.gone_udp.insert(spot);
            }
        }
        for (spot, before) in guards {
            let after = self.guards.holder(&spot);
            if before != after {
                change.remove.extend(before.map(|id| Element::Guarded(spot, id)));
                change.add.extend(after.map(|id| Element::Guarded(spot, id)));
            }
        }
        let (gone, come) = tally(&mut self.near, near);
        change.remove.extend(gone.into_iter().map(Element::Near));
        change.add.extend(come.into_iter().map(Element::Near));
        let (gone, come) = tally(&mut self.shapes, shapes);
        change.remove.extend(gone.into_iter().map(|(scope, shape)| Element::Shape(scope, shape)));
        change.add.extend(come.into_iter().map(|(scope, shape)| Element::Shape(scope, shape)));
        change
    }

    /// Everything that the table must hold.
    pub fn elements(&self) -> impl Iterator<Item = Element> + '_ {
        let leads = self.leads.0.iter().filter_map(|(spot, claims)| Some(Element::Lead(*spot, claims.first()?.1)));
        let guards = self.guards.0.iter().filter_map(|(spot, claims)| Some(Element::Guarded(*spot, claims.first()?.1)));
        let ranges = self.held.values().flat_map(|(_, w)| w.ranges.iter().map(|(id, net)| Element::Range(*id, *net)));
        let placed = self.placed.iter().flat_map(|(id, placed)| elements(*id, placed));
        let near = self.near.keys().map(|ip| Element::Near(*ip));
        let shapes = self.shapes.keys().map(|(scope, shape)| Element::Shape(*scope, *shape));
        leads.chain(guards).chain(ranges).chain(placed).chain(near).chain(shapes)
    }

    /// Whether a UDP flow to `to` that is answered by `by` is one of ours whose endpoint is not there any more.
    pub fn is_stale(&self, to: Target, by: Target, gone: &HashSet<Spot>) -> bool {
        let spot =
            |scope, ip: Option<IpAddr>| Spot { scope, is_v6: to.0.is_ipv6(), ip, protocol: Protocol::Udp, port: to.1 };
        let scopes = [Scope::Inner, Scope::Outer];
        let led = to != by;
        let of = |ip: Option<IpAddr>| scopes.map(|scope| self.leads.holder(&spot(scope, ip)));
        let mut leads = of(Some(to.0));
        if leads == [None, None] && led {
            leads = of(None);
        }
        if leads == [None, None] {
            let was = |ip| scopes.iter().any(|scope| gone.contains(&spot(*scope, ip)));
            return led && (was(Some(to.0)) || was(None));
        }
        let holds = |lead: &Lead| match lead {
            Lead::Pool { id, .. } => self.placed.get(id).is_some_and(|p| p.targets.contains(&by)),
            Lead::Reject | Lead::Drop => false,
        };
        !leads.iter().flatten().any(holds)
    }
}

/// What is touched while services are taken in, as it was before.
#[derive(Default)]
struct Work {
    change: Change,
    leads: HashMap<Spot, Option<Lead>>,
    guards: HashMap<Spot, Option<PoolId>>,
    near: HashMap<IpAddr, isize>,
}

/// Adds to counts; says which fell to nothing and which rose from it.
fn tally<K: Copy + Eq + Hash>(counts: &mut HashMap<K, isize>, by: HashMap<K, isize>) -> (Vec<K>, Vec<K>) {
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    for (key, by) in by.into_iter().filter(|(_, by)| *by != 0) {
        let count = counts.entry(key).or_default();
        if *count == 0 {
            come.push(key);
        }
        *count += by;
        if *count == 0 {
            counts.remove(&key);
            gone.push(key);
        }
    }
    (gone, come)
}

fn elements(id: PoolId, placed: &Placed) -> impl Iterator<Item = Element> + '_ {
    let slots = placed.targets.iter().zip(0..).map(move |(target, at)| Element::Slot(id, at, *target));
    let alive = placed.targets.iter().filter(|_| placed.is_sticky).map(move |target| Element::Alive(id, *target));
    slots.chain(alive)
}

/// The places of endpoints: who stays keeps his, unless the list ends before; the others fill what is free.
fn places(before: &[Target], wanted: &[Target]) -> Vec<Target> {
    let mut left: BTreeSet<Target> = wanted.iter().copied().collect();
    let mut places: Vec<Option<Target>> = vec![None; left.len()];
    for (place, target) in places.iter_mut().zip(before) {
        if left.remove(target) {
            *place = Some(*target);
        }
    }
    let mut rest = left.into_iter();
    places.into_iter().filter_map(|place| place.or_else(|| rest.next())).collect()
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
