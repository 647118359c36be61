//! The image contract over CRI's gRPC.

use futures::FutureExt;
use futures::future::BoxFuture;
use tonic::{Code, Request};

use crate::runtime::cri::client::{CriRuntime, timed};
use crate::runtime::cri::convert::{About, error, pull_error};
use crate::runtime::error::Result;
use crate::runtime::images::Images;
use crate::runtime::v1;

fn image(name: &str) -> About<'_> {
    About { kind: "image", id: name }
}

impl Images for CriRuntime {
    fn pull_image(&self, spec: v1::ImageSpec, auth: Option<v1::AuthConfig>) -> BoxFuture<'_, Result<String>> {
        async move {
            let name = spec.image.clone();
            let message = v1::PullImageRequest { image: Some(spec), auth, sandbox_config: None };
            // No deadline: how long a pull may take is the server's to say.
            let answer = self.images.clone().pull_image(Request::new(message)).await;
            Ok(answer.map_err(|s| pull_error(&name, &s))?.into_inner().image_ref)
        }
        .boxed()
    }

    fn image_status(&self, spec: v1::ImageSpec) -> BoxFuture<'_, Result<Option<v1::Image>>> {
        async move {
            let name = spec.image.clone();
            let message = v1::ImageStatusRequest { image: Some(spec), verbose: false };
            let answer = self.images.clone().image_status(timed(message)).await;
            Ok(answer.map_err(|s| error(image(&name), s))?.into_inner().image)
        }
        .boxed()
    }

    fn list_images(&self, filter: Option<v1::ImageSpec>) -> BoxFuture<'_, Result<Vec<v1::Image>>> {
        async move {
            let filter = filter.map(|image| v1::ImageFilter { image: Some(image) });
            let answer = self.images.clone().list_images(timed(v1::ListImagesRequest { filter })).await;
            Ok(answer.map_err(|s| error(image(""), s))?.into_inner().images)
        }
        .boxed()
    }

    fn remove_image(&self, spec: v1::ImageSpec) -> BoxFuture<'_, Result<()>> {
        async move {
            let name = spec.image.clone();
            let message = v1::RemoveImageRequest { image: Some(spec) };
            match self.images.clone().remove_image(timed(message)).await {
                Err(status) if status.code() == Code::NotFound => Ok(()),
                other => other.map(drop).map_err(|s| error(image(&name), s)),
            }
        }
        .boxed()
    }

    fn image_fs_info(&self) -> BoxFuture<'_, Result<v1::ImageFsInfoResponse>> {
        async move {
            let answer = self.images.clone().image_fs_info(timed(v1::ImageFsInfoRequest {})).await;
            Ok(answer.map_err(|s| error(image(""), s))?.into_inner())
        }
        .boxed()
    }
}
