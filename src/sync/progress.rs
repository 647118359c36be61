//! The objects that a commit changed, as they are → one line each, and whether the commit is healthy or has failed.

use masthead_api::key::ObjectKey;
use masthead_plan::cluster::view::Cluster;
use masthead_plan::health::assess::{self, Health};
use masthead_plan::sync::entry::{Action, SyncPlan};

/// Where the changed objects are, taken together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assessed {
    /// Some are on their way.
    Progressing,
    /// All are up.
    Healthy,
    /// These came to nothing, with the reason of each.
    Failed(Vec<String>),
}

/// The objects whose health decides about a plan: what it made and changed.
pub fn watched(plan: &SyncPlan) -> Vec<ObjectKey> {
    plan.entries
        .iter()
        .filter(|entry| matches!(entry.action, Action::Create | Action::Change | Action::Replace))
        .map(|entry| entry.key.clone())
        .collect()
}

/// Looks at each object once: the lines of those that are not yet up, and the whole.
pub fn assess(cluster: &Cluster, keys: &[ObjectKey]) -> (Vec<String>, Assessed) {
    let mut lines = Vec::new();
    let mut failed = Vec::new();
    let mut waiting = false;
    for key in keys {
        match assess::assess(cluster, key) {
            // Gone: a later commit or a user removed it, so nothing is left to wait for.
            None | Some(Health::Healthy) => {}
            Some(Health::Progressing { .. }) => {
                waiting = true;
                lines.push(assess::line(cluster, key));
            }
            Some(Health::Failed { reason, message }) => failed.push(format!("{key}: {reason}: {message}")),
        }
    }
    let assessed = match (failed.is_empty(), waiting) {
        (false, _) => Assessed::Failed(failed),
        (true, true) => Assessed::Progressing,
        (true, false) => Assessed::Healthy,
    };
    (lines, assessed)
}
