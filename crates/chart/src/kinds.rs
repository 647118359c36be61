//! The order in which Helm installs kinds.

/// Kinds that have a place; all others come after them, by name.
const INSTALL: [&str; 36] = [
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
];

/// A key to sort kinds by, stably, into the order of installation.
pub fn install_order(kind: &str) -> (usize, &str) {
    match INSTALL.iter().position(|known| *known == kind) {
        Some(at) => (at, ""),
        None => (INSTALL.len(), kind),
    }
}

#[cfg(test)]
mod tests {
    use super::install_order;

    #[test]
    fn known_kinds_come_first() {
        let mut kinds = ["Zed", "Ingress", "Alpha", "Service", "Namespace", "Secret"];
        kinds.sort_by_key(|kind| install_order(kind));
        assert_eq!(kinds, ["Namespace", "Secret", "Service", "Ingress", "Alpha", "Zed"]);
    }
}
