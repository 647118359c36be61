//! What is left in a namespace on its way out → its conditions, in Kubernetes' words.

use std::collections::BTreeMap;
use std::sync::Arc;

use masthead_api::core::namespace::NamespaceCondition;
use masthead_api::meta::Time;
use masthead_api::object::Object;

/// The conditions after what is left: the known ones with their times, and what is new.
pub fn conditions(before: &[NamespaceCondition], left: &[Arc<Object>], now: Time) -> Vec<NamespaceCondition> {
    let mut after = before.to_vec();
    for (kind, truth, reason, message) in judge(left) {
        let status = if truth { "True" } else { "False" };
        let known = after.iter_mut().find(|c| c.type_ == kind);
        let moved = known.as_ref().is_none_or(|c| c.status != status);
        let condition = NamespaceCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            last_transition_time: if moved { Some(now) } else { known.as_ref().and_then(|c| c.last_transition_time) },
            reason: reason.to_owned(),
            message,
        };
        match known {
            Some(known) => *known = condition,
            None => after.push(condition),
        }
    }
    after
}

/// Type, truth, reason and message of each condition.
///
/// The two on discovery and parsing are always well: this program knows its kinds.
fn judge(left: &[Arc<Object>]) -> [(&'static str, bool, &'static str, String); 5] {
    let (mut kinds, mut finalizers) = (BTreeMap::new(), BTreeMap::new());
    for object in left {
        let info = object.kind().info();
        *kinds.entry(format!("{}.{}", info.plural, info.group)).or_insert(0) += 1;
        for finalizer in &object.meta().finalizers {
            *finalizers.entry(finalizer.clone()).or_insert(0) += 1;
        }
    }
    let list = |counts: &BTreeMap<String, i32>, verb: &str| {
        let parts: Vec<String> =
            counts.iter().map(|(what, n)| format!("{what} {verb} {n} resource instances")).collect();
        parts.join(", ")
    };
    let remaining = match kinds.is_empty() {
        true => ("ContentRemoved", "All content successfully removed".to_owned()),
        false => ("SomeResourcesRemain", format!("Some resources are remaining: {}", list(&kinds, "has"))),
    };
    let held = match finalizers.is_empty() {
        true => ("ContentHasNoFinalizers", "All content-preserving finalizers finished".to_owned()),
        false => {
            let text = format!("Some content in the namespace has finalizers remaining: {}", list(&finalizers, "in"));
            ("SomeFinalizersRemain", text)
        }
    };
    let deleted = "All content successfully deleted, may be waiting on finalization";
    [
        (
            "NamespaceDeletionDiscoveryFailure",
            false,
            "ResourcesDiscovered",
            "All resources successfully discovered".to_owned(),
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            false,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed".to_owned(),
        ),
        ("NamespaceDeletionContentFailure", false, "ContentDeleted", deleted.to_owned()),
        ("NamespaceContentRemaining", !kinds.is_empty(), remaining.0, remaining.1),
        ("NamespaceFinalizersRemaining", !finalizers.is_empty(), held.0, held.1),
    ]
}
