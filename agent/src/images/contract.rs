//! The image store as the runtime's image contract: CRI's words in, CRI's words out.

use std::time::{SystemTime, UNIX_EPOCH};

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::images::auth::{Credentials, decode};
use crate::images::error::Error;
use crate::images::image::Image;
use crate::images::pull::blocking;
use crate::images::reference::Reference;
use crate::images::store::ImageStore;
use crate::runtime::error::{Error as RuntimeError, ImageReason, Result};
use crate::runtime::images::{ImageConfig, ImageRootfs, Images, Layers};
use crate::runtime::v1;

impl Images for ImageStore {
    fn pull_image(&self, image: v1::ImageSpec, auth: Option<v1::AuthConfig>) -> BoxFuture<'_, Result<String>> {
        async move {
            let reference = Reference::parse(&image.image)?;
            let credentials = auth.map(credentials).transpose()?.flatten();
            Ok(self.pull(&reference, credentials, None).await?.id.to_string())
        }
        .boxed()
    }

    fn image_status(&self, image: v1::ImageSpec) -> BoxFuture<'_, Result<Option<v1::Image>>> {
        let store = self.clone();
        async move {
            match blocking(move || store.get(&image.image)).await {
                Ok(image) => Ok(Some(describe(&image))),
                Err(Error::NotPresent { .. }) => Ok(None),
                Err(e) => Err(e.into()),
            }
        }
        .boxed()
    }

    fn list_images(&self, filter: Option<v1::ImageSpec>) -> BoxFuture<'_, Result<Vec<v1::Image>>> {
        let store = self.clone();
        async move {
            let images = blocking(move || match filter.filter(|f| !f.image.is_empty()) {
                None => store.list(),
                Some(filter) => match store.get(&filter.image) {
                    Ok(image) => Ok(vec![image]),
                    Err(Error::NotPresent { .. }) => Ok(Vec::new()),
                    Err(e) => Err(e),
                },
            });
            Ok(images.await?.iter().map(describe).collect())
        }
        .boxed()
    }

    fn remove_image(&self, image: v1::ImageSpec) -> BoxFuture<'_, Result<()>> {
        let store = self.clone();
        async move { Ok(blocking(move || store.remove(&image.image)).await.map(drop)?) }.boxed()
    }

    fn image_fs_info(&self) -> BoxFuture<'_, Result<v1::ImageFsInfoResponse>> {
        let store = self.clone();
        async move {
            let root = store.root().display().to_string();
            let (bytes, files) = blocking(move || store.used()).await?;
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let usage = v1::FilesystemUsage {
                timestamp: i64::try_from(now.as_nanos()).unwrap_or(i64::MAX),
                fs_id: Some(v1::FilesystemIdentifier { mountpoint: root }),
                used_bytes: Some(v1::UInt64Value { value: bytes }),
                inodes_used: Some(v1::UInt64Value { value: files }),
            };
            Ok(v1::ImageFsInfoResponse { image_filesystems: vec![usage], ..Default::default() })
        }
        .boxed()
    }
}

impl Layers for ImageStore {
    fn resolve<'a>(&'a self, image_ref: &'a str) -> BoxFuture<'a, Result<ImageRootfs>> {
        let (store, name) = (self.clone(), image_ref.to_owned());
        async move {
            let image = blocking(move || ImageStore::resolve(&store, &name)).await?;
            Ok(ImageRootfs {
                image_ref: image.digests.first().cloned().unwrap_or_else(|| image.id.to_string()),
                image_id: image.id.to_string(),
                config: ImageConfig {
                    volumes: image.config.config.volumes.into_keys().collect(),
                    entrypoint: image.config.config.entrypoint,
                    cmd: image.config.config.cmd,
                    env: image.config.config.env,
                    working_dir: image.config.config.working_dir,
                    user: image.config.config.user,
                    stop_signal: image.config.config.stop_signal,
                },
                lower: image.layers,
            })
        }
        .boxed()
    }
}

impl From<Error> for RuntimeError {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let reason = match &error {
            Error::InUse { .. } => return Self::FailedPrecondition(message),
            Error::NotPresent { reference } => return Self::not_found("image", reference.clone()),
            Error::InvalidName { .. } => ImageReason::InvalidImageName,
            Error::NeverPull { .. } => ImageReason::ErrImageNeverPull,
            Error::RegistryUnavailable { .. } => ImageReason::RegistryUnavailable,
            _ => ImageReason::ErrImagePull,
        };
        Self::Image { reason, message }
    }
}

impl From<Credentials> for v1::AuthConfig {
    fn from(credentials: Credentials) -> Self {
        match credentials {
            Credentials::Basic { user, password } => Self { username: user, password, ..Self::default() },
            Credentials::Identity(token) => Self { identity_token: token, ..Self::default() },
            Credentials::Bearer(token) => Self { registry_token: token, ..Self::default() },
        }
    }
}

fn credentials(auth: v1::AuthConfig) -> Result<Option<Credentials>> {
    Ok(if !auth.registry_token.is_empty() {
        Some(Credentials::Bearer(auth.registry_token))
    } else if !auth.identity_token.is_empty() {
        Some(Credentials::Identity(auth.identity_token))
    } else if !auth.username.is_empty() {
        Some(Credentials::Basic { user: auth.username, password: auth.password })
    } else if !auth.auth.is_empty() {
        let decoded = decode(&auth.auth);
        Some(decoded.ok_or_else(|| RuntimeError::InvalidArgument("auth is not base64 of user:password".to_owned()))?)
    } else {
        None
    })
}

fn describe(image: &Image) -> v1::Image {
    let user = image.config.config.user.split(':').next().unwrap_or_default();
    let uid = user.parse::<i64>().ok();
    v1::Image {
        id: image.id.to_string(),
        repo_tags: image.tags.clone(),
        repo_digests: image.digests.clone(),
        size: image.size_bytes,
        uid: uid.map(|value| v1::Int64Value { value }),
        username: if uid.is_none() { user.to_owned() } else { String::new() },
        spec: Some(v1::ImageSpec { image: image.id.to_string(), ..Default::default() }),
        pinned: false,
    }
}
