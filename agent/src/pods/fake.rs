//! A runtime that remembers what it was asked for and runs nothing: for simulations and tests, on tokio's clock.
//!
//! A container does what its command says: `exit CODE [MS]` ends by itself, `stubborn` ends only
//! when it is killed, anything else runs until it is stopped. Commands and ports give back what they are given.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{broadcast, watch};

use crate::pods::clock::Clock;
use crate::runtime::contract::{AttachRequest, ExecOutput, ExecRequest, Runtime, SandboxRequest};
use crate::runtime::error::{Error, Result};
use crate::runtime::images::Images;
use crate::runtime::streams::{BoxDuplex, Session};
use crate::runtime::v1;
use crate::runtime::v1::{ContainerEventType, ContainerState, PodSandboxState};

/// Events that a slow listener may be behind.
const EVENTS: usize = 4096;
/// Bytes on their way into or out of a process that is none.
const STREAM_BYTES: usize = 64 << 10;
/// Nobody listens at this port of a pod; at all others somebody says what is said to him.
const CLOSED_PORT: u16 = 1;

/// Says what is said to it, until nothing more comes.
async fn echo(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    // Who does not listen any more needs no end.
    let _ = tokio::io::copy(&mut from, &mut to).await;
    let _ = to.shutdown().await;
}

#[derive(Clone, Debug)]
struct FakeSandbox {
    request: SandboxRequest,
    is_ready: bool,
    created_at: i64,
}

#[derive(Clone, Debug)]
struct FakeContainer {
    request: v1::CreateContainerRequest,
    status: v1::ContainerStatus,
}

#[derive(Debug, Default)]
struct State {
    sandboxes: BTreeMap<String, FakeSandbox>,
    containers: BTreeMap<String, FakeContainer>,
    images: BTreeMap<String, v1::Image>,
    /// Answers of commands, by their words; 0 when there is none.
    exec: BTreeMap<String, i32>,
    calls: Vec<String>,
    refuses_lists: bool,
}

/// The runtime; clones share it, and so it survives an agent.
#[derive(Clone)]
pub struct FakeRuntime {
    state: Arc<Mutex<State>>,
    events: broadcast::Sender<v1::ContainerEventResponse>,
    changed: watch::Sender<u64>,
    clock: Clock,
}

