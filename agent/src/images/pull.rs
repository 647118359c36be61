//! Pulls an image from its registry: manifest, config, the layers that are missing; once for all who wait.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use futures::FutureExt;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::images::auth::Credentials;
use crate::images::blobs::Scratch;
use crate::images::digest::{Digest, chain_ids};
use crate::images::error::Error;
use crate::images::flights::{Key, Listener, Listeners, Outcome, Progress};
use crate::images::image::Image;
use crate::images::layers;
use crate::images::manifest::{self, Descriptor, Document, Manifest};
use crate::images::own;
use crate::images::platform::{Platform, choose};
use crate::images::reference::Reference;
use crate::images::registry::Session;
use crate::images::store::{ImageStore, Ready, name_key};

/// A task that ends with the pull that started it.
struct Download(JoinHandle<Result<PathBuf, Error>>);

impl Drop for Download {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Takes a pull off the list however it ends.
struct Landing {
    store: ImageStore,
    key: Key,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.store.flights().land(&self.key);
    }
}

impl ImageStore {
    /// Pulls an image, or waits for the pull of the same image that is under way.
    ///
    /// The pull goes on when its callers go away, as the kubelet's does.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unauthorized`], [`Error::RegistryUnavailable`], [`Error::NoPlatform`],
    /// [`Error::DigestMismatch`], [`Error::NoRegistry`], and those of unpacking.
    pub async fn pull(
        &self,
        reference: &Reference,
        credentials: Option<Credentials>,
        listener: Option<Listener>,
    ) -> Result<Image, Error> {
        let key = (reference.clone(), credentials);
        let take_off = |key, listeners| self.take_off(key, listeners);
        self.flights().join(key, listener, take_off).await
    }

    fn take_off(&self, key: Key, listeners: Listeners) -> Outcome {
        let store = self.clone();
        let what = format!("pull of {}", key.0);
        let task = tokio::spawn(async move {
            let landing = Landing { store, key };
            landing.store.fetch(&landing.key.0, landing.key.1.clone(), listeners).await
        });
        async move { task.await.unwrap_or_else(|e| Err(Error::malformed(what, e))) }.boxed().shared()
    }

    async fn fetch(
        &self,
        reference: &Reference,
        credentials: Option<Credentials>,
        listeners: Listeners,
    ) -> Result<Image, Error> {
        if reference.host() == own::HOST {
            let (store, reference) = (self.clone(), reference.clone());
            return blocking(move || own::make(&store, &reference)).await;
        }
        let session = Arc::new(self.connector().session(reference, credentials)?);
        let (top, bytes, image) = self.choose_image(&session, reference).await?;
        let mut names = vec![reference.with_digest(&top)];
        if reference.digest().is_none() {
            names.push(name_key(reference));
        }
        let what = reference.to_string();
        let config = session.config(&image.config.digest, self.limits().manifest_bytes).await?;
        let parsed = manifest::parse_config(&what, &config, image.layers.len())?;
        let diffs = parsed.rootfs.diff_ids;
        let chains = chain_ids(&diffs);
        // Taken in a blocking task: a sweeper may hold the other side for a moment.
        let store = self.clone();
        let (scratch, writing) =
            blocking(move || Ok((Arc::new(store.home().scratch()?), store.home().writing()?))).await?;
        let mut downloads = self.start_downloads(&session, &image.layers, &chains, &scratch, &listeners)?;
        let mut size_bytes = 0;
        for n in 0..chains.len() {
            let blob = match downloads.remove(&n) {
                Some(mut download) => Some((&mut download.0).await.map_err(|e| Error::malformed(&what, e))??),
                None => None,
            };
            let (store, scratch, diff, chain) = (self.clone(), Arc::clone(&scratch), diffs[n].clone(), chains.clone());
            size_bytes += blocking(move || store.place(&scratch, blob, &diff, &chain[n], &chain[..n])).await?;
        }
        let store = self.clone();
        let ready =
            Ready { manifest: bytes.to_vec(), config: config.to_vec(), chains, size_bytes, names, local: false };
        blocking(move || store.commit(&scratch, &writing, ready)).await
    }

