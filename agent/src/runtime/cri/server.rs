//! Serves a runtime as a CRI socket, so that crictl, critest and a kubelet can be pointed at it.

use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status};

use crate::runtime::contract::{Runtime, SandboxRequest};
use crate::runtime::cri::convert::status;
use crate::runtime::cri::offer::Stream;
use crate::runtime::cri::server_images::ImageServer;
use crate::runtime::cri::streaming::Streaming;
use crate::runtime::error::{Error, Result};
use crate::runtime::images::Images;
use crate::runtime::v1;
use crate::runtime::v1::image_service_server::ImageServiceServer;
use crate::runtime::v1::runtime_service_server::{RuntimeService, RuntimeServiceServer};

/// CRI's runtime service on top of a runtime.
pub struct RuntimeServer {
    runtime: Arc<dyn Runtime>,
    streaming: Streaming,
}

type Answer<T> = std::result::Result<Response<T>, Status>;

/// Serves until `shutdown` resolves. The socket is readable by its owner only.
///
/// # Errors
/// [`Error::FailedPrecondition`] when somebody answers at the path already, [`Error::Internal`].
pub async fn serve(
    path: &Path,
    runtime: Arc<dyn Runtime>,
    images: Arc<dyn Images>,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let what = || format!("serve CRI at {}", path.display());
    if StdUnixStream::connect(path).is_ok() {
        return Err(Error::FailedPrecondition(format!("{} is served by another process", path.display())));
    }
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::internal(what(), e)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(|e| Error::internal(what(), e))?;
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(path, private).map_err(|e| Error::internal(what(), e))?;
    let streaming = Streaming::start(Arc::clone(&runtime)).await.map_err(|e| Error::internal(what(), e))?;
    let served = tonic::transport::Server::builder()
        .add_service(RuntimeServiceServer::new(RuntimeServer { runtime, streaming }))
        .add_service(ImageServiceServer::new(ImageServer { images }))
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), shutdown)
        .await;
    let _ = std::fs::remove_file(path);
    served.map_err(|e| Error::internal(what(), e))
}

fn give<T>(result: Result<T>) -> Answer<T> {
    result.map(Response::new).map_err(|e| status(&e))
}

fn seconds(count: i64) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap_or(0))
}

fn bad(text: &str) -> Status {
    Status::invalid_argument(text)
}

/// The rules of Kubernetes' streaming server on what may be asked for.
fn check_streams(tty: bool, stdin: bool, stdout: bool, stderr: bool) -> std::result::Result<(), Status> {
    if tty && stderr {
        return Err(bad("tty and stderr cannot both be true"));
    }
    if !stdin && !stdout && !stderr {
        return Err(bad("one of stdin, stdout, or stderr must be set"));
    }
    Ok(())
}

#[tonic::async_trait]
impl RuntimeService for RuntimeServer {
    async fn version(&self, _: Request<v1::VersionRequest>) -> Answer<v1::VersionResponse> {
        give(self.runtime.version().await)
    }

    async fn status(&self, _: Request<v1::StatusRequest>) -> Answer<v1::StatusResponse> {
        give(self.runtime.status().await)
    }

    async fn run_pod_sandbox(&self, r: Request<v1::RunPodSandboxRequest>) -> Answer<v1::RunPodSandboxResponse> {
        let message = r.into_inner();
        let request = SandboxRequest {
            config: message.config.ok_or_else(|| bad("config is missing"))?,
            runtime_handler: message.runtime_handler,
            netns_path: None,
            ips: Vec::new(),
        };
        let id = self.runtime.run_pod_sandbox(request).await;
        give(id.map(|pod_sandbox_id| v1::RunPodSandboxResponse { pod_sandbox_id }))
    }

    async fn stop_pod_sandbox(&self, r: Request<v1::StopPodSandboxRequest>) -> Answer<v1::StopPodSandboxResponse> {
        let done = self.runtime.stop_pod_sandbox(&r.get_ref().pod_sandbox_id).await;
        give(done.map(|()| v1::StopPodSandboxResponse {}))
    }

