//! The working state of one decision on a deployment: its replica sets as they are to be, and what led there.

use std::sync::Arc;

use masthead_api::apps::deployment::Deployment;
use masthead_api::apps::replica_set::ReplicaSet;
use masthead_api::change::{Change, EventKind, EventNote};
use masthead_api::core::pod::Pod;
use masthead_api::kind::registry::POD;
use masthead_api::meta::Time;
use masthead_api::object::{Error, Object};

use crate::cluster::view::Cluster;
use crate::context::Reaction;
use crate::delete::{self, Propagation};
use crate::workload::deployment::fences::{Fences, replicas};
use crate::workload::pods::{self, Counts};

/// Of the replica sets: the size of the deployment when they were last scaled.
pub const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
/// Of the replica sets: that size and the surge.
pub const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";

/// Who tells the events.
pub const SOURCE: &str = "deployment-controller";

/// One replica set of a deployment.
#[derive(Clone, Debug)]
pub struct Set {
    /// As it is to be.
    pub rs: ReplicaSet,
    /// As it is stored; `None` when it is to be made.
    pub stored: Option<Arc<Object>>,
    /// Its pods, as the view has them.
    pub pods: Counts,
    /// Whether a pod of it may still run, on its way out or not.
    pub running: bool,
    /// Whether it is to be deleted.
    pub doomed: bool,
    /// Why it changes, in words.
    pub reasons: Vec<String>,
}

impl Set {
    /// A stored set with its pods.
    ///
    /// # Errors
    /// The object does not decode.
    pub fn stored(cluster: &Cluster, object: &Arc<Object>, now: Time) -> Result<Set, Error> {
        let rs = ReplicaSet::clone(&*object.typed::<ReplicaSet>()?);
        // A pod that the set is about to let go is none of it any more.
        let keeps =
            |o: &&Arc<Object>| o.kind() == POD && rs.spec.selector.as_ref().is_none_or(|s| s.matches(&o.meta().labels));
        let members: Vec<Arc<Pod>> =
            cluster.owned_by(&rs.metadata.uid).filter(keeps).filter_map(|o| o.typed::<Pod>().ok()).collect();
        let counts = pods::count(members.iter().map(|pod| &**pod), rs.spec.min_ready_seconds, now);
        let running = members.iter().any(|pod| !pods::is_finished(pod));
        Ok(Set { rs, stored: Some(object.clone()), pods: counts, running, doomed: false, reasons: Vec::new() })
    }

    /// The size it is asked to have.
    pub fn replicas(&self) -> i32 {
        self.rs.spec.replicas.unwrap_or(1)
    }

    /// The pods that it may have at any moment until its own controller has caught up: the size it was given, or what
    /// it has, if that is more. Decisions on the upper bound count these, so that the bound holds at every step.
    pub fn most(&self) -> i32 {
        self.replicas().max(self.pods.active)
    }

    /// The available pods that it will keep when its controller has caught up. Decisions on the lower bound count these.
    pub fn available(&self) -> i32 {
        self.replicas().min(self.pods.available)
    }

    /// A number in its annotations.
    pub fn annotated(&self, key: &str) -> Option<i32> {
        self.rs.metadata.annotations.get(key)?.parse().ok()
    }
}

/// What a decision on a deployment works on.
#[derive(Debug)]
pub struct Rollout {
    /// The deployment as it is to be.
    pub deployment: Deployment,
    /// The deployment as it is stored.
    pub stored: Arc<Object>,
    /// The set of the deployment's template, if there is one.
    pub new: Option<Set>,
    /// All other sets, oldest first.
    pub old: Vec<Set>,
    /// How far the number of pods may go.
    pub fences: Fences,
    /// Now.
    pub now: Time,
    /// What to tell.
    pub events: Vec<EventNote>,
    /// When to look again.
    pub recheck_after_s: Option<i64>,
}

impl Rollout {
    /// The size that is asked for.
    pub fn size(&self) -> i32 {
        replicas(&self.deployment.spec)
    }

