//! What happens to a pod → Kubernetes Events with the kubelet's reasons, at a bounded rate.

use bytes::Bytes;
use masthead_api::core::event::{Event, EventSource};
use masthead_api::core::pod::Pod;
use masthead_api::core::reference::ObjectReference;
use masthead_api::meta::time::Time;

/// Events at once (client-go's `defaultSpamBurst`), doubled: a pod of many containers begins with more.
const BURST: i64 = 50;
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

/// Lets a pod's events through while they are not too many.
#[derive(Clone, Copy, Debug)]
pub struct Valve {
    left: i64,
    filled_ms: i64,
}

impl Valve {
    /// A full one.
    pub fn new(now_ms: i64) -> Self {
        Self { left: BURST, filled_ms: now_ms }
    }

    /// Whether one more may pass.
    pub fn admit(&mut self, now_ms: i64) -> bool {
        let more = (now_ms - self.filled_ms).div_euclid(REFILL_MS).max(0);
        self.left = (self.left + more).min(BURST);
        self.filled_ms += more * REFILL_MS;
        let admitted = self.left > 0;
        self.left -= i64::from(admitted);
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
        let mut valve = Valve::new(0);
        assert_eq!((0..100).filter(|_| valve.admit(0)).count() as i64, BURST);
        assert!(!valve.admit(REFILL_MS - 1));
        assert!(valve.admit(REFILL_MS));
        assert!(!valve.admit(REFILL_MS));
        assert_eq!((0..100).filter(|_| valve.admit(10_000 * REFILL_MS)).count() as i64, BURST);
    }
}
