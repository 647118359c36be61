//! An image as the rest of the agent sees it: its digests, its names, its layers on the disk.

use std::path::PathBuf;

use crate::images::digest::Digest;
use crate::images::manifest::ImageConfig;

/// An image with all that a container needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The digest of its config.
    pub id: Digest,
    /// The digest of its manifest.
    pub manifest: Digest,
    /// Names with a tag.
    pub tags: Vec<String>,
    /// Names with a digest.
    pub digests: Vec<String>,
    /// What it runs.
    pub config: ImageConfig,
    /// Roots of the unpacked layers, top first, as overlayfs wants them.
    pub layers: Vec<PathBuf>,
    /// Bytes of file content.
    pub size_bytes: u64,
    /// When it came, seconds since 1970.
    pub added_s: u64,
    /// It has no registry: it was imported or put together here.
    pub local: bool,
}
