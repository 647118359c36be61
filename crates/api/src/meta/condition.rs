//! The common form of a condition.

use crate::meta::time::Time;
use crate::schema::object::object;

object! {
    /// One aspect of an object's state.
    pub struct Condition {
        type_: String = "type", 1, [];
        status: String = "status", 2, [go("v1.ConditionStatus")];
        observed_generation: i64 = "observedGeneration", 3, [omitempty];
        last_transition_time: Option<Time> = "lastTransitionTime", 4, [];
        reason: String = "reason", 5, [];
        message: String = "message", 6, [];
    }
}
