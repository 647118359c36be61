//! The kinds of Kubernetes that are not supported yet, so that an error can tell them from a typing error.

/// Group, version, kind and resource of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// API version.
    pub version: &'static str,
    /// As in `Job`.
    pub kind: &'static str,
    /// As in `jobs`.
    pub plural: &'static str,
}

const fn known(group: &'static str, version: &'static str, kind: &'static str, plural: &'static str) -> Known {
    Known { group, version, kind, plural }
}

/// Kinds that Kubernetes serves and this program does not.
pub const UNSUPPORTED: &[Known] = &[
    known("", "v1", "Binding", "bindings"),
    known("", "v1", "ComponentStatus", "componentstatuses"),
    known("", "v1", "LimitRange", "limitranges"),
    known("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    known("", "v1", "PersistentVolume", "persistentvolumes"),
    known("", "v1", "PodTemplate", "podtemplates"),
    known("", "v1", "ReplicationController", "replicationcontrollers"),
    known("", "v1", "ResourceQuota", "resourcequotas"),
    known("apiregistration.k8s.io", "v1", "APIService", "apiservices"),
    known("apps", "v1", "ControllerRevision", "controllerrevisions"),
    known("apps", "v1", "DaemonSet", "daemonsets"),
    known("apps", "v1", "StatefulSet", "statefulsets"),
    known("events.k8s.io", "v1", "Event", "events"),
    known("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews"),
    known("authentication.k8s.io", "v1", "TokenReview", "tokenreviews"),
    known("authorization.k8s.io", "v1", "LocalSubjectAccessReview", "localsubjectaccessreviews"),
    known("authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews"),
    known("authorization.k8s.io", "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews"),
    known("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews"),
    known("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    known("autoscaling", "v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    known("batch", "v1", "CronJob", "cronjobs"),
    known("gateway.networking.k8s.io", "v1", "BackendTLSPolicy", "backendtlspolicies"),
    known("gateway.networking.k8s.io", "v1", "ListenerSet", "listenersets"),
    known("gateway.networking.k8s.io", "v1", "TCPRoute", "tcproutes"),
    known("gateway.networking.k8s.io", "v1", "TLSRoute", "tlsroutes"),
    known("gateway.networking.k8s.io", "v1", "UDPRoute", "udproutes"),
    known("certificates.k8s.io", "v1", "CertificateSigningRequest", "certificatesigningrequests"),
    known("networking.k8s.io", "v1", "IPAddress", "ipaddresses"),
    known("networking.k8s.io", "v1", "ServiceCIDR", "servicecidrs"),
    known("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    known("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings"),
    known("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles"),
    known("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
    known("rbac.authorization.k8s.io", "v1", "Role", "roles"),
    known("storage.k8s.io", "v1", "CSIDriver", "csidrivers"),
    known("storage.k8s.io", "v1", "CSINode", "csinodes"),
    known("storage.k8s.io", "v1", "CSIStorageCapacity", "csistoragecapacities"),
    known("storage.k8s.io", "v1", "StorageClass", "storageclasses"),
    known("storage.k8s.io", "v1", "VolumeAttachment", "volumeattachments"),
    known("storage.k8s.io", "v1", "VolumeAttributesClass", "volumeattributesclasses"),
    known("admissionregistration.k8s.io", "v1", "MutatingAdmissionPolicy", "mutatingadmissionpolicies"),
    known("admissionregistration.k8s.io", "v1", "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings"),
    known("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
    known("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
    known(
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
    ),
    known("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
    known("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions"),
    known("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses"),
    known("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses"),
    known("resource.k8s.io", "v1", "DeviceClass", "deviceclasses"),
    known("resource.k8s.io", "v1", "ResourceClaim", "resourceclaims"),
    known("resource.k8s.io", "v1", "ResourceClaimTemplate", "resourceclaimtemplates"),
    known("resource.k8s.io", "v1", "ResourceSlice", "resourceslices"),
    known("flowcontrol.apiserver.k8s.io", "v1", "FlowSchema", "flowschemas"),
    known("flowcontrol.apiserver.k8s.io", "v1", "PriorityLevelConfiguration", "prioritylevelconfigurations"),
];