    /// Follows indexes to the manifest that fits this machine; gives the digest of what the name means, too.
    async fn choose_image(
        &self,
        session: &Session,
        reference: &Reference,
    ) -> Result<(Digest, bytes::Bytes, Manifest), Error> {
        let limits = self.limits();
        let what = reference.to_string();
        let asked = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.unwrap_or("latest").to_owned(),
        };
        let (top, mut bytes) = session.manifest(&asked, limits.manifest_bytes).await?;
        for _ in 0..=limits.index_depth {
            match manifest::parse(&what, &bytes, limits)? {
                Document::Image(image) => return Ok((top, bytes, *image)),
                Document::Index(entries) => {
                    let offers: Vec<Option<Platform>> = entries.iter().map(|e| e.platform.clone()).collect();
                    let picked = choose(&offers, self.platforms()).ok_or_else(|| self.no_platform(&what, &offers))?;
                    bytes = session.manifest(entries[picked].digest.as_str(), limits.manifest_bytes).await?.1;
                }
            }
        }
        Err(Error::Limit { what, limit: "index_depth", bound: limits.index_depth })
    }

    fn no_platform(&self, reference: &str, offers: &[Option<Platform>]) -> Error {
        let offered: Vec<String> = offers.iter().flatten().map(Platform::text).collect();
        let wanted = self.platforms().first().map(Platform::text).unwrap_or_default();
        Error::NoPlatform { reference: reference.to_owned(), wanted, offered: offered.join(", ") }
    }

    fn start_downloads(
        &self,
        session: &Arc<Session>,
        blobs: &[Descriptor],
        chains: &[Digest],
        scratch: &Arc<Scratch>,
        listeners: &Listeners,
    ) -> Result<HashMap<usize, Download>, Error> {
        let gate = Arc::new(Semaphore::new(self.limits().parallel_downloads.max(1)));
        let mut downloads = HashMap::new();
        for (n, (blob, chain)) in blobs.iter().zip(chains).enumerate() {
            if layers::find(self.home(), chain)?.is_some() {
                continue;
            }
            let (session, gate, blob) = (Arc::clone(session), Arc::clone(&gate), blob.clone());
            let (listeners, path) = (Arc::clone(listeners), scratch.next());
            // The file must not be made after the scratch directory is gone.
            let scratch = Arc::clone(scratch);
            let task = tokio::spawn(async move {
                let _scratch = scratch;
                let _pass = gate.acquire().await.map_err(|e| Error::malformed("download", e))?;
                let done = std::sync::atomic::AtomicU64::new(0);
                let seen = |more: u64| {
                    let done_bytes = done.fetch_add(more, std::sync::atomic::Ordering::Relaxed) + more;
                    let progress = Progress { layer: blob.digest.clone(), done_bytes, total_bytes: blob.size };
                    let all = listeners.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    all.iter().for_each(|l| l(&progress));
                };
                session.blob(&blob.digest, blob.size, &path, seen).await?;
                Ok(path)
            });
            downloads.insert(n, Download(task));
        }
        Ok(downloads)
    }

    /// Unpacks a downloaded layer and removes the download; gives the layer's size.
    fn place(
        &self,
        scratch: &Scratch,
        blob: Option<PathBuf>,
        diff: &Digest,
        chain: &Digest,
        below: &[Digest],
    ) -> Result<u64, Error> {
        let Some(path) = blob else {
            let layer = layers::find(self.home(), chain)?;
            return layer.map(|l| l.size_bytes).ok_or_else(|| Error::malformed(format!("layer {chain}"), "it went"));
        };
        let file = std::fs::File::open(&path).map_err(|e| Error::io(format!("open layer {diff}"), e))?;
        let layer = layers::add(self.home(), scratch, file, diff, chain, below, self.limits())?;
        let _ = std::fs::remove_file(path);
        Ok(layer.size_bytes)
    }
}

/// Runs work that waits for the disk off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(e) => Err(Error::malformed("image work", e)),
    }
}
