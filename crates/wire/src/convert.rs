//! Turns generated messages into the small types the rest works with, and back.

use bytes::Bytes;
use std::sync::Arc;

use crate::manifest::{Generation, Holding, NodeSetup};
use crate::object::{self, Attachment, AttachmentKey, Digest};
use crate::pb;
use crate::report::{Applied, Heartbeat, Hello, NodeAddress, NodeFacts, PodGone, PodStatus, Problem, Problems};
use crate::stream::{Exit, PodRef, Size, StreamKind, StreamRequest};

/// Why a message is not one of ours.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field that must be there is not.
    #[error("message has no {0}")]
    Missing(&'static str),
    /// A field has a value it can't have.
    #[error("message has a {0} that is out of range")]
    Range(&'static str),
    /// An object in it is no object.
    #[error(transparent)]
    Object(#[from] object::Error),
}

/// A field that must be there.
pub fn required<T>(field: Option<T>, name: &'static str) -> Result<T, Error> {
    field.ok_or(Error::Missing(name))
}

/// A copy of its own: what is cut out of a message would keep the whole message in memory.
pub fn own(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

impl From<Generation> for pb::Generation {
    fn from(g: Generation) -> Self {
        Self { term: g.term, counter: g.counter }
    }
}

impl From<pb::Generation> for Generation {
    fn from(g: pb::Generation) -> Self {
        Self { term: g.term, counter: g.counter }
    }
}

impl From<&NodeSetup> for pb::NodeSetup {
    fn from(s: &NodeSetup) -> Self {
        Self { pod_cidrs: s.pod_cidrs.clone(), facts: s.facts.clone() }
    }
}

impl From<pb::NodeSetup> for NodeSetup {
    fn from(s: pb::NodeSetup) -> Self {
        Self { pod_cidrs: s.pod_cidrs, facts: s.facts }
    }
}

impl From<&AttachmentKey> for pb::AttachmentKey {
    fn from(k: &AttachmentKey) -> Self {
        Self { kind: k.kind.clone(), namespace: k.namespace.clone(), name: k.name.clone() }
    }
}

impl From<pb::AttachmentKey> for AttachmentKey {
    fn from(k: pb::AttachmentKey) -> Self {
        Self { kind: k.kind, namespace: k.namespace, name: k.name }
    }
}

impl From<&Attachment> for pb::Attachment {
    fn from(a: &Attachment) -> Self {
        Self { kind: a.key.kind.clone(), object: a.bytes.clone() }
    }
}

impl From<NodeFacts> for pb::NodeFacts {
    fn from(f: NodeFacts) -> Self {
        let address = |a: NodeAddress| pb::NodeAddress { r#type: a.kind, address: a.address };
        Self {
            labels: f.labels,
            capacity: f.capacity,
            allocatable: f.allocatable,
            addresses: f.addresses.into_iter().map(address).collect(),
            node_info: f.node_info,
            taints: f.taints,
        }
    }
}

impl From<pb::NodeFacts> for NodeFacts {
    fn from(f: pb::NodeFacts) -> Self {
        let address = |a: pb::NodeAddress| NodeAddress { kind: a.r#type, address: a.address };
        Self {
            labels: f.labels,
            capacity: f.capacity,
            allocatable: f.allocatable,
            addresses: f.addresses.into_iter().map(address).collect(),
            node_info: f.node_info,
            taints: f.taints,
        }
    }
}

impl From<Hello> for pb::Hello {
    fn from(h: Hello) -> Self {
        let digest = |d: Digest| Bytes::copy_from_slice(&d.0);
        let pods = h.holding.pods.into_iter();
        let attachments = h.holding.attachments.into_iter();
        Self {
            protocol: h.protocol,
            instance: h.instance,
            facts: Some(h.facts.into()),
            held: h.held.map(Into::into),
            pods: pods.map(|(uid, d)| pb::HeldPod { uid: uid.to_string(), digest: digest(d) }).collect(),
            attachments: attachments
                .map(|(key, d)| pb::HeldAttachment { key: Some((&key).into()), digest: digest(d) })
                .collect(),
        }
    }
}

impl TryFrom<pb::Hello> for Hello {
    type Error = Error;
    fn try_from(h: pb::Hello) -> Result<Self, Error> {
        let digest = |b: &Bytes| Digest::try_from(&b[..]).map_err(|_| Error::Range("digest"));
        let mut holding = Holding::default();
        for pod in h.pods {
            let digest = digest(&pod.digest)?;
            holding.pods.insert(Arc::from(pod.uid), digest);
        }
        for attachment in h.attachments {
            let key = required(attachment.key, "attachment key")?.into();
            holding.attachments.insert(key, digest(&attachment.digest)?);
        }
        Ok(Self {
            protocol: h.protocol,
            instance: h.instance,
            facts: required(h.facts, "node facts")?.into(),
            held: h.held.map(Into::into),
            holding,
        })
    }
}

impl From<PodStatus> for pb::PodStatus {
    fn from(s: PodStatus) -> Self {
        Self {
            uid: s.uid.to_string(),
            namespace: s.namespace,
            name: s.name,
            status: s.status,
            observed: Some(s.observed.into()),
            sequence: s.sequence,
        }
    }
}

impl TryFrom<pb::PodStatus> for PodStatus {
    type Error = Error;
    fn try_from(s: pb::PodStatus) -> Result<Self, Error> {
        if s.uid.is_empty() {
            return Err(Error::Missing("pod uid"));
        }
        Ok(Self {
            uid: s.uid.into(),
            namespace: s.namespace,
            name: s.name,
            status: own(&s.status),
            observed: s.observed.map(Into::into).unwrap_or_default(),
            sequence: s.sequence,
        })
    }
}

impl From<PodGone> for pb::PodGone {
    fn from(g: PodGone) -> Self {
        Self { uid: g.uid.to_string(), namespace: g.namespace, name: g.name }
    }
}

impl TryFrom<pb::PodGone> for PodGone {
    type Error = Error;
    fn try_from(g: pb::PodGone) -> Result<Self, Error> {
        if g.uid.is_empty() {
            return Err(Error::Missing("pod uid"));
        }
        Ok(Self { uid: g.uid.into(), namespace: g.namespace, name: g.name })
    }
}

impl From<Heartbeat> for pb::Heartbeat {
    fn from(h: Heartbeat) -> Self {
        Self { held: h.held.map(Into::into), conditions: h.conditions }
    }
}

impl From<pb::Heartbeat> for Heartbeat {
    fn from(h: pb::Heartbeat) -> Self {
        Self { held: h.held.map(Into::into), conditions: own(&h.conditions) }
    }
}

impl From<Applied> for pb::Applied {
    fn from(a: Applied) -> Self {
        Self { generation: Some(a.generation.into()), why: a.why }
    }
}

impl TryFrom<pb::Applied> for Applied {
    type Error = Error;
    fn try_from(a: pb::Applied) -> Result<Self, Error> {
        Ok(Self { generation: required(a.generation, "generation")?.into(), why: a.why })
    }
}

impl From<Problems> for pb::Problems {
    fn from(p: Problems) -> Self {
        let problem = |p: Problem| pb::Problem {
            kind: p.kind,
            namespace: p.namespace,
            name: p.name,
            reason: p.reason,
            message: p.message,
            component: p.component,
        };
        Self { problems: p.problems.into_iter().map(problem).collect(), left_out: p.left_out }
    }
}

impl From<pb::Problems> for Problems {
    /// A sender that keeps no bound is held to it here.
    fn from(p: pb::Problems) -> Self {
        let problem = |p: pb::Problem| Problem {
            kind: p.kind,
            namespace: p.namespace,
            name: p.name,
            reason: p.reason,
            message: p.message,
            component: p.component,
        };
        let bounded = Problems::new(p.problems.into_iter().map(problem));
        Self { left_out: bounded.left_out.saturating_add(p.left_out), ..bounded }
    }
}

impl From<Exit> for pb::Exit {
    fn from(e: Exit) -> Self {
        match e {
            Exit::Code(code) => Self { code, ..Self::default() },
            Exit::Failed { reason, message } => {
                Self { code: 0, reason: if reason.is_empty() { "InternalError".into() } else { reason }, message }
            }
        }
    }
}

impl From<pb::Exit> for Exit {
    fn from(e: pb::Exit) -> Self {
        if e.reason.is_empty() { Self::Code(e.code) } else { Self::Failed { reason: e.reason, message: e.message } }
    }
}

impl From<Size> for pb::Resize {
    fn from(s: Size) -> Self {
        Self { width: s.width.into(), height: s.height.into() }
    }
}

impl TryFrom<pb::Resize> for Size {
    type Error = Error;
    fn try_from(r: pb::Resize) -> Result<Self, Error> {
        let side = |v: u32| u16::try_from(v).map_err(|_| Error::Range("terminal size"));
        Ok(Self { width: side(r.width)?, height: side(r.height)? })
    }
}

impl StreamRequest {
    /// The message that asks for this stream under `id`.
    pub fn into_open(self, id: String) -> pb::StreamOpen {
        use pb::stream_open::Request;
        let request = match self.kind {
            StreamKind::Logs(logs) => Request::Logs(logs),
            StreamKind::Exec(exec) => Request::Exec(exec),
            StreamKind::Attach(attach) => Request::Attach(attach),
            StreamKind::PortForward { port } => Request::PortForward(pb::PortForward { port: port.into() }),
        };
        pb::StreamOpen {
            id,
            pod: Some(pb::PodRef { namespace: self.pod.namespace, name: self.pod.name, uid: self.pod.uid }),
            request: Some(request),
        }
    }
}

impl TryFrom<pb::StreamOpen> for StreamRequest {
    type Error = Error;
    fn try_from(open: pb::StreamOpen) -> Result<Self, Error> {
        use pb::stream_open::Request;
        let pod = required(open.pod, "pod")?;
        let kind = match required(open.request, "stream request")? {
            Request::Logs(logs) => StreamKind::Logs(logs),
            Request::Exec(exec) => StreamKind::Exec(exec),
            Request::Attach(attach) => StreamKind::Attach(attach),
            Request::PortForward(forward) => {
                StreamKind::PortForward { port: u16::try_from(forward.port).map_err(|_| Error::Range("port"))? }
            }
        };
        let pod = PodRef { namespace: pod.namespace, name: pod.name, uid: pod.uid };
        Ok(Self { pod, kind })
    }
}
