//! Stateful sets.

use crate::core::claim::PersistentVolumeClaim;
use crate::core::pod::PodTemplateSpec;
use crate::intstr::IntOrString;
use crate::meta::object_meta::ObjectMeta;
use crate::meta::selector::LabelSelector;
use crate::meta::time::Time;
use crate::schema::object::object;

object! {
    /// Pods with stable names and storage.
    pub struct StatefulSet {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: StatefulSetSpec = "spec", 2, [omitempty];
        status: StatefulSetStatus = "status", 3, [omitempty];
    }

    /// How many pods of which template, with which claims.
    pub struct StatefulSetSpec {
        replicas: Option<i32> = "replicas", 1, [omitempty];
        selector: Option<LabelSelector> = "selector", 2, [];
        template: PodTemplateSpec = "template", 3, [];
        volume_claim_templates: Vec<PersistentVolumeClaim> = "volumeClaimTemplates", 4, [omitempty, list_atomic];
        service_name: String = "serviceName", 5, [optional];
        pod_management_policy: String = "podManagementPolicy", 6, [omitempty, go("v1.PodManagementPolicyType")];
        update_strategy: StatefulSetUpdateStrategy = "updateStrategy", 7, [omitempty];
        revision_history_limit: Option<i32> = "revisionHistoryLimit", 8, [omitempty];
        min_ready_seconds: i32 = "minReadySeconds", 9, [omitempty];
        persistent_volume_claim_retention_policy: Option<StatefulSetPersistentVolumeClaimRetentionPolicy> = "persistentVolumeClaimRetentionPolicy", 10, [omitempty];
        ordinals: Option<StatefulSetOrdinals> = "ordinals", 11, [omitempty];
    }

    /// How a stateful set replaces its pods.
    pub struct StatefulSetUpdateStrategy {
        type_: String = "type", 1, [omitempty, go("v1.StatefulSetUpdateStrategyType")];
        rolling_update: Option<RollingUpdateStatefulSetStrategy> = "rollingUpdate", 2, [omitempty];
    }

    /// From which ordinal on, and how many at once.
    pub struct RollingUpdateStatefulSetStrategy {
        partition: Option<i32> = "partition", 1, [omitempty];
        max_unavailable: Option<IntOrString> = "maxUnavailable", 2, [omitempty];
    }

    /// What becomes of claims when pods go.
    pub struct StatefulSetPersistentVolumeClaimRetentionPolicy {
        when_deleted: String = "whenDeleted", 1, [omitempty, go("v1.PersistentVolumeClaimRetentionPolicyType")];
        when_scaled: String = "whenScaled", 2, [omitempty, go("v1.PersistentVolumeClaimRetentionPolicyType")];
    }

    /// From which number pods are counted.
    pub struct StatefulSetOrdinals {
        start: i32 = "start", 1, [optional];
    }

    /// How far a stateful set has come.
    pub struct StatefulSetStatus {
        observed_generation: i64 = "observedGeneration", 1, [omitempty];
        replicas: i32 = "replicas", 2, [];
        ready_replicas: i32 = "readyReplicas", 3, [omitempty];
        current_replicas: i32 = "currentReplicas", 4, [omitempty];
        updated_replicas: i32 = "updatedReplicas", 5, [omitempty];
        current_revision: String = "currentRevision", 6, [omitempty];
        update_revision: String = "updateRevision", 7, [omitempty];
        collision_count: Option<i32> = "collisionCount", 9, [omitempty];
        conditions: Vec<StatefulSetCondition> = "conditions", 10, [omitempty, merge("type"), list_map(&["type"])];
        available_replicas: i32 = "availableReplicas", 11, [optional];
    }

    /// One aspect of a stateful set's state.
    pub struct StatefulSetCondition {
        type_: String = "type", 1, [go("v1.StatefulSetConditionType")];
        status: String = "status", 2, [go("v1.ConditionStatus")];
        last_transition_time: Option<Time> = "lastTransitionTime", 3, [optional];
        reason: String = "reason", 4, [omitempty];
        message: String = "message", 5, [omitempty];
    }
}