impl FakeRuntime {
    /// An empty one.
    pub fn new(clock: Clock) -> Self {
        Self { state: Arc::default(), events: broadcast::Sender::new(EVENTS), changed: watch::Sender::new(0), clock }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> i64 {
        self.clock.now_ms() * 1_000_000
    }

    fn call(&self, text: String) {
        self.state().calls.push(text);
    }

    /// What it was asked to change, in order.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// Puts an image there.
    pub fn add_image(&self, name: &str) {
        let id = format!("sha256:{name}");
        let image = v1::Image { id: id.clone(), repo_tags: vec![name.to_owned()], size: 1000, ..v1::Image::default() };
        let mut state = self.state();
        state.images.insert(name.to_owned(), image.clone());
        state.images.insert(id, image);
    }

    /// Makes a command end with this code from now on.
    pub fn answer(&self, command: &str, code: i32) {
        self.state().exec.insert(command.to_owned(), code);
    }

    /// Says from now on whether containers can be listed.
    pub fn refuse_lists(&self, refuse: bool) {
        self.state().refuses_lists = refuse;
    }

    /// Ends a running container of a name, as if by itself.
    pub fn crash(&self, name: &str, code: i32) {
        let ids: Vec<String> = {
            let state = self.state();
            let is = |c: &&FakeContainer| c.status.metadata.as_ref().is_some_and(|m| m.name == name);
            state
                .containers
                .values()
                .filter(is)
                .filter(|c| c.status.state() == ContainerState::ContainerRunning)
                .map(|c| c.status.id.clone())
                .collect()
        };
        ids.iter().for_each(|id| self.end(id, code));
    }

    /// Loses all sandboxes and what ran in them, as a reboot does.
    pub fn reboot(&self) {
        let ids: Vec<String> = self.state().containers.keys().cloned().collect();
        ids.iter().for_each(|id| self.end(id, 255));
        self.state().sandboxes.values_mut().for_each(|sandbox| sandbox.is_ready = false);
    }

    fn end(&self, id: &str, code: i32) {
        let now = self.now();
        {
            let mut state = self.state();
            let Some(container) = state.containers.get_mut(id) else { return };
            if container.status.state() != ContainerState::ContainerRunning {
                return;
            }
            container.status.set_state(ContainerState::ContainerExited);
            container.status.finished_at = now;
            container.status.exit_code = code;
            container.status.reason = if code == 0 { "Completed" } else { "Error" }.to_owned();
        }
        self.tell(id, ContainerEventType::ContainerStoppedEvent);
    }

    fn tell(&self, id: &str, kind: ContainerEventType) {
        let state = self.state();
        let Some(container) = state.containers.get(id) else { return };
        let sandbox_id = &container.request.pod_sandbox_id;
        let sandbox = state.sandboxes.get(sandbox_id).map(|sandbox| sandbox_status(sandbox_id, sandbox));
        let event = v1::ContainerEventResponse {
            container_id: id.to_owned(),
            container_event_type: kind.into(),
            created_at: self.now(),
            pod_sandbox_status: sandbox,
            containers_statuses: vec![container.status.clone()],
        };
        drop(state);
        // Nobody need listen.
        let _ = self.events.send(event);
        self.changed.send_modify(|count| *count += 1);
    }

    async fn stop(&self, id: &str, grace: Duration) {
        let stubborn = {
            let state = self.state();
            let command = state.containers.get(id).and_then(|c| c.request.config.as_ref()).map(|c| c.command.clone());
            command.unwrap_or_default().first().is_some_and(|word| word == "stubborn")
        };
        if stubborn {
            tokio::time::sleep(self.clock.duration(grace)).await;
        }
        self.end(id, if stubborn { 137 } else { 143 });
    }

    fn start(&self, id: &str) -> Result<()> {
        let now = self.now();
        let command = {
            let mut state = self.state();
            let container = state.containers.get_mut(id).ok_or_else(|| Error::not_found("container", id))?;
            match container.status.state() {
                ContainerState::ContainerRunning => return Ok(()),
                ContainerState::ContainerCreated => {}
                _ => return Err(Error::FailedPrecondition(format!("container {id} has ended"))),
            }
            let command = container.request.config.as_ref().map(|config| config.command.clone()).unwrap_or_default();
            if command.first().is_some_and(|word| word == "missing") {
                container.status.set_state(ContainerState::ContainerExited);
                container.status.finished_at = now;
                container.status.exit_code = 128;
                container.status.reason = "StartError".to_owned();
                return Err(Error::Start("exec: \"missing\": executable file not found in $PATH".to_owned()));
            }
            container.status.set_state(ContainerState::ContainerRunning);
            container.status.started_at = now;
            command
        };
        self.tell(id, ContainerEventType::ContainerStartedEvent);
        if let [word, code, rest @ ..] = command.as_slice()
            && word == "exit"
        {
            let code = code.parse().unwrap_or(1);
            let ms = rest.first().and_then(|ms| ms.parse().ok()).unwrap_or(0);
            let (own, id) = (self.clone(), id.to_owned());
            tokio::spawn(async move {
                tokio::time::sleep(own.clock.duration(Duration::from_millis(ms))).await;
                own.end(&id, code);
            });
        }
        Ok(())
    }
}

fn sandbox_status(id: &str, sandbox: &FakeSandbox) -> v1::PodSandboxStatus {
    let mut ips = sandbox.request.ips.iter().cloned();
    v1::PodSandboxStatus {
        id: id.to_owned(),
        metadata: sandbox.request.config.metadata.clone(),
        state: if sandbox.is_ready { PodSandboxState::SandboxReady } else { PodSandboxState::SandboxNotready }.into(),
        created_at: sandbox.created_at,
        network: Some(v1::PodSandboxNetworkStatus {
            ip: ips.next().unwrap_or_default(),
            additional_ips: ips.map(|ip| v1::PodIp { ip }).collect(),
        }),
        labels: sandbox.request.config.labels.clone(),
        annotations: sandbox.request.config.annotations.clone(),
        ..v1::PodSandboxStatus::default()
    }
}

fn ready<T: Send + 'static>(value: Result<T>) -> BoxFuture<'static, Result<T>> {
    futures::future::ready(value).boxed()
}

fn unsupported<T: Send + 'static>(what: &str) -> BoxFuture<'static, Result<T>> {
    ready(Err(Error::Unsupported(what.to_owned())))
}

impl Runtime for FakeRuntime {
    fn version(&self) -> BoxFuture<'_, Result<v1::VersionResponse>> {
        ready(Ok(v1::VersionResponse { runtime_name: "fake".to_owned(), ..v1::VersionResponse::default() }))
    }

