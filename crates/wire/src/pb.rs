//! The generated messages, and a Debug without values for those that may hold secrets.

use std::fmt;

#[allow(missing_docs, clippy::all, reason = "generated from proto/masthead.proto")]
mod generated {
    tonic::include_proto!("masthead.wire.v1");
}
pub use generated::*;

impl fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinRequest").field("node_name", &self.node_name).finish_non_exhaustive()
    }
}

impl fmt::Debug for ManifestPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManifestPart")
            .field("generation", &self.generation)
            .field("base", &self.base)
            .field("part", &self.part)
            .field("last", &self.last)
            .field("pods", &self.pods.len())
            .field("removed_pods", &self.removed_pods)
            .field("attachments", &self.attachments.len())
            .field("removed_attachments", &self.removed_attachments)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment").field("kind", &self.kind).field("bytes", &self.object.len()).finish()
    }
}

impl fmt::Debug for Recalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recalled").field("pods", &self.pods.len()).field("last", &self.last).finish()
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, bytes) = match &self.frame {
            None => ("Frame::Empty", 0),
            Some(frame::Frame::Stdin(b)) => ("Frame::Stdin", b.len()),
            Some(frame::Frame::Stdout(b)) => ("Frame::Stdout", b.len()),
            Some(frame::Frame::Stderr(b)) => ("Frame::Stderr", b.len()),
            Some(frame::Frame::Resize(_)) => ("Frame::Resize", 0),
            Some(frame::Frame::Exit(_)) => ("Frame::Exit", 0),
            Some(frame::Frame::CloseStdin(_)) => ("Frame::CloseStdin", 0),
        };
        f.debug_struct(name).field("bytes", &bytes).finish()
    }
}
