//! The image contract: CRI's image calls for the agent, unpacked layers for the embedded runtime.

use std::path::PathBuf;

use futures::future::BoxFuture;

use crate::runtime::error::Result;
use crate::runtime::v1;

/// Keeps the images of this node.
pub trait Images: Send + Sync + 'static {
    /// Pulls an image and gives the reference by which it is then known (its id).
    fn pull_image(&self, image: v1::ImageSpec, auth: Option<v1::AuthConfig>) -> BoxFuture<'_, Result<String>>;
    /// One image; None when it is not here.
    fn image_status(&self, image: v1::ImageSpec) -> BoxFuture<'_, Result<Option<v1::Image>>>;
    /// All images, or those that match a reference.
    fn list_images(&self, filter: Option<v1::ImageSpec>) -> BoxFuture<'_, Result<Vec<v1::Image>>>;
    /// Removes an image; succeeds when it is not here.
    fn remove_image(&self, image: v1::ImageSpec) -> BoxFuture<'_, Result<()>>;
    /// Disk use.
    fn image_fs_info(&self) -> BoxFuture<'_, Result<v1::ImageFsInfoResponse>>;
}

/// Unpacked images, ready to be mounted. What it hands out stays on disk as long as a
/// container names the image.
pub trait Layers: Send + Sync + 'static {
    /// The layers and the configuration of a local image, by reference or id; never pulls.
    fn resolve<'a>(&'a self, image_ref: &'a str) -> BoxFuture<'a, Result<ImageRootfs>>;
}

/// An image on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageRootfs {
    /// The image's id, `sha256:` and the digest of its configuration.
    pub image_id: String,
    /// The reference a container status shows: name@digest, or the id.
    pub image_ref: String,
    /// Directories to stack, the topmost first, as overlayfs wants them. At least one.
    pub lower: Vec<PathBuf>,
    /// What the image says about its process.
    pub config: ImageConfig,
}

/// The part of an image's configuration that decides how its process starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// `Entrypoint`, replaced by a container's command.
    pub entrypoint: Vec<String>,
    /// `Cmd`, replaced by a container's args, dropped when it has a command.
    pub cmd: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// `WorkingDir`; empty means `/`.
    pub working_dir: String,
    /// `User`: empty, or a name or number, with `:group` or not.
    pub user: String,
    /// `StopSignal`, such as `SIGQUIT` or `3`; empty means SIGTERM.
    pub stop_signal: String,
    /// `Volumes`: paths that get their own writable directory.
    pub volumes: Vec<String>,
}
