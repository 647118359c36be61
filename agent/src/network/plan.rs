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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::names::Owner;
    use crate::network::observe::LinkView;
    use crate::network::records::PodRecord;

    fn view(record: bool, pin: Pin, link: bool) -> PodView {
        PodView {
            record: record.then(|| PodRecord { ips: Vec::new(), interface: String::new() }),
            pin,
            link: link.then(|| LinkView { index: 7, name: String::new(), owner: Owner::Pod("a".to_owned()) }),
        }
    }

    fn all() -> impl Iterator<Item = PodView> {
        let pins = [Pin::None, Pin::Dead, Pin::Live];
        let links = |(record, pin)| [false, true].map(|link| view(record, pin, link));
        [false, true].into_iter().flat_map(move |r| pins.map(|p| (r, p))).flat_map(links)
    }

    /// What steps lead to, with the least a step does.
    fn apply(mut pod: PodView, steps: &[Step]) -> PodView {
        let whole = view(true, Pin::Live, true);
        let mut place = false;
        for step in steps {
            match step {
                Step::Record => pod.record = whole.record.clone(),
                Step::Place => place = true,
                Step::Pin => {
                    assert!(place && pod.pin == Pin::None, "pins a place where nothing is");
                    pod.pin = Pin::Live;
                }
                Step::Link => {
                    assert!(pod.pin == Pin::Live && pod.link.is_none());
                    pod.link = whole.link.clone();
                }
                Step::Find => assert!(pod.pin == Pin::Live && pod.link.is_some()),
                Step::HostEnd if place => {
                    assert!(pod.link.is_none(), "takes the name of a link that is there");
                    pod.link = whole.link.clone();
                }
                Step::PodEnd | Step::HostEnd | Step::Reach => {}
                Step::RemoveLink { .. } => pod.link = None,
                Step::Unpin => pod.pin = Pin::None,
                Step::Forget => pod.record = None,
            }
        }
        pod
    }

    #[test]
    fn from_whatever_is_left_attach_leads_to_a_whole_place_and_detach_to_nothing() {
        for pod in all() {
            let whole = apply(pod.clone(), &attach(&pod));
            assert_eq!((whole.record.is_some(), whole.pin, whole.link.is_some()), (true, Pin::Live, true), "{pod:?}");
            assert_eq!(attach(&whole), [Step::Find, Step::PodEnd, Step::HostEnd, Step::Reach]);
            assert_eq!(apply(pod.clone(), &detach(&pod)), PodView::default(), "{pod:?}");
        }
        assert!(detach(&PodView::default()).is_empty());
    }

    #[test]
    fn tidying_removes_links_of_no_use_only() {
        let mut observed = Observed::default();
        observed.pods.insert("kept".to_owned(), view(true, Pin::Live, true));
        assert!(tidy(&observed).is_empty());
        observed.pods.insert("dead".to_owned(), view(true, Pin::Dead, true));
        observed.pool.push(LinkView { index: 9, name: String::new(), owner: Owner::Pool });
        assert_eq!(tidy(&observed).len(), 2);
    }
}
