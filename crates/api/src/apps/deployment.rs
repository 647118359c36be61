//! Deployments.

use crate::core::pod::PodTemplateSpec;
use crate::intstr::IntOrString;
use crate::meta::object_meta::ObjectMeta;
use crate::meta::selector::LabelSelector;
use crate::meta::time::Time;
use crate::schema::object::object;

object! {
    /// Pods of one template, replaced step by step when it changes.
    pub struct Deployment {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: DeploymentSpec = "spec", 2, [omitempty];
        status: DeploymentStatus = "status", 3, [omitempty];
    }

    /// What a deployment should run and how it rolls.
    pub struct DeploymentSpec {
        replicas: Option<i32> = "replicas", 1, [omitempty];
        selector: Option<LabelSelector> = "selector", 2, [];
        template: PodTemplateSpec = "template", 3, [];
        strategy: DeploymentStrategy = "strategy", 4, [omitempty, retain_keys];
        min_ready_seconds: i32 = "minReadySeconds", 5, [omitempty];
        revision_history_limit: Option<i32> = "revisionHistoryLimit", 6, [omitempty];
        paused: bool = "paused", 7, [omitempty];
        progress_deadline_seconds: Option<i32> = "progressDeadlineSeconds", 9, [omitempty];
    }

    /// How old pods give way to new ones.
    pub struct DeploymentStrategy {
        type_: String = "type", 1, [omitempty, go("v1.DeploymentStrategyType")];
        rolling_update: Option<RollingUpdateDeployment> = "rollingUpdate", 2, [omitempty];
    }

    /// How far a rolling update may go over and under.
    pub struct RollingUpdateDeployment {
        max_unavailable: Option<IntOrString> = "maxUnavailable", 1, [omitempty];
        max_surge: Option<IntOrString> = "maxSurge", 2, [omitempty];
    }

    /// How far a deployment has come.
    pub struct DeploymentStatus {
        observed_generation: i64 = "observedGeneration", 1, [omitempty];
        replicas: i32 = "replicas", 2, [omitempty];
        updated_replicas: i32 = "updatedReplicas", 3, [omitempty];
        ready_replicas: i32 = "readyReplicas", 7, [omitempty];
        available_replicas: i32 = "availableReplicas", 4, [omitempty];
        unavailable_replicas: i32 = "unavailableReplicas", 5, [omitempty];
        terminating_replicas: Option<i32> = "terminatingReplicas", 9, [omitempty];
        conditions: Vec<DeploymentCondition> = "conditions", 6, [omitempty, merge("type"), list_map(&["type"])];
        collision_count: Option<i32> = "collisionCount", 8, [omitempty];
    }

    /// One aspect of a deployment's state.
    pub struct DeploymentCondition {
        type_: String = "type", 1, [go("v1.DeploymentConditionType")];
        status: String = "status", 2, [go("v1.ConditionStatus")];
        last_update_time: Option<Time> = "lastUpdateTime", 6, [optional];
        last_transition_time: Option<Time> = "lastTransitionTime", 7, [optional];
        reason: String = "reason", 4, [omitempty];
        message: String = "message", 5, [omitempty];
    }
}