    async fn remove_pod_sandbox(
        &self,
        r: Request<v1::RemovePodSandboxRequest>,
    ) -> Answer<v1::RemovePodSandboxResponse> {
        let done = self.runtime.remove_pod_sandbox(&r.get_ref().pod_sandbox_id).await;
        give(done.map(|()| v1::RemovePodSandboxResponse {}))
    }

    async fn pod_sandbox_status(
        &self,
        r: Request<v1::PodSandboxStatusRequest>,
    ) -> Answer<v1::PodSandboxStatusResponse> {
        let status = self.runtime.pod_sandbox_status(&r.get_ref().pod_sandbox_id).await;
        give(status.map(|status| v1::PodSandboxStatusResponse { status: Some(status), ..Default::default() }))
    }

    async fn list_pod_sandbox(&self, r: Request<v1::ListPodSandboxRequest>) -> Answer<v1::ListPodSandboxResponse> {
        let items = self.runtime.list_pod_sandboxes(r.into_inner().filter.unwrap_or_default()).await;
        give(items.map(|items| v1::ListPodSandboxResponse { items }))
    }

    async fn create_container(&self, r: Request<v1::CreateContainerRequest>) -> Answer<v1::CreateContainerResponse> {
        let id = self.runtime.create_container(r.into_inner()).await;
        give(id.map(|container_id| v1::CreateContainerResponse { container_id }))
    }

    async fn start_container(&self, r: Request<v1::StartContainerRequest>) -> Answer<v1::StartContainerResponse> {
        let done = self.runtime.start_container(&r.get_ref().container_id).await;
        give(done.map(|()| v1::StartContainerResponse {}))
    }

    async fn stop_container(&self, r: Request<v1::StopContainerRequest>) -> Answer<v1::StopContainerResponse> {
        let message = r.into_inner();
        let done = self.runtime.stop_container(&message.container_id, seconds(message.timeout)).await;
        give(done.map(|()| v1::StopContainerResponse {}))
    }

    async fn remove_container(&self, r: Request<v1::RemoveContainerRequest>) -> Answer<v1::RemoveContainerResponse> {
        let done = self.runtime.remove_container(&r.get_ref().container_id).await;
        give(done.map(|()| v1::RemoveContainerResponse {}))
    }

    async fn list_containers(&self, r: Request<v1::ListContainersRequest>) -> Answer<v1::ListContainersResponse> {
        let containers = self.runtime.list_containers(r.into_inner().filter.unwrap_or_default()).await;
        give(containers.map(|containers| v1::ListContainersResponse { containers }))
    }

    async fn container_status(&self, r: Request<v1::ContainerStatusRequest>) -> Answer<v1::ContainerStatusResponse> {
        let status = self.runtime.container_status(&r.get_ref().container_id).await;
        give(status.map(|status| v1::ContainerStatusResponse { status: Some(status), ..Default::default() }))
    }

    async fn update_container_resources(
        &self,
        r: Request<v1::UpdateContainerResourcesRequest>,
    ) -> Answer<v1::UpdateContainerResourcesResponse> {
        let message = r.into_inner();
        let resources = message.linux.ok_or_else(|| bad("linux resources are missing"))?;
        let done = self.runtime.update_container_resources(&message.container_id, resources).await;
        give(done.map(|()| v1::UpdateContainerResourcesResponse {}))
    }

    async fn reopen_container_log(
        &self,
        r: Request<v1::ReopenContainerLogRequest>,
    ) -> Answer<v1::ReopenContainerLogResponse> {
        let done = self.runtime.reopen_container_log(&r.get_ref().container_id).await;
        give(done.map(|()| v1::ReopenContainerLogResponse {}))
    }

