//! (Cluster, a replica set) → the pods it takes in, lets go, makes and deletes, and its status.

use std::sync::Arc;

use masthead_api::apps::replica_set::ReplicaSet;
use masthead_api::change::{Change, EventKind, EventNote};
use masthead_api::core::pod::Pod;
use masthead_api::kind::registry::{POD, REPLICA_SET};
use masthead_api::object::{Error, Object};

use crate::cluster::view::{Cluster, controller_of};
use crate::context::{Context, Reaction};
use crate::delete::{self, Propagation};
use crate::workload::claim::{Claims, claim};
use crate::workload::pods::is_active;
use crate::workload::replicaset::status::{Failure, status};
use crate::workload::replicaset::{create, rank};

/// Pods made or deleted in one reaction at most (Kubernetes' `BurstReplicas`); the rest follows in the next.
const BURST: usize = 500;

/// A set whose pods could not be made tries again after this long.
const RETRY_MS: u64 = 30_000;

/// Who tells the events.
const SOURCE: &str = "replicaset-controller";

/// One pod of the set: as decided so far, and what has to be written for it.
struct Member {
    object: Arc<Object>,
    pod: Arc<Pod>,
    write: Option<(Write, String)>,
}

/// What has to be written for a pod.
enum Write {
    Create,
    Update,
    Delete,
}

/// What a replica set needs next.
///
/// # Errors
/// An object's body is not of its kind's shape.
pub fn reconcile(cluster: &Cluster, object: &Arc<Object>, cx: &mut Context) -> Result<Reaction, Error> {
    let rs = object.typed::<ReplicaSet>()?;
    let mut reaction = Reaction::default();
    // Validation refuses a set that selects everything; one that comes in regardless must not take every pod.
    let Some(selector) = rs.spec.selector.as_ref().filter(|selector| !selector.is_empty()) else {
        return Ok(reaction);
    };
    let claims = claim(cluster, object, selector, POD)?;
    let mut members = members(&claims, &rs)?;
    release(&claims, &rs, &mut reaction);
    let mut failure = None;
    if rs.metadata.deletion_timestamp.is_none() {
        let wanted = usize::try_from(rs.spec.replicas.unwrap_or(1)).unwrap_or(0);
        let active = members.iter().filter(|m| is_active(&m.pod)).count();
        if active < wanted {
            failure = grow(cluster, object, &rs, wanted - active, &mut members, cx, &mut reaction);
        } else if active > wanted {
            shrink(cluster, object, &rs, active - wanted, &mut members, cx, &mut reaction)?;
        }
    }
    write(&mut members, &mut reaction);
    let pods: Vec<Arc<Pod>> =
        members.into_iter().filter(|m| !matches!(m.write, Some((Write::Delete, _)))).map(|m| m.pod).collect();
    let (status, counts) = status(&rs, &pods, failure, cx.now);
    reaction.recheck_in_ms(counts.next_available_s.map(|s| u64::try_from(s).unwrap_or(0).saturating_mul(1000)));
    if status != rs.status {
        let mut after = ReplicaSet::clone(&rs);
        let reason = format!("{} of {} pods are ready", status.ready_replicas, rs.spec.replicas.unwrap_or(1));
        after.status = status;
        reaction.changes.push(Change::Update {
            object: Arc::new(Object::of(&after)?),
            base: object.revision(),
            reason,
        });
    }
    Ok(reaction)
}

fn members(claims: &Claims, rs: &ReplicaSet) -> Result<Vec<Member>, Error> {
    let mut members = Vec::with_capacity(claims.owned.len());
    for claimed in &claims.owned {
        // A pod that does not decode is a fault of the view; it counts for nothing here.
        let Ok(pod) = claimed.object.typed::<Pod>() else { continue };
        let write =
            claimed.adopted.then(|| (Write::Update, format!("its labels match ReplicaSet {}", rs.metadata.name)));
        members.push(Member { object: claimed.object.clone(), pod, write });
    }
    Ok(members)
}

fn release(claims: &Claims, rs: &ReplicaSet, reaction: &mut Reaction) {
    for object in &claims.released {
        let reason = format!("its labels no longer match ReplicaSet {}", rs.metadata.name);
        reaction.changes.push(Change::Update { base: object.revision(), object: object.clone(), reason });
    }
}

