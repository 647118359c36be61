//! What users ask of a container over the link → its log, a process in it, a connection to its pod.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use masthead_api::core::pod::Pod;
use masthead_api::kind::Resource;
use masthead_wire::manifest::NodeManifest;
use masthead_wire::pb;
use masthead_wire::stream::{AgentIo, Exit, PodRef, StreamKind, StreamRequest};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::sync::watch;

use crate::link::state::Streams;
use crate::logs;
use crate::pods::convert::labels;
use crate::pods::plan;
use crate::runtime::contract::{AttachRequest, ExecRequest, Runtime};
use crate::runtime::error::Error;
use crate::runtime::streams::{Session, TerminalSize};
use crate::runtime::v1;

type Manifest = watch::Receiver<Option<Arc<NodeManifest>>>;

/// Serves streams.
#[derive(Clone)]
pub struct PodStreams {
    runtime: Arc<dyn Runtime>,
    node: String,
    manifest: Arc<Mutex<Option<Manifest>>>,
}

/// Why a stream can't be served, in Kubernetes' words.
#[derive(Debug)]
struct Refused {
    reason: &'static str,
    message: String,
}

impl Refused {
    fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        let reason = match &error {
            Error::NotFound { .. } => "NotFound",
            Error::InvalidArgument(_) | Error::FailedPrecondition(_) | Error::Start(_) => "BadRequest",
            _ => "InternalError",
        };
        Self::new(reason, error.to_string())
    }
}

impl Streams for PodStreams {
    fn open(&self, request: StreamRequest, io: AgentIo) {
        let own = self.clone();
        tokio::spawn(async move {
            let (gone, output) = (io.gone.clone(), io.output.clone());
            let served = async {
                let exit = match own.serve(request, io).await {
                    Ok(code) => Exit::Code(code),
                    Err(refused) => Exit::Failed { reason: refused.reason.to_owned(), message: refused.message },
                };
                // A user who is gone needs no end.
                let _ = output.exit(exit).await;
            };
            tokio::select! {
                () = served => {}
                () = gone.cancelled() => {}
            }
        });
    }
}

impl PodStreams {
    /// Streams of the containers of `node`.
    pub fn new(runtime: Arc<dyn Runtime>, node: String) -> Self {
        Self { runtime, node, manifest: Arc::default() }
    }

    /// Where pods are looked up by name.
    pub fn follow(&self, manifest: Manifest) {
        *self.manifest.lock().unwrap_or_else(PoisonError::into_inner) = Some(manifest);
    }

    async fn serve(&self, request: StreamRequest, io: AgentIo) -> Result<i32, Refused> {
        let uid = self.uid(&request.pod)?;
        match request.kind {
            StreamKind::Logs(wanted) => self.logs(&uid, &request.pod, wanted, io).await,
            StreamKind::Exec(wanted) => {
                let container = self.container(&uid, &request.pod, &wanted.container, false).await?;
                let session = self.runtime.exec(exec_request(container.id, wanted)).await?;
                pump(session, io).await
            }
            StreamKind::Attach(wanted) => {
                let container = self.container(&uid, &request.pod, &wanted.container, false).await?;
                let request = AttachRequest {
                    container_id: container.id,
                    stdin: wanted.stdin,
                    stdout: wanted.stdout,
                    stderr: wanted.stderr && !wanted.tty,
                };
                pump(self.runtime.attach(request).await?, io).await
            }
            StreamKind::PortForward { port } => self.forward(&uid, port, io).await,
        }
    }

    fn uid(&self, pod: &PodRef) -> Result<String, Refused> {
        if !pod.uid.is_empty() {
            return Ok(pod.uid.clone());
        }
        let held = self.manifest.lock().unwrap_or_else(PoisonError::into_inner);
        let held = held.as_ref().and_then(|manifest| manifest.borrow().clone());
        let found = held.and_then(|m| crate::pods::run::by_name(&m.content.pods, &pod.namespace, &pod.name));
        let missing = || Refused::new("NotFound", format!("pod {}/{} is not on this node", pod.namespace, pod.name));
        found.map(|uid| uid.to_string()).ok_or_else(missing)
    }

