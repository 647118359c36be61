//! What happens to a pod → Kubernetes Events with the kubelet's reasons, at a bounded rate.

use std::collections::BTreeMap;

use bytes::Bytes;
use masthead_api::core::event::{Event, EventSource};
use masthead_api::core::pod::Pod;
use masthead_api::core::reference::ObjectReference;
use masthead_api::meta::time::Time;

/// Events of one reason at once (client-go's `defaultSpamBurst`, which counts all of a pod's: there, a probe that fails again
/// and again keeps the word that the container is killed for it from being heard).
const BURST: i64 = 25;
/// One more after this time (client-go's `defaultSpamQPS`, sooner).
const REFILL_MS: i64 = 30_000;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// `Warning`, else `Normal`.
    pub is_warning: bool,
    /// `Pulled`, `Started`, …
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// The container it is about.
    pub container: Option<String>,
}

impl Note {
    /// What is as it should be.
    pub fn normal(reason: &'static str, message: impl Into<String>) -> Self {
        Self { is_warning: false, reason, message: message.into(), container: None }
    }

    /// What is not.
    pub fn warning(reason: &'static str, message: impl Into<String>) -> Self {
        Self { is_warning: true, ..Self::normal(reason, message) }
    }

    /// About this container.
    #[must_use]
    pub fn of(mut self, container: &str) -> Self {
        self.container = Some(container.to_owned());
        self
    }
}

/// Lets a pod's events of each reason through while they are not too many.
#[derive(Clone, Debug, Default)]
pub struct Valve(BTreeMap<&'static str, Tank>);

/// What is left of a reason's events.
#[derive(Clone, Copy, Debug)]
struct Tank {
    left: i64,
    filled_ms: i64,
}

impl Valve {
    /// Whether one more may pass.
    pub fn admit(&mut self, reason: &'static str, now_ms: i64) -> bool {
        let tank = self.0.entry(reason).or_insert(Tank { left: BURST, filled_ms: now_ms });
        let more = (now_ms - tank.filled_ms).div_euclid(REFILL_MS).max(0);
        tank.left = (tank.left + more).min(BURST);
        tank.filled_ms += more * REFILL_MS;
        let admitted = tank.left > 0;
        tank.left -= i64::from(admitted);
        admitted
    }
}

/// The Event as JSON. `serial` makes its name one of its own.
pub fn event(pod: &Pod, note: &Note, node: &str, now_ms: i64, serial: u64) -> Option<Bytes> {
    let mut event = Event { api_version: "v1".to_owned(), kind: "Event".to_owned(), ..Event::default() };
    event.metadata.name = format!("{}.{:x}{:04x}", pod.metadata.name, now_ms, serial & 0xffff);
    event.metadata.namespace.clone_from(&pod.metadata.namespace);
    let list = |name: &String| {
        let is_init = pod.spec.init_containers.iter().any(|c| c.name == *name);
        format!("spec.{}{{{name}}}", if is_init { "initContainers" } else { "containers" })
    };
    event.involved_object = ObjectReference {
        kind: "Pod".to_owned(),
        namespace: pod.metadata.namespace.clone(),
        name: pod.metadata.name.clone(),
        uid: pod.metadata.uid.clone(),
        api_version: "v1".to_owned(),
        resource_version: pod.metadata.resource_version.clone(),
        field_path: note.container.as_ref().map(list).unwrap_or_default(),
    };
    event.reason = note.reason.to_owned();
    event.message.clone_from(&note.message);
    event.source = EventSource { component: "kubelet".to_owned(), host: node.to_owned() };
    event.reporting_component = "kubelet".to_owned();
    event.reporting_instance = node.to_owned();
    let now = Time(now_ms.div_euclid(1000));
    (event.first_timestamp, event.last_timestamp) = (Some(now), Some(now));
    event.count = 1;
    event.type_ = if note.is_warning { "Warning" } else { "Normal" }.to_owned();
    serde_json::to_vec(&event).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_trickles_again() {
        let mut valve = Valve::default();
        let admitted = |valve: &mut Valve, now_ms: i64| (0..100).filter(|_| valve.admit("a", now_ms)).count() as i64;
        assert_eq!(admitted(&mut valve, 0), BURST);
        assert!(valve.admit("b", 0), "another reason has its own measure");
        assert_eq!(admitted(&mut valve, REFILL_MS - 1), 0);
        assert_eq!(admitted(&mut valve, REFILL_MS), 1);
        assert_eq!(admitted(&mut valve, 10_000 * REFILL_MS), BURST);
    }
}
