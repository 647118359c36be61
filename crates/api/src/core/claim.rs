//! Claims on storage and the templates that make them.

use std::collections::BTreeMap;

use crate::core::reference::{TypedLocalObjectReference, TypedObjectReference};
use crate::meta::object_meta::ObjectMeta;
use crate::meta::selector::LabelSelector;
use crate::meta::time::Time;
use crate::quantity::Quantity;
use crate::schema::object::object;

object! {
    /// A request for storage.
    pub struct PersistentVolumeClaim {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: PersistentVolumeClaimSpec = "spec", 2, [omitempty];
        status: PersistentVolumeClaimStatus = "status", 3, [omitempty];
    }

    /// What storage is asked for.
    pub struct PersistentVolumeClaimSpec {
        access_modes: Vec<String> = "accessModes", 1, [omitempty, go("[]v1.PersistentVolumeAccessMode"), list_atomic];
        selector: Option<LabelSelector> = "selector", 4, [omitempty];
        resources: VolumeResourceRequirements = "resources", 2, [omitempty];
        volume_name: String = "volumeName", 3, [omitempty];
        storage_class_name: Option<String> = "storageClassName", 5, [omitempty];
        volume_mode: Option<String> = "volumeMode", 6, [omitempty, go("v1.PersistentVolumeMode")];
        data_source: Option<TypedLocalObjectReference> = "dataSource", 7, [omitempty];
        data_source_ref: Option<TypedObjectReference> = "dataSourceRef", 8, [omitempty];
        volume_attributes_class_name: Option<String> = "volumeAttributesClassName", 9, [omitempty];
    }

    /// What a claim got.
    pub struct PersistentVolumeClaimStatus {
        phase: String = "phase", 1, [omitempty, go("v1.PersistentVolumeClaimPhase")];
        access_modes: Vec<String> = "accessModes", 2, [omitempty, go("[]v1.PersistentVolumeAccessMode"), list_atomic];
        capacity: BTreeMap<String, Quantity> = "capacity", 3, [omitempty, go("v1.ResourceList")];
        conditions: Vec<PersistentVolumeClaimCondition> = "conditions", 4, [omitempty, merge("type"), list_map(&["type"])];
        allocated_resources: BTreeMap<String, Quantity> = "allocatedResources", 5, [omitempty, go("v1.ResourceList")];
        allocated_resource_statuses: BTreeMap<String, String> = "allocatedResourceStatuses", 7, [omitempty, go("map[string]v1.ClaimResourceStatus")];
        current_volume_attributes_class_name: Option<String> = "currentVolumeAttributesClassName", 8, [omitempty];
        modify_volume_status: Option<ModifyVolumeStatus> = "modifyVolumeStatus", 9, [omitempty];
    }

    /// One aspect of a claim's state.
    pub struct PersistentVolumeClaimCondition {
        type_: String = "type", 1, [go("v1.PersistentVolumeClaimConditionType")];
        status: String = "status", 2, [go("v1.ConditionStatus")];
        last_probe_time: Option<Time> = "lastProbeTime", 3, [optional];
        last_transition_time: Option<Time> = "lastTransitionTime", 4, [optional];
        reason: String = "reason", 5, [omitempty];
        message: String = "message", 6, [omitempty];
    }

    /// The claim an ephemeral volume makes.
    pub struct PersistentVolumeClaimTemplate {
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: PersistentVolumeClaimSpec = "spec", 2, [];
    }

    /// How much storage at least and at most.
    pub struct VolumeResourceRequirements {
        limits: BTreeMap<String, Quantity> = "limits", 1, [omitempty, go("v1.ResourceList")];
        requests: BTreeMap<String, Quantity> = "requests", 2, [omitempty, go("v1.ResourceList")];
    }

    /// State of a change of a volume's attributes.
    pub struct ModifyVolumeStatus {
        target_volume_attributes_class_name: String = "targetVolumeAttributesClassName", 1, [omitempty];
        status: String = "status", 2, [go("v1.PersistentVolumeClaimModifyVolumeStatus")];
    }
}
