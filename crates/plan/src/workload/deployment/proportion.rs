//! A new size of a deployment that is rolling or paused → the share of each of its sets.

use crate::workload::deployment::fences;
use crate::workload::deployment::rollout::{DESIRED_REPLICAS, MAX_REPLICAS, Rollout, Set};

/// Whether the deployment's size changed since its sets were last scaled.
pub fn is_scaling(rollout: &Rollout) -> bool {
    let size = rollout.size();
    rollout
        .sets()
        .any(|set| set.replicas() > 0 && set.annotated(DESIRED_REPLICAS).is_some_and(|desired| desired != size))
}

/// Which set, of the old ones by place or the new one.
#[derive(Clone, Copy, PartialEq)]
enum Which {
    Old(usize),
    New,
}

/// Scales the sets to the deployment's size: the one that is active, or all active ones in proportion.
pub fn scale(rollout: &mut Rollout) {
    let size = rollout.size();
    let active: Vec<Which> =
        all(rollout).filter(|which| set(rollout, *which).is_some_and(|s| s.replicas() > 0)).collect();
    match active.as_slice() {
        [] if size == 0 => {}
        // Nothing runs: the newest set gets it all.
        [] => {
            let newest = rollout.old.len().checked_sub(1).map(Which::Old);
            if let Some(which) = rollout.new.as_ref().map(|_| Which::New).or(newest) {
                resize(rollout, which, within_bound(rollout, which, size));
            }
        }
        // A set that is taken in while the deployment is paused stays as it is, if it has the size.
        [only] if rollout.deployment.spec.paused && set(rollout, *only).is_some_and(|s| s.replicas() == size) => {}
        [only] => resize(rollout, *only, within_bound(rollout, *only, size)),
        _ if is_saturated(rollout) => {
            for which in active.into_iter().filter(|which| *which != Which::New) {
                resize(rollout, which, 0);
            }
        }
        _ if fences::is_rolling(&rollout.deployment.spec) => spread(rollout, active),
        _ => {}
    }
}

fn resize(rollout: &mut Rollout, which: Which, size: i32) {
    match which {
        Which::Old(index) => rollout.scale_old(index, size),
        Which::New => rollout.scale_new(size),
    };
}

fn all(rollout: &Rollout) -> impl Iterator<Item = Which> + use<> {
    (0..rollout.old.len()).map(Which::Old).chain(rollout.new.as_ref().map(|_| Which::New))
}

fn set(rollout: &Rollout, which: Which) -> Option<&Set> {
    match which {
        Which::Old(index) => rollout.old.get(index),
        Which::New => rollout.new.as_ref(),
    }
}

/// The size that a set may have: pods of others that are to go but have not gone yet leave no room. What is missing then
/// follows as the rollout goes on.
fn within_bound(rollout: &Rollout, which: Which, size: i32) -> i32 {
    let Some(current) = set(rollout, which).map(Set::replicas) else { return size };
    let room = rollout.fences.most(rollout.size()).saturating_sub(rollout.total(Set::most)).max(0);
    size.min(current.saturating_add(room))
}

/// Whether the new set has all pods that are asked for, available.
fn is_saturated(rollout: &Rollout) -> bool {
    let size = rollout.size();
    rollout.new.as_ref().is_some_and(|new| {
        new.replicas() == size
            && new.annotated(DESIRED_REPLICAS) == Some(size)
            && new.rs.status.available_replicas == size
    })
}

/// Shares the difference out in proportion to the sets' sizes, the largest set first; it also takes what rounding left.
fn spread(rollout: &mut Rollout, mut active: Vec<Which>) {
    let size = rollout.size();
    let allowed = if size > 0 { rollout.fences.most(size) } else { 0 };
    let total = rollout.total(Set::replicas);
    let mut to_add = allowed.saturating_sub(total);
    if to_add > 0 {
        // Pods that are to go but have not gone yet leave no room; what is missing then follows as the rollout goes on.
        to_add = allowed.saturating_sub(rollout.total(Set::most)).max(0);
    }
    active.sort_by(|a, b| {
        let of = |which: &Which| set(rollout, *which).map(|s| (s.replicas(), s.rs.metadata.creation_timestamp));
        let ((size_a, age_a), (size_b, age_b)) = (of(a).unwrap_or_default(), of(b).unwrap_or_default());
        let by_age = if to_add > 0 { age_b.cmp(&age_a) } else { age_a.cmp(&age_b) };
        size_b.cmp(&size_a).then(by_age)
    });
    let mut added = 0;
    let mut sizes: Vec<i32> = Vec::with_capacity(active.len());
    for which in &active {
        let Some(s) = set(rollout, *which) else { continue };
        let share = if to_add == 0 || to_add == added { 0 } else { share(rollout, s, to_add, added) };
        added += share;
        sizes.push(s.replicas() + share);
    }
    if to_add != 0
        && let Some(first) = sizes.first_mut()
    {
        *first = (*first + to_add - added).max(0);
    }
    for (which, size) in active.into_iter().zip(sizes) {
        resize(rollout, which, size);
    }
}

/// How many pods more (or fewer) one set gets, of `to_add` of which `added` are given.
fn share(rollout: &Rollout, set: &Set, to_add: i32, added: i32) -> i32 {
    let current = set.replicas();
    let left = to_add - added;
    let fraction = if rollout.size() == 0 {
        -current
    } else {
        let before = set.annotated(MAX_REPLICAS).filter(|n| *n > 0).unwrap_or(rollout.deployment.status.replicas);
        if before <= 0 {
            return 0;
        }
        let scaled = f64::from(current) * f64::from(rollout.fences.most(rollout.size())) / f64::from(before);
        // Sizes are 32-bit, so the product is exact enough and fits again.
        let rounded = scaled.round() as i32;
        rounded - current
    };
    if to_add > 0 { fraction.min(left) } else { fraction.max(left) }
}

#[cfg(test)]
mod tests {
    use masthead_api::key::ObjectKey;
    use masthead_api::kind::registry::REPLICA_SET;
    use serde_json::{Value, json};

    use crate::workload::sim::manifest;
    use crate::workload::sim::world::World;

    #[test]
    fn a_paused_deployment_scales_what_it_takes_in_and_leaves_what_has_its_size() {
        let check = |replicas: i64, expect: Value| {
            let labels = json!({"app": "web", "v": "old"});
            let spec = json!({"containers": [{"name": "c", "image": "web:1"}]});
            let old = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "old", "labels": labels},
                "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}}});
            let web = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
                "paused": true, "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": spec}}});
            let mut world = World::new(1, false);
            for (object, uid) in [(old, "old"), (web, "web")] {
                let now = json!(world.time());
                world.put(manifest::create(object, uid.to_owned(), &now));
                world.settle();
            }
            world.assert_silent();
            let set = world.get(&ObjectKey::new(REPLICA_SET, "ns", "old"));
            assert_eq!(set["metadata"]["ownerReferences"][0]["uid"], "web");
            assert_eq!(json!([set["spec"]["replicas"], set["metadata"]["annotations"]]), expect);
        };
        check(2, json!([2, null]));
        let scaled =
            json!({"deployment.kubernetes.io/desired-replicas": "4", "deployment.kubernetes.io/max-replicas": "5"});
        check(4, json!([4, scaled]));
    }
}
