//! A rolling update's next step: how far the new set grows and the old ones shrink without leaving the fences.

use crate::workload::deployment::rollout::{Rollout, Set};

/// The size that the new set may have now: up to the deployment's, as far as the upper bound leaves room.
pub fn room_for_new(rollout: &Rollout) -> i32 {
    let Some(new) = &rollout.new else { return 0 };
    let (size, current) = (rollout.size(), new.replicas());
    let room = rollout.fences.most(size).saturating_sub(rollout.total(Set::most));
    current + room.min(size - current).max(0)
}

/// Scales the new set towards the deployment's size; whether it changed.
pub fn grow_new(rollout: &mut Rollout) -> bool {
    let size = rollout.size();
    let Some(new) = &rollout.new else { return false };
    match new.replicas() {
        current if current == size => false,
        current if current > size => rollout.scale_new(size),
        current => {
            let room = room_for_new(rollout);
            room != current && rollout.scale_new(room)
        }
    }
}

/// Scales old sets down as far as the lower bound allows; whether any changed.
///
/// Pods that are not available go first: they serve nobody, and would keep the rollout from ever going on. The new
/// set's unavailable pods count against the bound, so that a version that never comes up takes nothing from the old.
pub fn shrink_old(rollout: &mut Rollout) -> bool {
    let old = rollout.old.iter().map(Set::replicas).fold(0, i32::saturating_add);
    // Without a new set there is nothing to give way to.
    let Some(new_available) = rollout.new.as_ref().map(Set::available).filter(|_| old > 0) else { return false };
    let fewest = rollout.fences.fewest_available(rollout.size());
    let spare = old.saturating_add(new_available).saturating_sub(fewest);
    if spare <= 0 {
        return false;
    }
    let cleaned = shrink(rollout, spare, |set| set.replicas() - set.available());
    let available = rollout.total(Set::available);
    let shrunk = shrink(rollout, available.saturating_sub(fewest), Set::replicas);
    cleaned || shrunk
}

/// Takes up to `count` pods from the old sets, oldest set first, and from each no more than `limit` of it.
fn shrink(rollout: &mut Rollout, mut count: i32, limit: impl Fn(&Set) -> i32) -> bool {
    let mut changed = false;
    for index in 0..rollout.old.len() {
        let set = &rollout.old[index];
        let fewer = limit(set).min(count);
        if fewer > 0 {
            let size = set.replicas() - fewer;
            changed |= rollout.scale_old(index, size);
            count -= fewer;
        }
    }
    changed
}
