//! Daemon sets.

use crate::core::pod::PodTemplateSpec;
use crate::intstr::IntOrString;
use crate::meta::object_meta::ObjectMeta;
use crate::meta::selector::LabelSelector;
use crate::meta::time::Time;
use crate::schema::object::object;

object! {
    /// One pod on each matching node.
    pub struct DaemonSet {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: DaemonSetSpec = "spec", 2, [omitempty];
        status: DaemonSetStatus = "status", 3, [omitempty];
    }

    /// Which pods run on the nodes.
    pub struct DaemonSetSpec {
        selector: Option<LabelSelector> = "selector", 1, [];
        template: PodTemplateSpec = "template", 2, [];
        update_strategy: DaemonSetUpdateStrategy = "updateStrategy", 3, [omitempty];
        min_ready_seconds: i32 = "minReadySeconds", 4, [omitempty];
        revision_history_limit: Option<i32> = "revisionHistoryLimit", 6, [omitempty];
    }

    /// How a daemon set replaces its pods.
    pub struct DaemonSetUpdateStrategy {
        type_: String = "type", 1, [omitempty, go("v1.DaemonSetUpdateStrategyType")];
        rolling_update: Option<RollingUpdateDaemonSet> = "rollingUpdate", 2, [omitempty];
    }

    /// How many nodes may go over and under.
    pub struct RollingUpdateDaemonSet {
        max_unavailable: Option<IntOrString> = "maxUnavailable", 1, [omitempty];
        max_surge: Option<IntOrString> = "maxSurge", 2, [omitempty];
    }

    /// On how many nodes the pods run.
    pub struct DaemonSetStatus {
        current_number_scheduled: i32 = "currentNumberScheduled", 1, [];
        number_misscheduled: i32 = "numberMisscheduled", 2, [];
        desired_number_scheduled: i32 = "desiredNumberScheduled", 3, [];
        number_ready: i32 = "numberReady", 4, [];
        observed_generation: i64 = "observedGeneration", 5, [omitempty];
        updated_number_scheduled: i32 = "updatedNumberScheduled", 6, [omitempty];
        number_available: i32 = "numberAvailable", 7, [omitempty];
        number_unavailable: i32 = "numberUnavailable", 8, [omitempty];
        collision_count: Option<i32> = "collisionCount", 9, [omitempty];
        conditions: Vec<DaemonSetCondition> = "conditions", 10, [omitempty, merge("type"), list_map(&["type"])];
    }

    /// One aspect of a daemon set's state.
    pub struct DaemonSetCondition {
        type_: String = "type", 1, [go("v1.DaemonSetConditionType")];
        status: String = "status", 2, [go("v1.ConditionStatus")];
        last_transition_time: Option<Time> = "lastTransitionTime", 3, [optional];
        reason: String = "reason", 4, [omitempty];
        message: String = "message", 5, [omitempty];
    }
}