/// Makes pods; gives why not when one could not be made, as all others would fail alike.
fn grow(
    cluster: &Cluster,
    object: &Arc<Object>,
    rs: &ReplicaSet,
    missing: usize,
    members: &mut Vec<Member>,
    cx: &mut Context,
    reaction: &mut Reaction,
) -> Option<Failure> {
    // Nothing new in a namespace that is being emptied; that is no failure.
    if cluster.is_terminating(&object.key().namespace) {
        return None;
    }
    for _ in 0..missing.min(BURST) {
        match create::pod(cluster, object, &rs.spec.template, cx) {
            Ok(made) => {
                let Ok(pod) = made.typed::<Pod>() else { continue };
                tell(
                    object,
                    EventKind::Normal,
                    "SuccessfulCreate",
                    format!("Created pod: {}", pod.metadata.name),
                    reaction,
                );
                let reason = format!("ReplicaSet {} wants {} pods", rs.metadata.name, rs.spec.replicas.unwrap_or(1));
                members.push(Member { object: made, pod, write: Some((Write::Create, reason)) });
            }
            Err(error) => {
                let known = rs.status.conditions.iter().any(|c| c.type_ == "ReplicaFailure");
                if !known {
                    tell(object, EventKind::Warning, "FailedCreate", format!("Error creating: {error}"), reaction);
                }
                reaction.recheck_in_ms(Some(RETRY_MS));
                return Some(("FailedCreate", error.to_string()));
            }
        }
    }
    None
}

fn shrink(
    cluster: &Cluster,
    object: &Arc<Object>,
    rs: &ReplicaSet,
    surplus: usize,
    members: &mut [Member],
    cx: &Context,
    reaction: &mut Reaction,
) -> Result<(), Error> {
    let related = related(cluster, object);
    let nodes = rank::on_node(
        related.iter().map(|pod| &**pod).chain(members.iter().filter(|m| m.write.is_some()).map(|m| &*m.pod)),
    );
    let mut order: Vec<usize> = (0..members.len()).filter(|i| is_active(&members[*i].pod)).collect();
    order.sort_by(|a, b| rank::compare(&members[*a].pod, &members[*b].pod, &nodes, rs.spec.min_ready_seconds, cx.now));
    for index in order.into_iter().take(surplus.min(BURST)) {
        let member = &mut members[index];
        let name = &member.pod.metadata.name;
        let reason = format!("ReplicaSet {} has {surplus} pods too many", object.key().name);
        let Some(change) = delete::delete(&member.object, None, Propagation::Background, cx.now, &reason)? else {
            continue;
        };
        tell(object, EventKind::Normal, "SuccessfulDelete", format!("Deleted pod: {name}"), reaction);
        match change {
            Change::Update { object, .. } | Change::Create { object, .. } => {
                member.pod = object.typed::<Pod>()?;
                member.object = object;
                member.write = Some((Write::Update, reason));
            }
            Change::Delete { .. } => member.write = Some((Write::Delete, reason)),
        }
    }
    Ok(())
}

/// Pods of all replica sets that the same workload controls, this one's included.
fn related(cluster: &Cluster, object: &Arc<Object>) -> Vec<Arc<Pod>> {
    let siblings: Vec<&Arc<Object>> = match controller_of(object) {
        Some(owner) => cluster.owned_by(&owner.uid).filter(|o| o.kind() == REPLICA_SET).collect(),
        None => vec![object],
    };
    let pods = siblings.into_iter().flat_map(|rs| cluster.owned_by(&rs.meta().uid)).filter(|o| o.kind() == POD);
    pods.filter_map(|pod| pod.typed::<Pod>().ok()).collect()
}

fn write(members: &mut [Member], reaction: &mut Reaction) {
    for member in members {
        let object = member.object.clone();
        match &member.write {
            None => {}
            Some((Write::Create, reason)) => reaction.changes.push(Change::Create { object, reason: reason.clone() }),
            Some((Write::Update, reason)) => {
                reaction.changes.push(Change::Update { base: object.revision(), object, reason: reason.clone() });
            }
            Some((Write::Delete, reason)) => {
                let (key, base) = (object.key().clone(), object.revision());
                reaction.changes.push(Change::Delete { key, base, reason: reason.clone() });
            }
        }
    }
}

fn tell(about: &Object, kind: EventKind, reason: &str, message: String, reaction: &mut Reaction) {
    reaction.events.push(EventNote {
        about: about.key().clone(),
        uid: about.meta().uid.clone(),
        kind,
        reason: reason.to_owned(),
        message,
        source: SOURCE.to_owned(),
    });
}
