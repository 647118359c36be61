//! Metadata of an object: its names, owners and managers.

use std::collections::BTreeMap;

use crate::meta::time::Time;
use crate::schema::object::object;

object! {
    /// Metadata that every object has.
    pub struct ObjectMeta {
        name: String = "name", 1, [omitempty];
        generate_name: String = "generateName", 2, [omitempty];
        namespace: String = "namespace", 3, [omitempty];
        self_link: String = "selfLink", 4, [omitempty];
        uid: String = "uid", 5, [omitempty, go("types.UID")];
        resource_version: String = "resourceVersion", 6, [omitempty];
        generation: i64 = "generation", 7, [omitempty];
        creation_timestamp: Option<Time> = "creationTimestamp", 8, [omitempty];
        deletion_timestamp: Option<Time> = "deletionTimestamp", 9, [omitempty];
        deletion_grace_period_seconds: Option<i64> = "deletionGracePeriodSeconds", 10, [omitempty];
        labels: BTreeMap<String, String> = "labels", 11, [omitempty];
        annotations: BTreeMap<String, String> = "annotations", 12, [omitempty];
        owner_references: Vec<OwnerReference> = "ownerReferences", 13, [omitempty, merge("uid"), list_map(&["uid"])];
        finalizers: Vec<String> = "finalizers", 14, [omitempty, merge(""), list_set];
        managed_fields: Vec<ManagedFieldsEntry> = "managedFields", 17, [omitempty, list_atomic];
    }

    /// The object that this one goes with.
    pub struct OwnerReference {
        api_version: String = "apiVersion", 5, [];
        kind: String = "kind", 1, [];
        name: String = "name", 3, [];
        uid: String = "uid", 4, [go("types.UID")];
        controller: Option<bool> = "controller", 6, [omitempty];
        block_owner_deletion: Option<bool> = "blockOwnerDeletion", 7, [omitempty];
    }

    /// The fields that one manager owns.
    pub struct ManagedFieldsEntry {
        manager: String = "manager", 1, [omitempty];
        operation: String = "operation", 2, [omitempty, go("v1.ManagedFieldsOperationType")];
        api_version: String = "apiVersion", 3, [omitempty];
        time: Option<Time> = "time", 4, [omitempty];
        fields_type: String = "fieldsType", 6, [omitempty];
        fields_v1: serde_json::Value = "fieldsV1", 7, [omitempty];
        subresource: String = "subresource", 8, [omitempty];
    }
}
