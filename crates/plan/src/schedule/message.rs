//! Why a pod fits on no node → the sentence in which Kubernetes says so.

use std::collections::BTreeMap;

use masthead_api::core::pod::Pod;

use crate::schedule::filter::Rejection;

/// What is said when there is no node at all.
pub const NO_NODES: &str = "no nodes available to schedule pods";

/// What is said of nodes that required affinity does not name, where it names some.
pub const NOT_NAMED: &str = "node(s) didn't satisfy plugin(s) [NodeAffinity]";

/// What is said when all terms of required affinity contradict themselves; no node is looked at then.
pub const CONFLICT: &str = "pod affinity terms conflict";

/// Whether a pod may have others deleted for it.
pub fn may_preempt(pod: &Pod) -> bool {
    pod.spec.preemption_policy.as_deref() != Some("Never")
}

/// `2 Insufficient cpu, 1 Too many pods`: the reasons of all nodes.
pub fn reasons(rejections: &[Rejection]) -> String {
    counted(rejections.iter().flat_map(|rejection| rejection.reasons.iter().map(String::as_str)))
}

/// `0/3 nodes are available: 2 Insufficient cpu, 1 ….`, which is all that is said when room is made.
pub fn unavailable(total: usize, reasons: &str) -> String {
    format!("0/{total} nodes are available: {reasons}.")
}

/// As [`unavailable`], with what is said of each node as one to make room on.
pub fn unschedulable(total: usize, reasons: &str, preemption: &[String], pod: &Pod) -> String {
    let why = if may_preempt(pod) {
        unavailable(total, &counted(preemption.iter().map(String::as_str)))
    } else {
        "not eligible due to preemptionPolicy=Never.".to_owned()
    };
    format!("{} no new claims to deallocate, preemption: {why}", unavailable(total, reasons))
}

/// In the order of the whole texts.
fn counted<'r>(reasons: impl Iterator<Item = &'r str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in reasons {
        *counts.entry(reason).or_default() += 1;
    }
    let mut texts: Vec<String> = counts.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    texts.sort();
    texts.join(", ")
}
