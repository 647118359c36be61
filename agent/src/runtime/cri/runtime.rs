//! The calls of a runtime, asked of a CRI server.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use tonic::{Request, Status};

use crate::runtime::contract::{AttachRequest, ExecOutput, ExecRequest, Runtime, SandboxRequest};
use crate::runtime::cri::client::{CALL_TIMEOUT, CriRuntime, timed, within};
use crate::runtime::cri::convert::{About, error, start_error};
use crate::runtime::cri::wanted::Wanted;
use crate::runtime::cri::{dial, events};
use crate::runtime::error::{Error, Result};
use crate::runtime::streams::{BoxDuplex, Session};
use crate::runtime::v1;

impl Runtime for CriRuntime {
    fn version(&self) -> BoxFuture<'_, Result<v1::VersionResponse>> {
        async move {
            let request = timed(v1::VersionRequest { version: "v1".to_owned() });
            Ok(self.client().version(request).await.map_err(|s| error(runtime(), s))?.into_inner())
        }
        .boxed()
    }

    fn status(&self) -> BoxFuture<'_, Result<v1::StatusResponse>> {
        async move {
            let request = timed(v1::StatusRequest { verbose: false });
            Ok(self.client().status(request).await.map_err(|s| error(runtime(), s))?.into_inner())
        }
        .boxed()
    }

    fn run_pod_sandbox(&self, request: SandboxRequest) -> BoxFuture<'_, Result<String>> {
        async move {
            if request.netns_path.is_some() {
                return Err(Error::Unsupported("a CRI server makes the pod's network namespace itself".to_owned()));
            }
            let name = request.config.metadata.as_ref().map(|m| m.name.clone()).unwrap_or_default();
            let message = v1::RunPodSandboxRequest {
                config: Some(request.config.clone()),
                runtime_handler: request.runtime_handler,
            };
            match self.client().run_pod_sandbox(timed(message)).await {
                Ok(answer) => Ok(answer.into_inner().pod_sandbox_id),
                // containerd reserves the name and fails where the contract gives back the id.
                Err(status) if status.message().contains("is reserved for") => {
                    self.sandbox_named(&request.config).await?.ok_or_else(|| error(sandbox(&name), status))
                }
                Err(status) => Err(error(sandbox(&name), status)),
            }
        }
        .boxed()
    }

    fn stop_pod_sandbox<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        async move {
            let message = v1::StopPodSandboxRequest { pod_sandbox_id: id.to_owned() };
            gone_is_fine(sandbox(id), self.client().stop_pod_sandbox(timed(message)).await)
        }
        .boxed()
    }

    fn remove_pod_sandbox<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        async move {
            let message = v1::RemovePodSandboxRequest { pod_sandbox_id: id.to_owned() };
            gone_is_fine(sandbox(id), self.client().remove_pod_sandbox(timed(message)).await)
        }
        .boxed()
    }

    fn pod_sandbox_status<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<v1::PodSandboxStatus>> {
        async move {
            let message = v1::PodSandboxStatusRequest { pod_sandbox_id: id.to_owned(), verbose: false };
            let answer = self.client().pod_sandbox_status(timed(message)).await.map_err(|s| error(sandbox(id), s))?;
            let status = answer.into_inner().status.ok_or_else(|| missing("sandbox status"))?;
            self.known.note_sandbox(&status);
            Ok(status)
        }
        .boxed()
    }

    fn list_pod_sandboxes(&self, filter: v1::PodSandboxFilter) -> BoxFuture<'_, Result<Vec<v1::PodSandbox>>> {
        async move {
            let message = v1::ListPodSandboxRequest { filter: Some(filter) };
            let answer = self.client().list_pod_sandbox(timed(message)).await.map_err(|s| error(runtime(), s))?;
            Ok(answer.into_inner().items)
        }
        .boxed()
    }

    fn create_container(&self, request: v1::CreateContainerRequest) -> BoxFuture<'_, Result<String>> {
        async move {
            let name = container_name(&request);
            match self.client().create_container(timed(request.clone())).await {
                Ok(answer) => Ok(answer.into_inner().container_id),
                Err(status) if status.message().contains("is reserved for") => {
                    self.container_named(&request).await?.ok_or_else(|| error(container(&name), status))
                }
                Err(status) => Err(start_error(container(&name), status)),
            }
        }
        .boxed()
    }

    fn start_container<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        async move {
            let message = v1::StartContainerRequest { container_id: id.to_owned() };
            let started = self.client().start_container(timed(message)).await;
            started.map(drop).map_err(|s| start_error(container(id), s))
        }
        .boxed()
    }

    fn stop_container<'a>(&'a self, id: &'a str, grace: Duration) -> BoxFuture<'a, Result<()>> {
        async move {
            let message = v1::StopContainerRequest { container_id: id.to_owned(), timeout: whole_seconds(grace) };
            let request = within(message, grace.saturating_add(CALL_TIMEOUT));
            gone_is_fine(container(id), self.client().stop_container(request).await)
        }
        .boxed()
    }

    fn remove_container<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        async move {
            let message = v1::RemoveContainerRequest { container_id: id.to_owned() };
            gone_is_fine(container(id), self.client().remove_container(timed(message)).await)
        }
        .boxed()
    }

    fn list_containers(&self, filter: v1::ContainerFilter) -> BoxFuture<'_, Result<Vec<v1::Container>>> {
        async move {
            let message = v1::ListContainersRequest { filter: Some(filter) };
            let answer = self.client().list_containers(timed(message)).await.map_err(|s| error(runtime(), s))?;
            Ok(answer.into_inner().containers)
        }
        .boxed()
    }

    fn container_status<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<v1::ContainerStatus>> {
        async move {
            let message = v1::ContainerStatusRequest { container_id: id.to_owned(), verbose: false };
            let answer = self.client().container_status(timed(message)).await.map_err(|s| error(container(id), s))?;
            let status = answer.into_inner().status.ok_or_else(|| missing("container status"))?;
            self.known.note_container(&status);
            Ok(status)
        }
        .boxed()
    }

    fn update_container_resources<'a>(
        &'a self,
        id: &'a str,
        resources: v1::LinuxContainerResources,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            let message = v1::UpdateContainerResourcesRequest {
                container_id: id.to_owned(),
                linux: Some(resources),
                ..Default::default()
            };
            let answer = self.client().update_container_resources(timed(message)).await;
            self.known.forget(id);
            answer.map(drop).map_err(|s| error(container(id), s))
        }
        .boxed()
    }

    fn reopen_container_log<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        async move {
            let message = v1::ReopenContainerLogRequest { container_id: id.to_owned() };
            let answer = self.client().reopen_container_log(timed(message)).await;
            answer.map(drop).map_err(|s| error(container(id), s))
        }
        .boxed()
    }

    fn exec_sync<'a>(
        &'a self,
        id: &'a str,
        command: Vec<String>,
        timeout: Option<Duration>,
    ) -> BoxFuture<'a, Result<ExecOutput>> {
        async move {
            // CRI counts whole seconds, and takes 0 for "no timeout".
            let seconds = timeout.map_or(0, |t| whole_seconds(t).max(1));
            let message = v1::ExecSyncRequest { container_id: id.to_owned(), cmd: command, timeout: seconds };
            let request = match timeout {
                Some(timeout) => within(message, timeout.saturating_add(CALL_TIMEOUT)),
                None => Request::new(message),
            };
            let answer = self.client().exec_sync(request).await.map_err(|s| error(container(id), s))?.into_inner();
            Ok(ExecOutput { stdout: answer.stdout, stderr: answer.stderr, exit_code: answer.exit_code })
        }
        .boxed()
    }

    fn exec(&self, request: ExecRequest) -> BoxFuture<'_, Result<Session>> {
        async move {
            let ExecRequest { container_id, command, tty, stdin, stdout, stderr } = request;
            let message = v1::ExecRequest { container_id, cmd: command, tty, stdin, stdout, stderr: stderr && !tty };
            self.connect(Wanted { stdin, stdout, stderr, tty }, || async {
                let answer = self.client().exec(timed(message.clone())).await;
                Ok(answer.map_err(|s| error(container(&message.container_id), s))?.into_inner().url)
            })
            .await
        }
        .boxed()
    }

    fn attach(&self, request: AttachRequest) -> BoxFuture<'_, Result<Session>> {
        async move {
            let AttachRequest { container_id, stdin, stdout, stderr } = request;
            let tty = self.has_tty(&container_id).await?;
            let message = v1::AttachRequest { container_id, stdin, tty, stdout, stderr: stderr && !tty };
            self.connect(Wanted { stdin, stdout, stderr, tty }, || async {
                let answer = self.client().attach(timed(message.clone())).await;
                Ok(answer.map_err(|s| error(container(&message.container_id), s))?.into_inner().url)
            })
            .await
        }
        .boxed()
    }

    fn port_forward<'a>(&'a self, sandbox_id: &'a str, port: u16) -> BoxFuture<'a, Result<BoxDuplex>> {
        async move {
            let message = v1::PortForwardRequest { pod_sandbox_id: sandbox_id.to_owned(), port: vec![i32::from(port)] };
            let answer = self.client().port_forward(timed(message)).await;
            let answer = answer.map_err(|s| error(sandbox(sandbox_id), s))?;
            dial::port(&answer.into_inner().url, port).await
        }
        .boxed()
    }

    fn container_stats<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<v1::ContainerStats>> {
        async move {
            let message = v1::ContainerStatsRequest { container_id: id.to_owned() };
            let answer = self.client().container_stats(timed(message)).await.map_err(|s| error(container(id), s))?;
            answer.into_inner().stats.ok_or_else(|| missing("container stats"))
        }
        .boxed()
    }

    fn list_container_stats(&self, filter: v1::ContainerStatsFilter) -> BoxFuture<'_, Result<Vec<v1::ContainerStats>>> {
        async move {
            let message = v1::ListContainerStatsRequest { filter: Some(filter) };
            let answer = self.client().list_container_stats(timed(message)).await.map_err(|s| error(runtime(), s))?;
            Ok(answer.into_inner().stats)
        }
        .boxed()
    }

    fn container_events(&self) -> BoxStream<'static, Result<v1::ContainerEventResponse>> {
        events::stream(self.clone())
    }
}

