//! The images of a data directory, for the command line; usable while a daemon runs or not.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::images::assemble::Content;
use crate::images::manifest::Defaults;
use crate::images::reference::Reference;
use crate::images::store::{ImageStore, Options};
use crate::node::paths::Paths;

/// One image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageInfo {
    /// Its id.
    pub id: String,
    /// Its names with a tag, then those with a digest only.
    pub names: Vec<String>,
    /// Bytes of file content.
    pub size_bytes: u64,
}

/// The images of a node. The store locks its files, so that several processes may hold one.
#[derive(Clone)]
pub struct ImagesHandle {
    store: ImageStore,
}

/// The images of a data directory.
///
/// # Errors
/// The store can't be opened.
pub async fn images(data: &Path) -> Result<ImagesHandle> {
    let root = Paths::new(data).images;
    let shown = root.display().to_string();
    let store = tokio::task::spawn_blocking(move || ImageStore::open(&root, Options::default())).await?;
    Ok(ImagesHandle { store: store.with_context(|| format!("opening the images in {shown}"))? })
}

impl ImagesHandle {
    /// A handle to an open store.
    pub fn new(store: ImageStore) -> Self {
        Self { store }
    }

    /// Imports a `docker save` archive or an OCI layout; says which names it got.
    ///
    /// # Errors
    /// It is no image, or the disk.
    pub async fn import(&self, path: &Path, name: Option<&str>) -> Result<Vec<String>> {
        let name = name.map(Reference::parse).transpose()?;
        let (store, path) = (self.store.clone(), path.to_owned());
        let names = tokio::task::spawn_blocking(move || store.import_path(&path, name.as_ref())).await??;
        Ok(names.iter().map(ToString::to_string).collect())
    }

    /// All images.
    ///
    /// # Errors
    /// The disk.
    pub async fn list(&self) -> Result<Vec<ImageInfo>> {
        let store = self.store.clone();
        let images = tokio::task::spawn_blocking(move || store.list()).await??;
        let info = |image: crate::images::image::Image| ImageInfo {
            id: image.id.to_string(),
            names: if image.tags.is_empty() { image.digests } else { image.tags },
            size_bytes: image.size_bytes,
        };
        Ok(images.into_iter().map(info).collect())
    }

    /// Removes an image by name or id; whether it was here.
    ///
    /// # Errors
    /// A container uses it.
    pub async fn remove(&self, image: &str) -> Result<bool> {
        let (store, name) = (self.store.clone(), image.to_owned());
        Ok(tokio::task::spawn_blocking(move || store.remove(&name)).await??)
    }

    /// Puts an image together from files.
    ///
    /// # Errors
    /// A path that is not plain, or the disk.
    pub async fn assemble(&self, name: &str, files: Vec<(PathBuf, Content)>, config: Defaults) -> Result<String> {
        let reference = Reference::parse(name)?;
        let store = self.store.clone();
        let image = tokio::task::spawn_blocking(move || store.assemble(&reference, &files, config)).await??;
        Ok(image.id.to_string())
    }
}
