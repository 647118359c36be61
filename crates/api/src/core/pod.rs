//! Pods: what they should run, and the template that controllers make them from.

use std::collections::BTreeMap;

use crate::core::affinity::Affinity;
use crate::core::container::{Container, EphemeralContainer, ResourceRequirements};
use crate::core::pod_status::PodStatus;
use crate::core::reference::LocalObjectReference;
use crate::core::security::PodSecurityContext;
use crate::core::volume::Volume;
use crate::meta::object_meta::ObjectMeta;
use crate::meta::selector::LabelSelector;
use crate::quantity::Quantity;
use crate::schema::object::object;

object! {
    /// Containers that share a network and volumes and run on one node.
    pub struct Pod {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: PodSpec = "spec", 2, [omitempty];
        status: PodStatus = "status", 3, [omitempty];
    }

    /// What a pod should run and where it may run.
    pub struct PodSpec {
        volumes: Vec<Volume> = "volumes", 1, [omitempty, merge_retain_keys("name"), list_map(&["name"])];
        init_containers: Vec<Container> = "initContainers", 20, [omitempty, merge("name"), list_map(&["name"])];
        containers: Vec<Container> = "containers", 2, [merge("name"), list_map(&["name"])];
        ephemeral_containers: Vec<EphemeralContainer> = "ephemeralContainers", 34, [omitempty, merge("name"), list_map(&["name"])];
        restart_policy: String = "restartPolicy", 3, [omitempty, go("v1.RestartPolicy")];
        termination_grace_period_seconds: Option<i64> = "terminationGracePeriodSeconds", 4, [omitempty];
        active_deadline_seconds: Option<i64> = "activeDeadlineSeconds", 5, [omitempty];
        dns_policy: String = "dnsPolicy", 6, [omitempty, go("v1.DNSPolicy")];
        node_selector: BTreeMap<String, String> = "nodeSelector", 7, [omitempty, atomic];
        service_account_name: String = "serviceAccountName", 8, [omitempty];
        service_account: String = "serviceAccount", 9, [omitempty];
        automount_service_account_token: Option<bool> = "automountServiceAccountToken", 21, [omitempty];
        node_name: String = "nodeName", 10, [omitempty];
        host_network: bool = "hostNetwork", 11, [omitempty];
        host_pid: bool = "hostPID", 12, [omitempty];
        host_ipc: bool = "hostIPC", 13, [omitempty];
        share_process_namespace: Option<bool> = "shareProcessNamespace", 27, [omitempty];
        security_context: Option<PodSecurityContext> = "securityContext", 14, [omitempty];
        image_pull_secrets: Vec<LocalObjectReference> = "imagePullSecrets", 15, [omitempty, merge("name"), list_map(&["name"])];
        hostname: String = "hostname", 16, [omitempty];
        subdomain: String = "subdomain", 17, [omitempty];
        affinity: Option<Affinity> = "affinity", 18, [omitempty];
        scheduler_name: String = "schedulerName", 19, [omitempty];
        tolerations: Vec<Toleration> = "tolerations", 22, [omitempty, list_atomic];
        host_aliases: Vec<HostAlias> = "hostAliases", 23, [omitempty, merge("ip"), list_map(&["ip"])];
        priority_class_name: String = "priorityClassName", 24, [omitempty];
        priority: Option<i32> = "priority", 25, [omitempty];
        dns_config: Option<PodDNSConfig> = "dnsConfig", 26, [omitempty];
        readiness_gates: Vec<PodReadinessGate> = "readinessGates", 28, [omitempty, list_atomic];
        runtime_class_name: Option<String> = "runtimeClassName", 29, [omitempty];
        enable_service_links: Option<bool> = "enableServiceLinks", 30, [omitempty];
        preemption_policy: Option<String> = "preemptionPolicy", 31, [omitempty, go("v1.PreemptionPolicy")];
        overhead: BTreeMap<String, Quantity> = "overhead", 32, [omitempty, go("v1.ResourceList")];
        topology_spread_constraints: Vec<TopologySpreadConstraint> = "topologySpreadConstraints", 33, [omitempty, merge("topologyKey"), list_map(&["topologyKey", "whenUnsatisfiable"])];
        set_hostname_as_fqdn: Option<bool> = "setHostnameAsFQDN", 35, [omitempty];
        os: Option<PodOS> = "os", 36, [omitempty];
        host_users: Option<bool> = "hostUsers", 37, [omitempty];
        scheduling_gates: Vec<PodSchedulingGate> = "schedulingGates", 38, [omitempty, merge("name"), list_map(&["name"])];
        resource_claims: Vec<PodResourceClaim> = "resourceClaims", 39, [omitempty, merge_retain_keys("name"), list_map(&["name"])];
        resources: Option<ResourceRequirements> = "resources", 40, [omitempty];
        hostname_override: Option<String> = "hostnameOverride", 41, [omitempty];
        scheduling_group: Option<PodSchedulingGroup> = "schedulingGroup", 43, [omitempty];
    }

