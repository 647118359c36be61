//! Turns the manifest that a node holds and the next step into the manifest it holds then.

use std::collections::BTreeMap;
use std::fmt;
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

/// All that a node must run, and what its pods refer to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeContent {
    /// Network and names.
    pub setup: NodeSetup,
    /// By uid.
    pub pods: BTreeMap<Arc<str>, Arc<PodEntry>>,
    /// By key.
    pub attachments: Attachments,
}

impl NodeContent {
    /// Adds or replaces a pod.
    pub fn insert_pod(&mut self, pod: Arc<PodEntry>) {
        self.pods.insert(pod.uid.clone(), pod);
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

    #[test]
    fn a_step_from_elsewhere_is_not_taken() {
        let held = NodeManifest::default();
        let elsewhere = Manifest { base: Some(Generation { term: 1, counter: 1 }), ..Manifest::default() };
        assert_eq!(held.after(&elsewhere), None);
    }
}
