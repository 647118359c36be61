//! The rejections of all nodes → the sentence in which Kubernetes says why a pod fits nowhere.

use std::collections::BTreeMap;

use crate::schedule::filter::Rejection;

/// What is said when there is no node at all.
pub const NO_NODES: &str = "no nodes available to schedule pods";

/// `0/3 nodes are available: 2 Insufficient cpu, 1 …. no new claims to deallocate, preemption: 0/3 nodes are available: …`.
pub fn unschedulable(rejections: &[Rejection]) -> String {
    let total = rejections.len();
    if total == 0 {
        return NO_NODES.to_owned();
    }
    let reasons = counted(rejections.iter().flat_map(|r| r.reasons.iter().map(String::as_str)));
    let preemption = counted(rejections.iter().map(|r| match r.resolvable {
        true => "No preemption victims found for incoming pod",
        false => "Preemption is not helpful for scheduling",
    }));
    format!(
        "0/{total} nodes are available: {reasons}. no new claims to deallocate, preemption: 0/{total} nodes are available: {preemption}."
    )
}

/// `2 Insufficient cpu, 1 Too many pods`, in the order of the whole texts.
fn counted<'r>(reasons: impl Iterator<Item = &'r str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in reasons {
        *counts.entry(reason).or_default() += 1;
    }
    let mut texts: Vec<String> = counts.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    texts.sort();
    texts.join(", ")
}
