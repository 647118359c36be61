//! CRI's image service on top of an image store.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::runtime::cri::convert::status;
use crate::runtime::images::Images;
use crate::runtime::v1;
use crate::runtime::v1::image_service_server::ImageService;

/// CRI's image service.
pub struct ImageServer {
    pub(crate) images: Arc<dyn Images>,
}

type Answer<T> = Result<Response<T>, Status>;

fn given(image: Option<v1::ImageSpec>) -> Result<v1::ImageSpec, Status> {
    image.ok_or_else(|| Status::invalid_argument("image is missing"))
}

#[tonic::async_trait]
impl ImageService for ImageServer {
    async fn list_images(&self, r: Request<v1::ListImagesRequest>) -> Answer<v1::ListImagesResponse> {
        let filter = r.into_inner().filter.and_then(|f| f.image).filter(|i| !i.image.is_empty());
        let images = self.images.list_images(filter).await.map_err(|e| status(&e))?;
        Ok(Response::new(v1::ListImagesResponse { images }))
    }

    async fn image_status(&self, r: Request<v1::ImageStatusRequest>) -> Answer<v1::ImageStatusResponse> {
        let image = self.images.image_status(given(r.into_inner().image)?).await.map_err(|e| status(&e))?;
        Ok(Response::new(v1::ImageStatusResponse { image, ..Default::default() }))
    }

    async fn pull_image(&self, r: Request<v1::PullImageRequest>) -> Answer<v1::PullImageResponse> {
        let message = r.into_inner();
        let image = given(message.image)?;
        let image_ref = self.images.pull_image(image, message.auth).await.map_err(|e| status(&e))?;
        Ok(Response::new(v1::PullImageResponse { image_ref }))
    }

    async fn remove_image(&self, r: Request<v1::RemoveImageRequest>) -> Answer<v1::RemoveImageResponse> {
        self.images.remove_image(given(r.into_inner().image)?).await.map_err(|e| status(&e))?;
        Ok(Response::new(v1::RemoveImageResponse {}))
    }

    async fn image_fs_info(&self, _: Request<v1::ImageFsInfoRequest>) -> Answer<v1::ImageFsInfoResponse> {
        Ok(Response::new(self.images.image_fs_info().await.map_err(|e| status(&e))?))
    }
}
