//! Replica sets.

use crate::core::pod::PodTemplateSpec;
use crate::meta::object_meta::ObjectMeta;
use crate::meta::selector::LabelSelector;
use crate::meta::time::Time;
use crate::schema::object::object;

object! {
    /// A number of pods of one template.
    pub struct ReplicaSet {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: ReplicaSetSpec = "spec", 2, [omitempty];
        status: ReplicaSetStatus = "status", 3, [omitempty];
    }

    /// How many pods of which template.
    pub struct ReplicaSetSpec {
        replicas: Option<i32> = "replicas", 1, [omitempty];
        min_ready_seconds: i32 = "minReadySeconds", 4, [omitempty];
        selector: Option<LabelSelector> = "selector", 2, [];
        template: PodTemplateSpec = "template", 3, [omitempty];
    }

    /// How many pods there are.
    pub struct ReplicaSetStatus {
        replicas: i32 = "replicas", 1, [];
        fully_labeled_replicas: i32 = "fullyLabeledReplicas", 2, [omitempty];
        ready_replicas: i32 = "readyReplicas", 4, [omitempty];
        available_replicas: i32 = "availableReplicas", 5, [omitempty];
        terminating_replicas: Option<i32> = "terminatingReplicas", 7, [omitempty];
        observed_generation: i64 = "observedGeneration", 3, [omitempty];
        conditions: Vec<ReplicaSetCondition> = "conditions", 6, [omitempty, merge("type"), list_map(&["type"])];
    }

    /// One aspect of a replica set's state.
    pub struct ReplicaSetCondition {
        type_: String = "type", 1, [go("v1.ReplicaSetConditionType")];
        status: String = "status", 2, [go("v1.ConditionStatus")];
        last_transition_time: Option<Time> = "lastTransitionTime", 3, [optional];
        reason: String = "reason", 4, [omitempty];
        message: String = "message", 5, [omitempty];
    }
}