    fn labels(&self, uid: &str) -> HashMap<String, String> {
        HashMap::from([(labels::POD_UID.to_owned(), uid.to_owned()), (labels::NODE.to_owned(), self.node.clone())])
    }

    /// A container by its name, or the only one; the newest, or the one before it.
    async fn container(&self, uid: &str, pod: &PodRef, name: &str, previous: bool) -> Result<v1::Container, Refused> {
        let mut label_selector = self.labels(uid);
        if !name.is_empty() {
            label_selector.insert(labels::CONTAINER_NAME.to_owned(), name.to_owned());
        }
        let filter = v1::ContainerFilter { label_selector, ..v1::ContainerFilter::default() };
        let mut found = self.runtime.list_containers(filter).await?;
        let attempt = |c: &v1::Container| {
            let told = c.annotations.get(labels::RESTART_COUNT).and_then(|count| count.parse::<u32>().ok());
            (told.or(c.metadata.as_ref().map(|m| m.attempt)).unwrap_or(0), c.created_at)
        };
        found.sort_by_key(|c| std::cmp::Reverse(attempt(c)));
        let first = found.first().and_then(|c| c.metadata.as_ref()).map(|m| m.name.clone());
        let several = found.iter().any(|c| c.metadata.as_ref().map(|m| &m.name) != first.as_ref());
        if several {
            return Err(Refused::new("BadRequest", format!("a container name must be specified for pod {}", pod.name)));
        }
        // One that has ended and is begun again is the previous one by its status, though no other came yet.
        let index = usize::from(previous && !self.is_between(uid, found.first()).await);
        let shown = if name.is_empty() { first.unwrap_or_default() } else { name.to_owned() };
        let missing = || {
            let what = if previous {
                format!("previous terminated container {shown:?}")
            } else {
                format!("container {shown:?}")
            };
            Refused::new("BadRequest", format!("{what} in pod {:?} not found", pod.name))
        };
        (index < found.len()).then(|| found.swap_remove(index)).ok_or_else(missing)
    }

