//! Turns the manifest that a node holds and the next step into the manifest it holds then.

use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::attachments::Attachments;
use crate::object::{Attachment, AttachmentKey, Digest, PodEntry};

/// Orders the manifests of a node: a later term wins over any counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation {
    /// The control plane's term: a new leader has a higher one.
    pub term: u64,
    /// Counts within the term.
    pub counter: u64,
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.term, self.counter)
    }
}

/// What a node's network and names are set up with. It is part of the manifest, not of the
/// greeting, so that a node knows its ranges when it restarts without a control plane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSetup {
    /// Ranges from which the node's pods take addresses.
    pub pod_cidrs: Vec<String>,
    /// Further facts, by name.
    pub facts: BTreeMap<String, String>,
}

/// The pods of a node by uid. A clone costs nothing; the first change after it copies the map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pods(Arc<BTreeMap<Arc<str>, Arc<PodEntry>>>);

impl Pods {
    /// Adds or replaces a pod.
    pub fn insert(&mut self, pod: Arc<PodEntry>) {
        Arc::make_mut(&mut self.0).insert(pod.uid.clone(), pod);
    }

    /// Takes one out. Says whether it was there.
    pub fn remove(&mut self, uid: &str) -> bool {
        self.0.contains_key(uid) && Arc::make_mut(&mut self.0).remove(uid).is_some()
    }

    /// Pods that are new or say something else than in `old`, and uids of those that are gone.
    pub fn since(&self, old: &Pods) -> (Vec<Arc<PodEntry>>, Vec<Arc<str>>) {
        let (mut changed, mut gone) = (Vec::new(), Vec::new());
        if Arc::ptr_eq(&self.0, &old.0) {
            return (changed, gone);
        }
        let mut before = old.0.iter().peekable();
        for (uid, pod) in self.0.iter() {
            while let Some((missing, _)) = before.next_if(|(other, _)| *other < uid) {
                gone.push(missing.clone());
            }
            let is_same = |(_, other): (_, &Arc<PodEntry>)| Arc::ptr_eq(other, pod) || other.digest == pod.digest;
            if !before.next_if(|(other, _)| *other == uid).is_some_and(is_same) {
                changed.push(pod.clone());
            }
        }
        gone.extend(before.map(|(uid, _)| uid.clone()));
        (changed, gone)
    }
}

impl Deref for Pods {
    type Target = BTreeMap<Arc<str>, Arc<PodEntry>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<'a> IntoIterator for &'a Pods {
    type Item = (&'a Arc<str>, &'a Arc<PodEntry>);
    type IntoIter = btree_map::Iter<'a, Arc<str>, Arc<PodEntry>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// All that a node must run, and what its pods refer to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeContent {
    /// Network and names.
    pub setup: NodeSetup,
    /// By uid.
    pub pods: Pods,
    /// By key.
    pub attachments: Attachments,
}

impl NodeContent {
    /// Adds or replaces a pod.
    pub fn insert_pod(&mut self, pod: Arc<PodEntry>) {
        self.pods.insert(pod);
    }

    /// Adds or replaces an attachment.
    pub fn insert_attachment(&mut self, attachment: Arc<Attachment>) {
        self.attachments.insert(attachment);
    }
}

/// The manifest that a node holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeManifest {
    /// Which.
    pub generation: Generation,
    /// What it says.
    pub content: NodeContent,
}

/// What a node says that it holds when a session begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// Digests of pods by uid.
    pub pods: BTreeMap<Arc<str>, Digest>,
    /// Digests of attachments by key.
    pub attachments: BTreeMap<AttachmentKey, Digest>,
}

impl From<&NodeContent> for Holding {
    fn from(content: &NodeContent) -> Self {
        let pods = content.pods.iter();
        let attachments = content.attachments.iter();
        Self {
            pods: pods.map(|(uid, p)| (uid.clone(), p.digest)).collect(),
            attachments: attachments.map(|(k, a)| (k.clone(), a.digest)).collect(),
        }
    }
}

/// One step: a whole node, or what changes from `base`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Absent: the whole node.
    pub base: Option<Generation>,
    /// What the node holds after it.
    pub generation: Generation,
    /// Network and names, always whole.
    pub setup: NodeSetup,
    /// Pods to add or replace.
    pub pods: Vec<Arc<PodEntry>>,
    /// Uids of pods to remove.
    pub removed_pods: Vec<Arc<str>>,
    /// Attachments to add or replace.
    pub attachments: Vec<Arc<Attachment>>,
    /// Attachments to remove.
    pub removed_attachments: Vec<AttachmentKey>,
}

impl Manifest {
    /// The step that says all of `content`.
    pub fn whole(generation: Generation, content: &NodeContent) -> Self {
        Self {
            base: None,
            generation,
            setup: content.setup.clone(),
            pods: content.pods.values().cloned().collect(),
            attachments: content.attachments.values().cloned().collect(),
            ..Self::default()
        }
    }
}

impl NodeManifest {
    /// The manifest after `step`, or nothing when it does not start from this one.
    pub fn after(&self, step: &Manifest) -> Option<Self> {
        let mut content = match step.base {
            None => NodeContent::default(),
            Some(base) if base == self.generation => self.content.clone(),
            Some(_) => return None,
        };
        content.setup = step.setup.clone();
        for uid in &step.removed_pods {
            content.pods.remove(uid);
        }
        for key in &step.removed_attachments {
            content.attachments.remove(key);
        }
        for pod in &step.pods {
            content.insert_pod(pod.clone());
        }
        for attachment in &step.attachments {
            content.insert_attachment(attachment.clone());
        }
        Some(Self { generation: step.generation, content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_term_wins_over_any_counter() {
        let at = |term, counter| Generation { term, counter };
        assert!(at(2, 0) > at(1, u64::MAX));
        assert!(at(1, 2) > at(1, 1));
    }

    /// Against all pairs of small maps: what changed and what is gone, and nothing else.
    #[test]
    fn what_changed_of_pods_is_what_differs() {
        let pod = |uid: usize, version: usize| {
            let json = format!(r#"{{"metadata":{{"uid":"u{uid}","namespace":"n","name":"a"}},"spec":{version}}}"#);
            Arc::new(PodEntry::parse(json.into()).unwrap())
        };
        // Of three pods each is absent, or there in one of two versions.
        let all: Vec<Pods> = (0..27)
            .map(|code| {
                let mut pods = Pods::default();
                let versions = [code % 3, code / 3 % 3, code / 9];
                for (uid, version) in versions.into_iter().enumerate().filter(|(_, version)| *version > 0) {
                    pods.insert(pod(uid, version));
                }
                pods
            })
            .collect();
        for (old, new) in all.iter().flat_map(|old| all.iter().map(move |new| (old, new))) {
            let (changed, gone) = new.since(old);
            let mut made = old.clone();
            gone.iter().for_each(|uid| assert!(made.remove(uid), "it was there"));
            for pod in changed {
                assert!(old.get(&pod.uid).is_none_or(|known| known.digest != pod.digest));
                made.insert(pod);
            }
            assert_eq!(made, *new);
        }
        let mut shared = all[26].clone();
        assert!(Arc::ptr_eq(&shared.0, &all[26].0) && !shared.remove("u9"));
        assert!(Arc::ptr_eq(&shared.0, &all[26].0), "nothing changed, nothing is copied");
    }

    #[test]
    fn a_step_from_elsewhere_is_not_taken() {
        let held = NodeManifest::default();
        let elsewhere = Manifest { base: Some(Generation { term: 1, counter: 1 }), ..Manifest::default() };
        assert_eq!(held.after(&elsewhere), None);
    }
}