fn runtime() -> About<'static> {
    About { kind: "runtime", id: "CRI" }
}

fn sandbox(id: &str) -> About<'_> {
    About { kind: "sandbox", id }
}

fn container(id: &str) -> About<'_> {
    About { kind: "container", id }
}

/// CRI's stop and remove of what is gone succeed; some servers say NotFound nevertheless.
fn gone_is_fine<T>(about: About<'_>, result: std::result::Result<T, Status>) -> Result<()> {
    match result.map_err(|s| error(about, s)) {
        Ok(_) => Ok(()),
        Err(e) if e.is_not_found() => Ok(()),
        Err(e) => Err(e),
    }
}

fn whole_seconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis().div_ceil(1000)).unwrap_or(i64::MAX)
}

fn missing(what: &str) -> Error {
    Error::internal(what.to_owned(), "the CRI server's answer lacks it")
}

fn container_name(request: &v1::CreateContainerRequest) -> String {
    let config = request.config.as_ref();
    config.and_then(|c| c.metadata.as_ref()).map(|m| m.name.clone()).unwrap_or_default()
}

impl CriRuntime {
    async fn sandbox_named(&self, config: &v1::PodSandboxConfig) -> Result<Option<String>> {
        let all = self.list_pod_sandboxes(v1::PodSandboxFilter::default()).await?;
        Ok(all.into_iter().find(|s| s.metadata == config.metadata).map(|s| s.id))
    }

    async fn container_named(&self, request: &v1::CreateContainerRequest) -> Result<Option<String>> {
        let metadata = request.config.as_ref().and_then(|c| c.metadata.clone());
        let filter = v1::ContainerFilter { pod_sandbox_id: request.pod_sandbox_id.clone(), ..Default::default() };
        let all = self.list_containers(filter).await?;
        Ok(all.into_iter().find(|c| c.metadata == metadata).map(|c| c.id))
    }

    /// Whether a container was made with a terminal; CRI shows it in the verbose part only.
    async fn has_tty(&self, id: &str) -> Result<bool> {
        let request = v1::ContainerStatusRequest { container_id: id.to_owned(), verbose: true };
        let answer = self.client().container_status(timed(request)).await.map_err(|s| error(container(id), s))?;
        let info = answer.into_inner().info.remove("info").unwrap_or_default();
        let info: serde_json::Value = serde_json::from_str(&info).unwrap_or_default();
        Ok(info.pointer("/config/tty").and_then(serde_json::Value::as_bool).unwrap_or(false))
    }
}
