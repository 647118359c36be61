//! (Cluster, a deployment) → the next step of its rollout: sets made, scaled, adopted, forgotten, and its status.

use std::sync::Arc;

use masthead_api::apps::deployment::Deployment;
use masthead_api::change::Change;
use masthead_api::kind::registry::REPLICA_SET;
use masthead_api::object::{Error, Object};

use crate::cluster::view::Cluster;
use crate::context::{Context, Reaction};
use crate::workload::claim::{Claims, claim};
use crate::workload::deployment::fences::{Fences, is_rolling};
use crate::workload::deployment::rollout::{Rollout, Set};
use crate::workload::deployment::status::{is_complete, status};
use crate::workload::deployment::{history, progress, proportion, recreate, revision, rolling};

/// What a deployment needs next.
///
/// # Errors
/// An object's body is not of its kind's shape.
pub fn reconcile(cluster: &Cluster, object: &Arc<Object>, cx: &mut Context) -> Result<Reaction, Error> {
    let deployment = object.typed::<Deployment>()?;
    // Validation refuses a deployment that selects everything; one that comes in regardless must not take every pod.
    let Some(selector) = deployment.spec.selector.as_ref().filter(|selector| !selector.is_empty()) else {
        return Ok(Reaction::default());
    };
    let claims = claim(cluster, object, selector, REPLICA_SET)?;
    let released = releases(&claims, object);
    let mut rollout = gather(cluster, object, &deployment, &claims, cx)?;
    if object.meta().deletion_timestamp.is_some() {
        rollout.deployment.status = status(&rollout);
    } else {
        advance(cluster, &mut rollout, cx);
    }
    let mut reaction = Reaction { changes: released, ..Reaction::default() };
    reaction.append(rollout.into_reaction()?);
    Ok(reaction)
}

fn releases(claims: &Claims, owner: &Object) -> Vec<Change> {
    let release = |object: &Arc<Object>| Change::Update {
        object: object.clone(),
        base: object.revision(),
        reason: format!("its labels no longer match Deployment {}", owner.key().name),
    };
    claims.released.iter().map(release).collect()
}

fn gather(
    cluster: &Cluster,
    object: &Arc<Object>,
    deployment: &Arc<Deployment>,
    claims: &Claims,
    cx: &Context,
) -> Result<Rollout, Error> {
    let mut sets = Vec::with_capacity(claims.owned.len());
    for claimed in &claims.owned {
        // A set that does not decode is a fault of the view, and must not stop the others.
        let Ok(mut set) = Set::stored(cluster, &claimed.object, cx.now) else { continue };
        if claimed.adopted {
            set.stored = cluster.get(claimed.object.key()).cloned();
            set.reasons.push(format!("its labels match Deployment {}", object.key().name));
        }
        sets.push(set);
    }
    let (new, old) = revision::split(sets, &deployment.spec.template);
    Ok(Rollout {
        deployment: Deployment::clone(deployment),
        stored: object.clone(),
        new,
        old,
        fences: Fences::of(deployment),
        now: cx.now,
        events: Vec::new(),
        recheck_after_s: None,
    })
}

/// Takes the step that the deployment's state asks for, and reports it in the status.
fn advance(cluster: &Cluster, rollout: &mut Rollout, cx: &mut Context) {
    progress::sync_paused(rollout);
    revision::sync(rollout);
    if rollout.deployment.spec.paused || proportion::is_scaling(rollout) {
        proportion::scale(rollout);
        if rollout.deployment.spec.paused {
            history::trim(rollout);
        }
        rollout.deployment.status = status(rollout);
        return;
    }
    if is_rolling(&rollout.deployment.spec) {
        revision::create_missing(cluster, rollout, cx);
        // Room that shrinking makes is used by the next decision, when the old set's smaller size is stored: a crash
        // between the two writes must not leave more pods than the upper bound.
        rolling::grow_new(rollout);
        rolling::shrink_old(rollout);
    } else {
        recreate::step(cluster, rollout, cx);
    }
    let mut after = status(rollout);
    progress::judge(rollout, &mut after);
    if is_complete(rollout, &after) {
        history::trim(rollout);
    }
    rollout.recheck_after_s =
        earliest(rollout.recheck_after_s, rollout.sets().filter_map(|s| s.pods.next_available_s).min());
    rollout.deployment.status = after;
}

fn earliest(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    [a, b].into_iter().flatten().min()
}
