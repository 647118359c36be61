//! The rejections of all nodes → the sentence in which Kubernetes says why a pod fits nowhere.

use std::collections::BTreeMap;

use masthead_api::core::pod::Pod;

use crate::schedule::filter::Rejection;

/// What is said when there is no node at all.
pub const NO_NODES: &str = "no nodes available to schedule pods";

/// What is said of nodes that required affinity does not name, where it names some.
pub const NOT_NAMED: &str = "node(s) didn't satisfy plugin(s) [NodeAffinity]";

/// `0/3 nodes are available: 2 Insufficient cpu, 1 …. no new claims to deallocate, preemption: 0/3 nodes are available: …`.
pub fn unschedulable(rejections: &[Rejection], pod: &Pod) -> String {
    if rejections.is_empty() {
        return NO_NODES.to_owned();
    }
    let reasons = counted(rejections.iter().flat_map(|r| r.reasons.iter().map(String::as_str)));
    let preemption = counted(rejections.iter().map(|r| match r.resolvable {
        true => "No preemption victims found for incoming pod",
        false => "Preemption is not helpful for scheduling",
    }));
    whole(rejections.len(), &reasons, &preemption, pod)
}

/// What is said when all terms of required affinity contradict themselves; no node is looked at then.
pub fn conflict(total: usize, pod: &Pod) -> String {
    let preemption = format!("{total} Preemption is not helpful for scheduling");
    whole(total, "pod affinity terms conflict", &preemption, pod)
}

fn whole(total: usize, reasons: &str, preemption: &str, pod: &Pod) -> String {
    let begin = format!("0/{total} nodes are available: {reasons}. no new claims to deallocate, preemption: ");
    match pod.spec.preemption_policy.as_deref() {
        Some("Never") => begin + "not eligible due to preemptionPolicy=Never.",
        _ => format!("{begin}0/{total} nodes are available: {preemption}."),
    }
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
