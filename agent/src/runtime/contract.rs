//! The runtime contract: CRI v1's calls with CRI's messages, streams in place of URLs, and no implementation.

use std::path::PathBuf;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;

use crate::runtime::error::Result;
use crate::runtime::streams::{BoxDuplex, Session};
use crate::runtime::v1;

/// What a sandbox is made from.
#[derive(Clone, Debug, Default)]
pub struct SandboxRequest {
    /// CRI's own part.
    pub config: v1::PodSandboxConfig,
    /// Empty for the default handler.
    pub runtime_handler: String,
    /// A pinned network namespace to join. None with host networking, and with a runtime that
    /// makes its own (CRI servers run CNI and refuse this).
    pub netns_path: Option<PathBuf>,
    /// Addresses of that namespace, the primary one first; kept and given back in the status.
    pub ips: Vec<String>,
}

/// What to run beside a container's first process.
#[derive(Clone, Debug, Default)]
pub struct ExecRequest {
    /// The container.
    pub container_id: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Whether the process gets a terminal; stderr is then part of stdout.
    pub tty: bool,
    /// Whether stdin is wanted; else it reads as empty.
    pub stdin: bool,
    /// Whether stdout is wanted; else it is thrown away.
    pub stdout: bool,
    /// Whether stderr is wanted; else it is thrown away.
    pub stderr: bool,
}

/// A container's own streams to connect to.
#[derive(Clone, Debug, Default)]
pub struct AttachRequest {
    /// The container.
    pub container_id: String,
    /// Whether stdin is wanted; refused for a container made without it.
    pub stdin: bool,
    /// Whether stdout is wanted.
    pub stdout: bool,
    /// Whether stderr is wanted.
    pub stderr: bool,
}

/// The captured outcome of a short command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOutput {
    /// At most 16 MiB; what is beyond is dropped.
    pub stdout: Vec<u8>,
    /// At most 16 MiB; what is beyond is dropped.
    pub stderr: Vec<u8>,
    /// 128 + n after signal n.
    pub exit_code: i32,
}

/// Runs pods and containers on this node. Every call is idempotent where CRI's is: stop and
/// remove of what is gone succeed; run and create with metadata that is already there give
/// back the same id, so a caller that died half-way repeats itself and starts nothing twice.
pub trait Runtime: Send + Sync + 'static {
    /// Name and version.
    fn version(&self) -> BoxFuture<'_, Result<v1::VersionResponse>>;
    /// Readiness: conditions `RuntimeReady` and `NetworkReady`.
    fn status(&self) -> BoxFuture<'_, Result<v1::StatusResponse>>;

    /// Makes a sandbox ready and gives its id.
    fn run_pod_sandbox(&self, request: SandboxRequest) -> BoxFuture<'_, Result<String>>;
    /// Kills what runs in it and releases its namespaces.
    fn stop_pod_sandbox<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>>;
    /// Removes it with all of its containers.
    fn remove_pod_sandbox<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>>;
    /// One sandbox.
    fn pod_sandbox_status<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<v1::PodSandboxStatus>>;
    /// Sandboxes that match; all with the default filter.
    fn list_pod_sandboxes(&self, filter: v1::PodSandboxFilter) -> BoxFuture<'_, Result<Vec<v1::PodSandbox>>>;

    /// Makes a container and gives its id; its program does not run yet.
    fn create_container(&self, request: v1::CreateContainerRequest) -> BoxFuture<'_, Result<String>>;
    /// Runs its program. `Error::Start` when that can't be executed.
    fn start_container<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>>;
    /// Sends the stop signal, after `grace` SIGKILL, and returns when the container is dead.
    fn stop_container<'a>(&'a self, id: &'a str, grace: Duration) -> BoxFuture<'a, Result<()>>;
    /// Kills it if needed, and removes its writable layer; its log stays.
    fn remove_container<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>>;
    /// Containers that match; all with the default filter.
    fn list_containers(&self, filter: v1::ContainerFilter) -> BoxFuture<'_, Result<Vec<v1::Container>>>;
    /// One container.
    fn container_status<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<v1::ContainerStatus>>;
    /// Changes the limits of a live container; fields at 0 or empty stay as they are.
    fn update_container_resources<'a>(
        &'a self,
        id: &'a str,
        resources: v1::LinuxContainerResources,
    ) -> BoxFuture<'a, Result<()>>;
    /// Opens the log by its path anew, after somebody renamed the file.
    fn reopen_container_log<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>>;

    /// Runs a command to its end. After `timeout` (None: never) everything it started is
    /// killed and the answer is `Error::DeadlineExceeded`.
    fn exec_sync<'a>(
        &'a self,
        id: &'a str,
        command: Vec<String>,
        timeout: Option<Duration>,
    ) -> BoxFuture<'a, Result<ExecOutput>>;
    /// Runs a command with live streams.
    fn exec(&self, request: ExecRequest) -> BoxFuture<'_, Result<Session>>;
    /// Connects to the container's own streams.
    fn attach(&self, request: AttachRequest) -> BoxFuture<'_, Result<Session>>;
    /// Connects to a TCP port on the sandbox's loopback.
    fn port_forward<'a>(&'a self, sandbox_id: &'a str, port: u16) -> BoxFuture<'a, Result<BoxDuplex>>;

    /// Use of CPU and memory by one container.
    fn container_stats<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<v1::ContainerStats>>;
    /// Use of CPU and memory by the running containers that match.
    fn list_container_stats(&self, filter: v1::ContainerStatsFilter) -> BoxFuture<'_, Result<Vec<v1::ContainerStats>>>;
    /// Changes from now on. It ends, after an error, when changes were lost: list again and
    /// call again.
    fn container_events(&self) -> BoxStream<'static, Result<v1::ContainerEventResponse>>;
}
