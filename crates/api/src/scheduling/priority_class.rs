//! Named priorities.

use crate::meta::object_meta::ObjectMeta;
use crate::schema::object::object;

object! {
    /// A name for a priority of pods.
    pub struct PriorityClass {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        value: i32 = "value", 2, [optional];
        global_default: bool = "globalDefault", 3, [omitempty];
        description: String = "description", 4, [omitempty];
        preemption_policy: Option<String> = "preemptionPolicy", 5, [omitempty, go("v1.PreemptionPolicy")];
    }
}
