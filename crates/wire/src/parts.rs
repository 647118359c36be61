//! Turns one manifest step into messages of bounded size, and messages back into the step.

use std::sync::Arc;

use crate::convert;
use crate::limits::{MAX_MANIFEST_BYTES, MAX_MANIFEST_ITEMS, PART_BYTES, PART_ITEMS};
use crate::manifest::{Generation, Manifest, NodeSetup};
use crate::object::{Attachment, AttachmentKey, PodEntry};
use crate::pb;

/// One message of a step, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Counts from 0.
    pub index: u32,
    /// No part follows.
    pub last: bool,
    /// The piece of the step.
    pub piece: Manifest,
}

/// The messages of a step, cut at [`PART_BYTES`] and [`PART_ITEMS`]; at least one.
pub fn split(step: &Manifest) -> Parts<'_> {
    Parts {
        step,
        index: 0,
        done: false,
        pods: step.pods.iter(),
        removed_pods: step.removed_pods.iter(),
        attachments: step.attachments.iter(),
        removed_attachments: step.removed_attachments.iter(),
    }
}

/// Iterator of [`split`].
pub struct Parts<'a> {
    step: &'a Manifest,
    index: u32,
    done: bool,
    pods: std::slice::Iter<'a, Arc<PodEntry>>,
    removed_pods: std::slice::Iter<'a, Arc<str>>,
    attachments: std::slice::Iter<'a, Arc<Attachment>>,
    removed_attachments: std::slice::Iter<'a, AttachmentKey>,
}

impl Iterator for Parts<'_> {
    type Item = pb::ManifestPart;

    fn next(&mut self) -> Option<pb::ManifestPart> {
        if self.done {
            return None;
        }
        let mut part = pb::ManifestPart {
            generation: Some(self.step.generation.into()),
            base: self.step.base.map(Into::into),
            part: self.index,
            setup: (self.index == 0).then(|| (&self.step.setup).into()),
            ..Default::default()
        };
        let (mut items, mut bytes) = (0, 0);
        // Removals first: they are small, and a pod's name may be taken again by a later entry.
        while items < PART_ITEMS && bytes < PART_BYTES {
            if let Some(uid) = self.removed_pods.next() {
                bytes += uid.len();
                part.removed_pods.push(uid.to_string());
            } else if let Some(key) = self.removed_attachments.next() {
                bytes += key.kind.len() + key.namespace.len() + key.name.len();
                part.removed_attachments.push(key.into());
            } else if let Some(attachment) = self.attachments.next() {
                bytes += attachment.bytes.len();
                part.attachments.push(attachment.as_ref().into());
            } else if let Some(pod) = self.pods.next() {
                bytes += pod.bytes.len();
                part.pods.push(pod.bytes.clone());
            } else {
                break;
            }
            items += 1;
        }
        self.index += 1;
        self.done = self.pods.as_slice().is_empty()
            && self.removed_pods.as_slice().is_empty()
            && self.attachments.as_slice().is_empty()
            && self.removed_attachments.as_slice().is_empty();
        part.last = self.done;
        Some(part)
    }
}

/// Why parts don't make a step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A part is missing.
    #[error("part {got} of manifest {generation} came where {expected} was due")]
    Gap {
        /// Of which step.
        generation: Generation,
        /// Which was due.
        expected: u32,
        /// Which came.
        got: u32,
    },
    /// Over [`MAX_MANIFEST_ITEMS`] or [`MAX_MANIFEST_BYTES`].
    #[error("manifest {0} is over the limit of {MAX_MANIFEST_ITEMS} entries or {MAX_MANIFEST_BYTES} bytes")]
    TooLarge(Generation),
}

/// A step of which some parts are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assembly {
    step: Manifest,
    next: u32,
    items: usize,
    bytes: usize,
}

impl Assembly {
    /// Begins a step that no part of is there yet.
    pub fn new(base: Option<Generation>, generation: Generation) -> Self {
        let step = Manifest { base, generation, setup: NodeSetup::default(), ..Manifest::default() };
        Self { step, next: 0, items: 0, bytes: 0 }
    }

    /// Which step.
    pub fn generation(&self) -> Generation {
        self.step.generation
    }

    /// Which base.
    pub fn base(&self) -> Option<Generation> {
        self.step.base
    }

    /// Adds a part. True once all are there; a part that is there already is left out.
    pub fn add(&mut self, part: Part) -> Result<bool, Error> {
        let generation = self.step.generation;
        if part.index < self.next {
            return Ok(false);
        }
        if part.index > self.next {
            return Err(Error::Gap { generation, expected: self.next, got: part.index });
        }
        let piece = part.piece;
        self.items += piece.pods.len() + piece.removed_pods.len();
        self.items += piece.attachments.len() + piece.removed_attachments.len();
        self.bytes += piece.pods.iter().map(|p| p.bytes.len()).sum::<usize>();
        self.bytes += piece.attachments.iter().map(|a| a.bytes.len()).sum::<usize>();
        if self.items > MAX_MANIFEST_ITEMS || self.bytes > MAX_MANIFEST_BYTES {
            return Err(Error::TooLarge(generation));
        }
        if part.index == 0 {
            self.step.setup = piece.setup;
        }
        self.step.pods.extend(piece.pods);
        self.step.removed_pods.extend(piece.removed_pods);
        self.step.attachments.extend(piece.attachments);
        self.step.removed_attachments.extend(piece.removed_attachments);
        self.next += 1;
        Ok(part.last)
    }

    /// The step as far as it is there.
    pub fn into_step(self) -> Manifest {
        self.step
    }
}

impl TryFrom<pb::ManifestPart> for Part {
    type Error = convert::Error;

    fn try_from(part: pb::ManifestPart) -> Result<Self, convert::Error> {
        let pod = |b: bytes::Bytes| PodEntry::parse(convert::own(&b)).map(Arc::new);
        let piece = Manifest {
            base: part.base.map(Into::into),
            generation: convert::required(part.generation, "generation")?.into(),
            setup: part.setup.map(Into::into).unwrap_or_default(),
            pods: part.pods.into_iter().map(pod).collect::<Result<_, _>>()?,
            removed_pods: part.removed_pods.into_iter().map(Into::into).collect(),
            attachments: part
                .attachments
                .into_iter()
                .map(|a| Attachment::parse(a.kind, convert::own(&a.object)).map(Arc::new))
                .collect::<Result<_, _>>()?,
            removed_attachments: part.removed_attachments.into_iter().map(Into::into).collect(),
        };
        Ok(Self { index: part.part, last: part.last, piece })
    }
}