    /// The pods that a controller makes.
    pub struct PodTemplateSpec {
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: PodSpec = "spec", 2, [omitempty];
    }

    /// An extra line of the pod's hosts file.
    pub struct HostAlias {
        ip: String = "ip", 1, [];
        hostnames: Vec<String> = "hostnames", 2, [omitempty, list_atomic];
    }

    /// DNS settings added to those of the policy.
    pub struct PodDNSConfig {
        nameservers: Vec<String> = "nameservers", 1, [omitempty, list_atomic];
        searches: Vec<String> = "searches", 2, [omitempty, list_atomic];
        options: Vec<PodDNSConfigOption> = "options", 3, [omitempty, list_atomic];
    }

    /// One option of the resolver.
    pub struct PodDNSConfigOption {
        name: String = "name", 1, [omitempty];
        value: Option<String> = "value", 2, [omitempty];
    }

    /// A condition that must be true before the pod is ready.
    pub struct PodReadinessGate {
        condition_type: String = "conditionType", 1, [go("v1.PodConditionType")];
    }

    /// The operating system of the pod.
    pub struct PodOS {
        name: String = "name", 1, [go("v1.OSName")];
    }

    /// While present, the pod is not scheduled.
    pub struct PodSchedulingGate {
        name: String = "name", 1, [];
    }

    /// A device claim that containers refer to by name.
    pub struct PodResourceClaim {
        name: String = "name", 1, [];
        resource_claim_name: Option<String> = "resourceClaimName", 3, [omitempty];
        resource_claim_template_name: Option<String> = "resourceClaimTemplateName", 4, [omitempty];
    }

    /// The group with which the pod is scheduled.
    pub struct PodSchedulingGroup {
        pod_group_name: Option<String> = "podGroupName", 1, [omitempty];
    }

    /// A taint that the pod puts up with.
    pub struct Toleration {
        key: String = "key", 1, [omitempty];
        operator: String = "operator", 2, [omitempty, go("v1.TolerationOperator")];
        value: String = "value", 3, [omitempty];
        effect: String = "effect", 4, [omitempty, go("v1.TaintEffect")];
        toleration_seconds: Option<i64> = "tolerationSeconds", 5, [omitempty];
    }

    /// How evenly matching pods lie over the values of a node label.
    pub struct TopologySpreadConstraint {
        max_skew: i32 = "maxSkew", 1, [];
        topology_key: String = "topologyKey", 2, [];
        when_unsatisfiable: String = "whenUnsatisfiable", 3, [go("v1.UnsatisfiableConstraintAction")];
        label_selector: Option<LabelSelector> = "labelSelector", 4, [omitempty];
        min_domains: Option<i32> = "minDomains", 5, [omitempty];
        node_affinity_policy: Option<String> = "nodeAffinityPolicy", 6, [omitempty, go("v1.NodeInclusionPolicy")];
        node_taints_policy: Option<String> = "nodeTaintsPolicy", 7, [omitempty, go("v1.NodeInclusionPolicy")];
        match_label_keys: Vec<String> = "matchLabelKeys", 8, [omitempty, list_atomic];
    }
}
