//! What a lost store took of a release's hooks → the objects that are made again without running anything.

use std::collections::BTreeSet;

use masthead_api::key::ObjectKey;

use crate::cluster::view::Cluster;
use crate::desired::Desired;
use crate::sync::release::{Hook, HookEvent};

/// Hooks whose objects have no end, are lost and would be there still, each with the event under which it is made again.
pub fn missing<'h>(
    lost: &BTreeSet<ObjectKey>,
    hooks: &'h [Hook],
    desired: &Desired,
    cluster: &Cluster,
) -> Vec<(&'h Hook, HookEvent)> {
    let is_lost = |hook: &&Hook| {
        let key = hook.key();
        let is_there = desired.objects.contains_key(key) || cluster.get(key).is_some();
        lost.contains(key) && !hook.has_end() && !hook.deletes_succeeded && !is_there
    };
    hooks.iter().filter(is_lost).filter_map(|hook| Some((hook, event_of(hook)?))).collect()
}

/// The event with which a hook that lasts was made: those before a release goes, and tests, make nothing that it needs.
fn event_of(hook: &Hook) -> Option<HookEvent> {
    let makes = |event: &&HookEvent| !matches!(event, HookEvent::PreDelete | HookEvent::PostDelete | HookEvent::Test);
    hook.events.iter().find(makes).copied()
}
