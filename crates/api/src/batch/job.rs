//! Jobs.

use crate::core::pod::PodTemplateSpec;
use crate::meta::object_meta::ObjectMeta;
use crate::meta::selector::LabelSelector;
use crate::meta::time::Time;
use crate::schema::object::object;

object! {
    /// Pods that run until enough of them succeed.
    pub struct Job {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: JobSpec = "spec", 2, [omitempty];
        status: JobStatus = "status", 3, [omitempty];
    }

    /// What a job runs, how often and how long.
    pub struct JobSpec {
        parallelism: Option<i32> = "parallelism", 1, [omitempty];
        completions: Option<i32> = "completions", 2, [omitempty];
        active_deadline_seconds: Option<i64> = "activeDeadlineSeconds", 3, [omitempty];
        pod_failure_policy: Option<PodFailurePolicy> = "podFailurePolicy", 11, [omitempty];
        success_policy: Option<SuccessPolicy> = "successPolicy", 16, [omitempty];
        backoff_limit: Option<i32> = "backoffLimit", 7, [omitempty];
        backoff_limit_per_index: Option<i32> = "backoffLimitPerIndex", 12, [omitempty];
        max_failed_indexes: Option<i32> = "maxFailedIndexes", 13, [omitempty];
        selector: Option<LabelSelector> = "selector", 4, [omitempty];
        manual_selector: Option<bool> = "manualSelector", 5, [omitempty];
        template: PodTemplateSpec = "template", 6, [];
        ttl_seconds_after_finished: Option<i32> = "ttlSecondsAfterFinished", 8, [omitempty];
        completion_mode: Option<String> = "completionMode", 9, [omitempty, go("v1.CompletionMode")];
        suspend: Option<bool> = "suspend", 10, [omitempty];
        pod_replacement_policy: Option<String> = "podReplacementPolicy", 14, [omitempty, go("v1.PodReplacementPolicy")];
        managed_by: Option<String> = "managedBy", 15, [omitempty];
    }

    /// The jobs that a schedule makes.
    pub struct JobTemplateSpec {
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: JobSpec = "spec", 2, [omitempty];
    }

    /// How pod failures count.
    pub struct PodFailurePolicy {
        rules: Vec<PodFailurePolicyRule> = "rules", 1, [list_atomic];
    }

    /// One rule; the first that matches decides.
    pub struct PodFailurePolicyRule {
        action: String = "action", 1, [go("v1.PodFailurePolicyAction")];
        on_exit_codes: Option<PodFailurePolicyOnExitCodesRequirement> = "onExitCodes", 2, [omitempty];
        on_pod_conditions: Vec<PodFailurePolicyOnPodConditionsPattern> = "onPodConditions", 3, [omitempty, list_atomic];
    }

    /// Exit codes that a rule matches.
    pub struct PodFailurePolicyOnExitCodesRequirement {
        container_name: Option<String> = "containerName", 1, [omitempty];
        operator: String = "operator", 2, [go("v1.PodFailurePolicyOnExitCodesOperator")];
        values: Vec<i32> = "values", 3, [list_set];
    }

    /// A pod condition that a rule matches.
    pub struct PodFailurePolicyOnPodConditionsPattern {
        type_: String = "type", 1, [go("v1.PodConditionType")];
        status: String = "status", 2, [optional, go("v1.ConditionStatus")];
    }

    /// When a job counts as done before all indexes are.
    pub struct SuccessPolicy {
        rules: Vec<SuccessPolicyRule> = "rules", 1, [list_atomic];
    }

    /// Indexes that suffice.
    pub struct SuccessPolicyRule {
        succeeded_indexes: Option<String> = "succeededIndexes", 1, [omitempty];
        succeeded_count: Option<i32> = "succeededCount", 2, [omitempty];
    }

    /// How far a job has come.
    pub struct JobStatus {
        conditions: Vec<JobCondition> = "conditions", 1, [omitempty, merge("type"), list_atomic];
        start_time: Option<Time> = "startTime", 2, [omitempty];
        completion_time: Option<Time> = "completionTime", 3, [omitempty];
        active: i32 = "active", 4, [omitempty];
        succeeded: i32 = "succeeded", 5, [omitempty];
        failed: i32 = "failed", 6, [omitempty];
        terminating: Option<i32> = "terminating", 11, [omitempty];
        completed_indexes: String = "completedIndexes", 7, [omitempty];
        failed_indexes: Option<String> = "failedIndexes", 10, [omitempty];
        uncounted_terminated_pods: Option<UncountedTerminatedPods> = "uncountedTerminatedPods", 8, [omitempty];
        ready: Option<i32> = "ready", 9, [omitempty];
    }

    /// One aspect of a job's state.
    pub struct JobCondition {
        type_: String = "type", 1, [go("v1.JobConditionType")];
        status: String = "status", 2, [go("v1.ConditionStatus")];
        last_probe_time: Option<Time> = "lastProbeTime", 3, [optional];
        last_transition_time: Option<Time> = "lastTransitionTime", 4, [optional];
        reason: String = "reason", 5, [omitempty];
        message: String = "message", 6, [omitempty];
    }

    /// Ended pods not yet counted.
    pub struct UncountedTerminatedPods {
        succeeded: Vec<String> = "succeeded", 1, [omitempty, go("[]types.UID"), list_set];
        failed: Vec<String> = "failed", 2, [omitempty, go("[]types.UID"), list_set];
    }
}