    async fn exec_sync(&self, r: Request<v1::ExecSyncRequest>) -> Answer<v1::ExecSyncResponse> {
        let message = r.into_inner();
        let timeout = (message.timeout > 0).then(|| seconds(message.timeout));
        let output = self.runtime.exec_sync(&message.container_id, message.cmd, timeout).await;
        give(output.map(|o| v1::ExecSyncResponse { stdout: o.stdout, stderr: o.stderr, exit_code: o.exit_code }))
    }

    async fn exec(&self, r: Request<v1::ExecRequest>) -> Answer<v1::ExecResponse> {
        let message = r.into_inner();
        check_streams(message.tty, message.stdin, message.stdout, message.stderr)?;
        let url = self.streaming.offer(Stream::Exec(crate::runtime::contract::ExecRequest {
            container_id: message.container_id,
            command: message.cmd,
            tty: message.tty,
            stdin: message.stdin,
            stdout: message.stdout,
            stderr: message.stderr,
        }));
        give(url.map(|url| v1::ExecResponse { url }))
    }

    async fn attach(&self, r: Request<v1::AttachRequest>) -> Answer<v1::AttachResponse> {
        let message = r.into_inner();
        check_streams(message.tty, message.stdin, message.stdout, message.stderr)?;
        let request = crate::runtime::contract::AttachRequest {
            container_id: message.container_id,
            stdin: message.stdin,
            stdout: message.stdout,
            stderr: message.stderr,
        };
        let url = self.streaming.offer(Stream::Attach { request, tty: message.tty });
        give(url.map(|url| v1::AttachResponse { url }))
    }

    async fn port_forward(&self, r: Request<v1::PortForwardRequest>) -> Answer<v1::PortForwardResponse> {
        let message = r.into_inner();
        let ports: std::result::Result<Vec<u16>, _> = message.port.iter().map(|p| u16::try_from(*p)).collect();
        let ports = ports.map_err(|_| bad("a port is out of range"))?;
        let url = self.streaming.offer(Stream::Port { sandbox_id: message.pod_sandbox_id, ports });
        give(url.map(|url| v1::PortForwardResponse { url }))
    }

    async fn container_stats(&self, r: Request<v1::ContainerStatsRequest>) -> Answer<v1::ContainerStatsResponse> {
        let stats = self.runtime.container_stats(&r.get_ref().container_id).await;
        give(stats.map(|stats| v1::ContainerStatsResponse { stats: Some(stats) }))
    }

    async fn list_container_stats(
        &self,
        r: Request<v1::ListContainerStatsRequest>,
    ) -> Answer<v1::ListContainerStatsResponse> {
        let stats = self.runtime.list_container_stats(r.into_inner().filter.unwrap_or_default()).await;
        give(stats.map(|stats| v1::ListContainerStatsResponse { stats }))
    }

    async fn pod_sandbox_stats(&self, _: Request<v1::PodSandboxStatsRequest>) -> Answer<v1::PodSandboxStatsResponse> {
        Err(Status::unimplemented("PodSandboxStats is not supported; ask for the stats of containers"))
    }

    async fn list_pod_sandbox_stats(
        &self,
        _: Request<v1::ListPodSandboxStatsRequest>,
    ) -> Answer<v1::ListPodSandboxStatsResponse> {
        Err(Status::unimplemented("ListPodSandboxStats is not supported; ask for the stats of containers"))
    }

    type GetContainerEventsStream = BoxStream<'static, std::result::Result<v1::ContainerEventResponse, Status>>;

    async fn get_container_events(&self, _: Request<v1::GetEventsRequest>) -> Answer<Self::GetContainerEventsStream> {
        let events = self.runtime.container_events();
        Ok(Response::new(events.map(|event| event.map_err(|e| status(&e))).boxed()))
    }

    async fn runtime_config(&self, _: Request<v1::RuntimeConfigRequest>) -> Answer<v1::RuntimeConfigResponse> {
        let linux = v1::LinuxRuntimeConfiguration { cgroup_driver: v1::CgroupDriver::Cgroupfs as i32 };
        Ok(Response::new(v1::RuntimeConfigResponse { linux: Some(linux) }))
    }
}