    /// Whether a container has ended and waits for its next start.
    async fn is_between(&self, uid: &str, newest: Option<&v1::Container>) -> bool {
        let Some(newest) = newest.filter(|c| c.state() == v1::ContainerState::ContainerExited) else { return false };
        let manifest =
            self.manifest.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|m| m.borrow().clone());
        let pods = manifest.flatten();
        let entry = pods.as_ref().and_then(|manifest| manifest.content.pods.get(uid));
        let Some(pod) = entry.and_then(|entry| Pod::from_json(&entry.bytes).ok()) else { return false };
        let Ok(status) = self.runtime.container_status(&newest.id).await else { return false };
        let name = newest.metadata.as_ref().map(|m| m.name.as_str()).unwrap_or_default();
        plan::is_begun_again(&pod, name, status.exit_code)
    }

    async fn logs(&self, uid: &str, pod: &PodRef, wanted: pb::Logs, io: AgentIo) -> Result<i32, Refused> {
        let container = self.container(uid, pod, &wanted.container, wanted.previous).await?;
        let status = self.runtime.container_status(&container.id).await?;
        if status.log_path.is_empty() {
            return Err(Refused::new("BadRequest", "the container has no log"));
        }
        let options = logs::read::Options::of(&wanted, masthead_api::meta::time::MicroTime(now_micros()))
            .map_err(|why| Refused::new("BadRequest", why))?;
        let (runtime, id) = (self.runtime.clone(), container.id.clone());
        let is_over = move || {
            let (runtime, id) = (runtime.clone(), id.clone());
            async move {
                // A container that is gone or has ended writes no more.
                let status = runtime.container_status(&id).await;
                !matches!(
                    status.map(|s| s.state()),
                    Ok(v1::ContainerState::ContainerRunning | v1::ContainerState::ContainerCreated)
                )
            }
        };
        let read = logs::read::stream(status.log_path.as_ref(), options, &io.output, is_over).await;
        read.map(|()| 0).map_err(|error| Refused::new("InternalError", format!("reading the log: {error}")))
    }

    async fn forward(&self, uid: &str, port: u16, io: AgentIo) -> Result<i32, Refused> {
        let ready = v1::PodSandboxStateValue { state: v1::PodSandboxState::SandboxReady.into() };
        let filter = v1::PodSandboxFilter {
            label_selector: self.labels(uid),
            state: Some(ready),
            ..v1::PodSandboxFilter::default()
        };
        let sandbox = self.runtime.list_pod_sandboxes(filter).await?.into_iter().next();
        let sandbox = sandbox.ok_or_else(|| Refused::new("BadRequest", "the pod does not run"))?;
        let connection = self.runtime.port_forward(&sandbox.id, port).await?;
        let (mut from, mut to) = tokio::io::split(connection);
        let AgentIo { mut stdin, output, .. } = io;
        let mut writer = output.stdout_writer();
        let up = async {
            let _ = copy(&mut stdin, &mut to).await;
            let _ = to.shutdown().await;
            // The pod's end decides: a user who has said everything still listens.
            std::future::pending::<()>().await;
        };
        let done = tokio::select! {
            done = copy(&mut from, &mut writer) => done,
            () = up => Ok(0),
        };
        done.map(|_| 0).map_err(|error| Refused::new("InternalError", error.to_string()))
    }
}

fn now_micros() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX)
}

fn exec_request(container_id: String, wanted: pb::Exec) -> ExecRequest {
    ExecRequest {
        container_id,
        command: wanted.command,
        tty: wanted.tty,
        stdin: wanted.stdin,
        stdout: wanted.stdout,
        stderr: wanted.stderr && !wanted.tty,
    }
}

/// Carries bytes between a process and a user until the process ends.
async fn pump(session: Session, io: AgentIo) -> Result<i32, Refused> {
    let Session { stdin, stdout, stderr, resize, exit } = session;
    let AgentIo { stdin: mut typed, resize: mut sizes, output, .. } = io;
    let input = tokio::spawn(async move {
        if let Some(mut stdin) = stdin {
            // A process that reads no more ends this by an error.
            let _ = copy(&mut typed, &mut stdin).await;
            let _ = stdin.shutdown().await;
        }
    });
    let sizing = tokio::spawn(async move {
        let Some(resize) = resize else { return };
        loop {
            let size = *sizes.borrow_and_update();
            if let Some(size) = size {
                let size = TerminalSize { columns: size.width, rows: size.height };
                if resize.send(size).await.is_err() {
                    return;
                }
            }
            if sizes.changed().await.is_err() {
                return;
            }
        }
    });
    let (out, err) = (output.clone(), output);
    let copying = async {
        let stdout = async {
            if let Some(mut stdout) = stdout {
                let mut buffer = vec![0; 32 << 10];
                while let Ok(count @ 1..) = stdout.read(&mut buffer).await {
                    if out.stdout(bytes::Bytes::copy_from_slice(&buffer[..count])).await.is_err() {
                        return;
                    }
                }
            }
        };
        let stderr = async {
            if let Some(mut stderr) = stderr {
                let mut buffer = vec![0; 32 << 10];
                while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
                    if err.stderr(bytes::Bytes::copy_from_slice(&buffer[..count])).await.is_err() {
                        return;
                    }
                }
            }
        };
        tokio::join!(stdout, stderr);
    };
    let (code, ()) = tokio::join!(exit, copying);
    input.abort();
    sizing.abort();
    Ok(code?)
}
