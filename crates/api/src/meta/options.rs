//! Options of a delete.

use crate::schema::object::object;

object! {
    /// How a delete is to be done.
    pub struct DeleteOptions {
        kind: String = "kind", 101, [omitempty];
        api_version: String = "apiVersion", 102, [omitempty];
        grace_period_seconds: Option<i64> = "gracePeriodSeconds", 1, [omitempty];
        preconditions: Option<Preconditions> = "preconditions", 2, [omitempty];
        orphan_dependents: Option<bool> = "orphanDependents", 3, [omitempty];
        propagation_policy: Option<String> = "propagationPolicy", 4, [omitempty];
        dry_run: Vec<String> = "dryRun", 5, [omitempty, list_atomic];
        ignore_store_read_error_with_cluster_breaking_potential: Option<bool> = "ignoreStoreReadErrorWithClusterBreakingPotential", 6, [omitempty];
    }

    /// What must hold for an update or delete to be done.
    pub struct Preconditions {
        uid: Option<String> = "uid", 1, [omitempty, go("types.UID")];
        resource_version: Option<String> = "resourceVersion", 2, [omitempty];
    }
}
