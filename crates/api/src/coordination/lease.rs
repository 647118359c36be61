//! Leases.

use crate::meta::object_meta::ObjectMeta;
use crate::meta::time::MicroTime;
use crate::schema::object::object;

object! {
    /// A lock with an expiry, and the heartbeat of a node.
    pub struct Lease {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: LeaseSpec = "spec", 2, [omitempty];
    }

    /// Holder, duration and times of a lease.
    pub struct LeaseSpec {
        holder_identity: Option<String> = "holderIdentity", 1, [omitempty];
        lease_duration_seconds: Option<i32> = "leaseDurationSeconds", 2, [omitempty];
        acquire_time: Option<MicroTime> = "acquireTime", 3, [omitempty];
        renew_time: Option<MicroTime> = "renewTime", 4, [omitempty];
        lease_transitions: Option<i32> = "leaseTransitions", 5, [omitempty];
        strategy: Option<String> = "strategy", 6, [omitempty, go("v1.CoordinatedLeaseStrategy")];
        preferred_holder: Option<String> = "preferredHolder", 7, [omitempty];
    }
}
