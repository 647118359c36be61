//! Namespaces.

use crate::meta::object_meta::ObjectMeta;
use crate::meta::time::Time;
use crate::schema::object::object;

object! {
    /// A scope for names, and the unit that deletes take with them.
    pub struct Namespace {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: NamespaceSpec = "spec", 2, [omitempty];
        status: NamespaceStatus = "status", 3, [omitempty];
    }

    /// What a namespace waits for before it may go.
    pub struct NamespaceSpec {
        finalizers: Vec<String> = "finalizers", 1, [omitempty, go("[]v1.FinalizerName"), list_atomic];
    }

    /// Whether a namespace is in use or on its way out.
    pub struct NamespaceStatus {
        phase: String = "phase", 1, [omitempty, go("v1.NamespacePhase")];
        conditions: Vec<NamespaceCondition> = "conditions", 2, [omitempty, merge("type"), list_map(&["type"])];
    }

    /// One aspect of a namespace's removal.
    pub struct NamespaceCondition {
        type_: String = "type", 1, [go("v1.NamespaceConditionType")];
        status: String = "status", 2, [go("v1.ConditionStatus")];
        last_transition_time: Option<Time> = "lastTransitionTime", 4, [optional];
        reason: String = "reason", 5, [omitempty];
        message: String = "message", 6, [omitempty];
    }
}
