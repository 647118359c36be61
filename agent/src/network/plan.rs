//! Decides, from what there is, the steps to a pod's place and away from it.

use crate::network::observe::{Observed, Pin, PodView};

/// One change, with why where that is a choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write the pod's record.
    Record,
    /// Take a prepared namespace and link, or make them.
    Place,
    /// Pin the namespace.
    Pin,
    /// Make a link into the namespace that is pinned.
    Link,
    /// Find the link that is there.
    Find,
    /// Give the pod's end its addresses.
    PodEnd,
    /// Give the node's end its name and alias, and bring it up.
    HostEnd,
    /// Lead the node to the pod.
    Reach,
    /// Remove a link.
    RemoveLink {
        /// Its index.
        index: u32,
        /// Why.
        reason: &'static str,
    },
    /// Remove the pin, and with it the namespace.
    Unpin,
    /// Remove the pod's record.
    Forget,
}

/// To a pod's place. Also repairs one of which parts are missing.
#[must_use]
pub fn attach(pod: &PodView) -> Vec<Step> {
    let mut steps = Vec::new();
    if pod.record.is_none() {
        steps.push(Step::Record);
    }
    match (pod.pin, &pod.link) {
        (Pin::Live, Some(_)) => steps.push(Step::Find),
        (Pin::Live, None) => steps.push(Step::Link),
        (Pin::None | Pin::Dead, link) => {
            if let Some(link) = link {
                steps.push(Step::RemoveLink { index: link.index, reason: "its namespace is gone" });
            }
            if pod.pin == Pin::Dead {
                steps.push(Step::Unpin);
            }
            steps.extend([Step::Place, Step::Pin]);
        }
    }
    steps.extend([Step::PodEnd, Step::HostEnd, Step::Reach]);
    steps
}

/// Away from it. The record goes last: until then the pod is listed, and the call is made again.
#[must_use]
pub fn detach(pod: &PodView) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(link) = &pod.link {
        steps.push(Step::RemoveLink { index: link.index, reason: "the pod is gone" });
    }
    if pod.pin != Pin::None {
        steps.push(Step::Unpin);
    }
    if pod.record.is_some() {
        steps.push(Step::Forget);
    }
    steps
}

/// What an earlier life left that no pod has a use for.
#[must_use]
pub fn tidy(observed: &Observed) -> Vec<Step> {
    let mut steps: Vec<Step> = observed
        .pool
        .iter()
        .map(|l| Step::RemoveLink { index: l.index, reason: "the pool it waited in is gone" })
        .collect();
    for pod in observed.pods.values() {
        if let (Some(link), Pin::None | Pin::Dead) = (&pod.link, pod.pin) {
            steps.push(Step::RemoveLink { index: link.index, reason: "its namespace is gone" });
        }
    }
    steps
}