    /// All sets.
    pub fn sets(&self) -> impl Iterator<Item = &Set> {
        self.old.iter().chain(&self.new)
    }

    /// The sum of a number over all sets, within 32 bits.
    pub fn total(&self, of: impl Fn(&Set) -> i32) -> i32 {
        self.sets().map(of).fold(0, i32::saturating_add)
    }

    /// Tells something ordinary about the deployment.
    pub fn tell(&mut self, reason: &str, message: String) {
        self.events.push(EventNote {
            about: self.stored.key().clone(),
            uid: self.stored.meta().uid.clone(),
            kind: EventKind::Normal,
            reason: reason.to_owned(),
            message,
            source: SOURCE.to_owned(),
        });
    }

    /// Scales the new set; whether that changed its size.
    pub fn scale_new(&mut self, size: i32) -> bool {
        let Some(mut set) = self.new.take() else { return false };
        let scaled = self.scale(&mut set, size);
        self.new = Some(set);
        scaled
    }

    /// Scales one of the old sets; whether that changed its size.
    pub fn scale_old(&mut self, index: usize, size: i32) -> bool {
        let mut set = self.old[index].clone();
        let scaled = self.scale(&mut set, size);
        self.old[index] = set;
        scaled
    }

    /// Gives a set its size and the annotations that go with it.
    pub fn scale(&mut self, set: &mut Set, size: i32) -> bool {
        let before = set.replicas();
        annotate(set, self.size(), self.fences);
        if before == size {
            return false;
        }
        set.rs.spec.replicas = Some(size);
        let direction = if before < size { "up" } else { "down" };
        let message = format!("Scaled {direction} replica set {} from {before} to {size}", set.rs.metadata.name);
        set.reasons.push(format!("{before} → {size} replicas"));
        self.tell("ScalingReplicaSet", message);
        true
    }

    /// The writes that get from what is stored to what is to be.
    ///
    /// # Errors
    /// An object does not encode.
    pub fn into_reaction(self) -> Result<Reaction, Error> {
        let recheck_after_ms = self.recheck_after_s.map(|s| u64::try_from(s.max(1)).unwrap_or(1).saturating_mul(1000));
        let mut reaction = Reaction { changes: Vec::new(), events: self.events, recheck_after_ms };
        // The new set first: what may grow grows before others shrink.
        for set in self.new.into_iter().chain(self.old) {
            if let Some(change) = write(set, self.now)? {
                reaction.changes.push(change);
            }
        }
        if *self.stored.typed::<Deployment>()? != self.deployment {
            let after = Arc::new(Object::of(&self.deployment)?);
            let (base, status) = (self.stored.revision(), &self.deployment.status);
            let reason =
                format!("{} of {} pods are up to date", status.updated_replicas, replicas(&self.deployment.spec));
            reaction.changes.push(Change::Update { object: after, base, reason });
        }
        Ok(reaction)
    }
}

/// Notes the deployment's size and bound on a set.
pub fn annotate(set: &mut Set, size: i32, fences: Fences) {
    let annotations = &mut set.rs.metadata.annotations;
    annotations.insert(DESIRED_REPLICAS.to_owned(), size.to_string());
    annotations.insert(MAX_REPLICAS.to_owned(), fences.most(size).to_string());
}

fn write(mut set: Set, now: Time) -> Result<Option<Change>, Error> {
    let reason = if set.reasons.is_empty() { "its deployment changed".to_owned() } else { set.reasons.join(", ") };
    let Some(stored) = set.stored else {
        return Ok(Some(Change::Create { object: Arc::new(Object::of(&set.rs)?), reason }));
    };
    if set.doomed {
        return delete::delete(&stored, None, Propagation::Background, now, &reason);
    }
    let before = stored.typed::<ReplicaSet>()?;
    if *before == set.rs {
        return Ok(None);
    }
    if before.spec != set.rs.spec {
        set.rs.metadata.generation += 1;
    }
    Ok(Some(Change::Update { object: Arc::new(Object::of(&set.rs)?), base: stored.revision(), reason }))
}