    fn status(&self) -> BoxFuture<'_, Result<v1::StatusResponse>> {
        ready(Ok(v1::StatusResponse::default()))
    }

    fn run_pod_sandbox(&self, request: SandboxRequest) -> BoxFuture<'_, Result<String>> {
        let metadata = request.config.metadata.clone().unwrap_or_default();
        let id = format!("s-{}-{}", metadata.uid, metadata.attempt);
        if !self.state().sandboxes.contains_key(&id) {
            self.call(format!("sandbox {} {}", metadata.name, metadata.attempt));
            let sandbox = FakeSandbox { request, is_ready: true, created_at: self.now() };
            self.state().sandboxes.insert(id.clone(), sandbox);
        }
        ready(Ok(id))
    }

    fn stop_pod_sandbox<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        let containers: Vec<String> = {
            let mut state = self.state();
            if let Some(sandbox) = state.sandboxes.get_mut(id) {
                sandbox.is_ready = false;
            }
            state.containers.values().filter(|c| c.request.pod_sandbox_id == id).map(|c| c.status.id.clone()).collect()
        };
        containers.iter().for_each(|container| self.end(container, 137));
        ready(Ok(()))
    }

    fn remove_pod_sandbox<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        let mut state = self.state();
        state.sandboxes.remove(id);
        state.containers.retain(|_, container| container.request.pod_sandbox_id != id);
        ready(Ok(()))
    }

    fn pod_sandbox_status<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<v1::PodSandboxStatus>> {
        let state = self.state();
        let found = state.sandboxes.get(id).map(|sandbox| sandbox_status(id, sandbox));
        ready(found.ok_or_else(|| Error::not_found("sandbox", id)))
    }

    fn list_pod_sandboxes(&self, filter: v1::PodSandboxFilter) -> BoxFuture<'_, Result<Vec<v1::PodSandbox>>> {
        let state = self.state();
        let list =
            state.sandboxes.iter().map(|(id, sandbox)| sandbox_status(id, sandbox)).map(|status| v1::PodSandbox {
                id: status.id,
                metadata: status.metadata,
                state: status.state,
                created_at: status.created_at,
                labels: status.labels,
                annotations: status.annotations,
                runtime_handler: String::new(),
            });
        let is = |s: &v1::PodSandbox| filter.label_selector.iter().all(|(k, v)| s.labels.get(k) == Some(v));
        ready(Ok(list.filter(is).collect()))
    }

    fn create_container(&self, request: v1::CreateContainerRequest) -> BoxFuture<'_, Result<String>> {
        let config = request.config.clone().unwrap_or_default();
        let metadata = config.metadata.clone().unwrap_or_default();
        let id = format!("c-{}-{}-{}", request.pod_sandbox_id, metadata.name, metadata.attempt);
        if self.state().containers.contains_key(&id) {
            return ready(Ok(id));
        }
        self.call(format!("create {} {}", metadata.name, metadata.attempt));
        let image = config.image.clone();
        let status = v1::ContainerStatus {
            id: id.clone(),
            metadata: Some(metadata),
            state: ContainerState::ContainerCreated.into(),
            created_at: self.now(),
            image_ref: image.as_ref().map(|image| image.image.clone()).unwrap_or_default(),
            image_id: image.as_ref().map(|image| image.image.clone()).unwrap_or_default(),
            image,
            labels: config.labels.clone(),
            annotations: config.annotations.clone(),
            mounts: config.mounts.clone(),
            ..v1::ContainerStatus::default()
        };
        self.state().containers.insert(id.clone(), FakeContainer { request, status });
        self.tell(&id, ContainerEventType::ContainerCreatedEvent);
        ready(Ok(id))
    }

    fn start_container<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        ready(self.start(id))
    }

    fn stop_container<'a>(&'a self, id: &'a str, grace: Duration) -> BoxFuture<'a, Result<()>> {
        self.call(format!("stop {} {}s", id.rsplit('-').nth(1).unwrap_or_default(), grace.as_secs()));
        async move {
            self.stop(id, grace).await;
            Ok(())
        }
        .boxed()
    }

    fn remove_container<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        self.end(id, 137);
        self.state().containers.remove(id);
        ready(Ok(()))
    }

    fn list_containers(&self, filter: v1::ContainerFilter) -> BoxFuture<'_, Result<Vec<v1::Container>>> {
        let state = self.state();
        if state.refuses_lists {
            return ready(Err(Error::Unavailable("the fake runtime does not list".to_owned())));
        }
        let list = state.containers.values().map(|container| v1::Container {
            id: container.status.id.clone(),
            pod_sandbox_id: container.request.pod_sandbox_id.clone(),
            metadata: container.status.metadata.clone(),
            image: container.status.image.clone(),
            image_ref: container.status.image_ref.clone(),
            state: container.status.state,
            created_at: container.status.created_at,
            labels: container.status.labels.clone(),
            annotations: container.status.annotations.clone(),
            image_id: container.status.image_id.clone(),
        });
        let is = |c: &v1::Container| filter.label_selector.iter().all(|(k, v)| c.labels.get(k) == Some(v));
        ready(Ok(list.filter(is).collect()))
    }

    fn container_status<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<v1::ContainerStatus>> {
        let found = self.state().containers.get(id).map(|container| container.status.clone());
        ready(found.ok_or_else(|| Error::not_found("container", id)))
    }

    fn update_container_resources<'a>(
        &'a self,
        _: &'a str,
        _: v1::LinuxContainerResources,
    ) -> BoxFuture<'a, Result<()>> {
        ready(Ok(()))
    }

    fn reopen_container_log<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<()>> {
        ready(Ok(()))
    }

    fn exec_sync<'a>(
        &'a self,
        _: &'a str,
        command: Vec<String>,
        _: Option<Duration>,
    ) -> BoxFuture<'a, Result<ExecOutput>> {
        let command = command.join(" ");
        self.call(format!("exec {command}"));
        let exit_code = self.state().exec.get(&command).copied().unwrap_or(0);
        ready(Ok(ExecOutput { exit_code, stdout: format!("answer {exit_code}").into_bytes(), ..ExecOutput::default() }))
    }

    fn exec(&self, request: ExecRequest) -> BoxFuture<'_, Result<Session>> {
        let command = request.command.join(" ");
        self.call(format!("exec {command}"));
        let code = self.state().exec.get(&command).copied().unwrap_or(0);
        let (stdin, typed) = tokio::io::duplex(STREAM_BYTES);
        let (said, stdout) = tokio::io::duplex(STREAM_BYTES);
        let exit = tokio::spawn(async move {
            echo(typed, said).await;
            code
        });
        ready(Ok(Session {
            stdin: request.stdin.then(|| Box::pin(stdin) as _),
            stdout: request.stdout.then(|| Box::pin(stdout) as _),
            stderr: None,
            resize: None,
            exit: async move { exit.await.map_err(|error| Error::internal("the fake process", error)) }.boxed(),
        }))
    }

    fn attach(&self, _: AttachRequest) -> BoxFuture<'_, Result<Session>> {
        unsupported("attach")
    }

    fn port_forward<'a>(&'a self, _: &'a str, port: u16) -> BoxFuture<'a, Result<BoxDuplex>> {
        if port == CLOSED_PORT {
            return ready(Err(Error::Unavailable("connection refused".to_owned())));
        }
        let (ours, theirs) = tokio::io::duplex(STREAM_BYTES);
        let (typed, said) = tokio::io::split(theirs);
        tokio::spawn(echo(typed, said));
        ready(Ok(Box::pin(ours) as BoxDuplex))
    }

    fn container_stats<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<v1::ContainerStats>> {
        unsupported("stats")
    }

    fn list_container_stats(&self, _: v1::ContainerStatsFilter) -> BoxFuture<'_, Result<Vec<v1::ContainerStats>>> {
        ready(Ok(Vec::new()))
    }

    fn container_events(&self) -> BoxStream<'static, Result<v1::ContainerEventResponse>> {
        let events = self.events.subscribe();
        futures::stream::unfold(events, |mut events| async move {
            match events.recv().await {
                Ok(event) => Some((Ok(event), events)),
                Err(broadcast::error::RecvError::Lagged(lost)) => {
                    Some((Err(Error::Unavailable(format!("{lost} events were lost"))), events))
                }
                Err(broadcast::error::RecvError::Closed) => None,
            }
        })
        .boxed()
    }
}

impl Images for FakeRuntime {
    fn pull_image(&self, image: v1::ImageSpec, _: Option<v1::AuthConfig>) -> BoxFuture<'_, Result<String>> {
        self.call(format!("pull {}", image.image));
        let found = self.state().images.get(&image.image).map(|found| found.id.clone());
        let reason = crate::runtime::error::ImageReason::ErrImagePull;
        ready(found.ok_or_else(|| Error::Image { reason, message: format!("{}: not found", image.image) }))
    }

    fn image_status(&self, image: v1::ImageSpec) -> BoxFuture<'_, Result<Option<v1::Image>>> {
        ready(Ok(self.state().images.get(&image.image).cloned()))
    }

    fn list_images(&self, _: Option<v1::ImageSpec>) -> BoxFuture<'_, Result<Vec<v1::Image>>> {
        ready(Ok(self.state().images.values().cloned().collect()))
    }

    fn remove_image(&self, image: v1::ImageSpec) -> BoxFuture<'_, Result<()>> {
        self.state().images.remove(&image.image);
        ready(Ok(()))
    }

    fn image_fs_info(&self) -> BoxFuture<'_, Result<v1::ImageFsInfoResponse>> {
        ready(Ok(v1::ImageFsInfoResponse::default()))
    }
}
