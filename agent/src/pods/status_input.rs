//! What a pod's status is made from.

use masthead_api::core::pod::Pod;
use masthead_api::core::pod_status::PodStatus;

use crate::pods::local::Local;
use crate::pods::observe::Observed;
use crate::pods::plan::Plan;

/// What a status is made from.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// What there is of it.
    pub observed: &'a Observed,
    /// What the agent knows of it.
    pub local: &'a Local,
    /// What was decided last.
    pub plan: &'a Plan,
    /// The status before, for the times of its conditions.
    pub before: Option<&'a PodStatus>,
    /// The runtime's name, the scheme of container ids.
    pub runtime: &'a str,
    /// Milliseconds since 1970.
    pub now_ms: i64,
}
