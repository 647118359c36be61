//! What every runtime must do, written against the contract.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use masthead_agent::runtime::contract::{AttachRequest, ExecRequest, Runtime, SandboxRequest};
use masthead_agent::runtime::error::{Error, ImageReason};
use masthead_agent::runtime::images::Images;
use masthead_agent::runtime::streams::TerminalSize;
use masthead_agent::runtime::v1;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A runtime under test.
pub struct Subject {
    pub runtime: Arc<dyn Runtime>,
    pub images: Arc<dyn Images>,
    /// A busybox image that is there.
    pub image: String,
    /// Where container logs go.
    pub logs: PathBuf,
    /// A cgroup for the tests' pods, which whoever made the runtime removes.
    pub cgroup_parent: String,
    /// Whether the end of stdin reaches the process.
    pub tells_end_of_stdin: bool,
}

const PATIENCE: Duration = Duration::from_secs(120);

/// Runs all of it, one after the other, and leaves nothing.
pub async fn run(subject: &Subject) {
    step("version and status", version_and_status(subject)).await;
    step("images", images(subject)).await;
    let pod = Pod::new(subject, "suite").await;
    step("sandbox", sandbox_is_made_once(&pod)).await;
    step("output", output_and_exit_code(&pod)).await;
    step("exec sync", exec_sync(&pod)).await;
    step("exec", exec_streams(&pod)).await;
    step("terminal", exec_terminal(&pod)).await;
    step("attach", attach(&pod)).await;
    step("port-forward", port_forward(&pod)).await;
    step("stop", stop_kills_after_the_grace(&pod)).await;
    step("log rotation", log_rotation(&pod)).await;
    step("stats", stats_and_limits(&pod)).await;
    step("bad program", bad_program(&pod)).await;
    step("events", events(&pod)).await;
    step("missing things", missing_things(subject)).await;
    pod.remove().await;
}

/// A step that hangs is one that failed.
async fn step(name: &str, work: impl Future<Output = ()>) {
    let begun = Instant::now();
    tokio::time::timeout(PATIENCE * 2, work).await.unwrap_or_else(|_| panic!("{name} hangs"));
    println!("{name}: {} ms", begun.elapsed().as_millis());
}

/// A sandbox with host networking.
struct Pod<'a> {
    subject: &'a Subject,
    id: String,
    config: v1::PodSandboxConfig,
}

impl<'a> Pod<'a> {
    async fn new(subject: &'a Subject, name: &str) -> Self {
        let logs = subject.logs.join(name);
        std::fs::create_dir_all(&logs).unwrap();
        let options = v1::NamespaceOption { network: v1::NamespaceMode::Node as i32, ..Default::default() };
        let security = v1::LinuxSandboxSecurityContext { namespace_options: Some(options), ..Default::default() };
        let config = v1::PodSandboxConfig {
            metadata: Some(v1::PodSandboxMetadata {
                name: name.into(),
                uid: format!("uid-{name}"),
                namespace: "default".into(),
                attempt: 0,
            }),
            log_directory: logs.display().to_string(),
            labels: [("app".to_owned(), name.to_owned())].into(),
            linux: Some(v1::LinuxPodSandboxConfig {
                security_context: Some(security),
                cgroup_parent: subject.cgroup_parent.clone(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let request = SandboxRequest { config: config.clone(), ..Default::default() };
        let id = subject.runtime.run_pod_sandbox(request).await.unwrap();
        Self { subject, id, config }
    }

    fn runtime(&self) -> &dyn Runtime {
        self.subject.runtime.as_ref()
    }

    fn request(&self, name: &str, command: &[&str]) -> v1::CreateContainerRequest {
        let config = v1::ContainerConfig {
            metadata: Some(v1::ContainerMetadata { name: name.into(), attempt: 0 }),
            image: Some(v1::ImageSpec { image: self.subject.image.clone(), ..Default::default() }),
            command: command.iter().map(|s| (*s).to_owned()).collect(),
            log_path: format!("{name}.log"),
            labels: [("name".to_owned(), name.to_owned())].into(),
            linux: Some(v1::LinuxContainerConfig {
                security_context: Some(v1::LinuxContainerSecurityContext {
                    namespace_options: Some(v1::NamespaceOption {
                        network: v1::NamespaceMode::Node as i32,
                        pid: v1::NamespaceMode::Container as i32,
                        ..Default::default()
                    }),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        };
        v1::CreateContainerRequest {
            pod_sandbox_id: self.id.clone(),
            config: Some(config),
            sandbox_config: Some(self.config.clone()),
        }
    }

    async fn start(&self, name: &str, command: &[&str]) -> String {
        let id = self.runtime().create_container(self.request(name, command)).await.unwrap();
        self.runtime().start_container(&id).await.unwrap();
        id
    }

    async fn exited(&self, id: &str) -> v1::ContainerStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            let status = self.runtime().container_status(id).await.unwrap();
            if status.state() == v1::ContainerState::ContainerExited {
                return status;
            }
            assert!(Instant::now() < until, "{id} does not end: {status:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stream and text of each line of a log in CRI's format.
    async fn log(&self, name: &str, lines: usize) -> Vec<(String, String)> {
        let path = self.subject.logs.join("suite").join(format!("{name}.log"));
        let until = Instant::now() + PATIENCE;
        loop {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let found: Vec<_> = text
                .lines()
                .filter_map(|line| {
                    let mut parts = line.splitn(4, ' ');
                    let (time, stream, tag, text) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
                    assert!(time.contains('T') && tag == "F", "{line}");
                    Some((stream.to_owned(), text.to_owned()))
                })
                .collect();
            if found.len() >= lines {
                return found;
            }
            assert!(Instant::now() < until, "{lines} lines wanted: {text}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn remove(self) {
        self.runtime().stop_pod_sandbox(&self.id).await.unwrap();
        self.runtime().stop_pod_sandbox(&self.id).await.unwrap();
        self.runtime().remove_pod_sandbox(&self.id).await.unwrap();
        self.runtime().remove_pod_sandbox(&self.id).await.unwrap();
        let left = self.runtime().list_containers(v1::ContainerFilter::default()).await.unwrap();
        assert!(left.is_empty(), "{left:?}");
        let left = self.runtime().list_pod_sandboxes(v1::PodSandboxFilter::default()).await.unwrap();
        assert!(left.is_empty(), "{left:?}");
    }
}

async fn version_and_status(subject: &Subject) {
    let version = subject.runtime.version().await.unwrap();
    assert_eq!(version.runtime_api_version, "v1");
    assert!(!version.runtime_name.is_empty());
    let status = subject.runtime.status().await.unwrap();
    let conditions = status.status.unwrap().conditions;
    assert!(conditions.iter().any(|c| c.r#type == "RuntimeReady" && c.status), "{conditions:?}");
}

async fn images(subject: &Subject) {
    let spec = |image: &str| v1::ImageSpec { image: image.to_owned(), ..Default::default() };
    let image = subject.images.image_status(spec(&subject.image)).await.unwrap().unwrap();
    assert!(image.repo_tags.contains(&subject.image), "{image:?}");
    let by_id = subject.images.image_status(spec(&image.id)).await.unwrap().unwrap();
    assert_eq!(by_id.id, image.id);
    assert!(subject.images.image_status(spec("docker.io/library/absent:1")).await.unwrap().is_none());
    assert!(subject.images.list_images(None).await.unwrap().iter().any(|i| i.id == image.id));
    let error = subject.images.pull_image(spec("127.0.0.1:1/app:1"), None).await.expect_err("pulled");
    let Error::Image { reason, message } = error else { panic!("{error:?}") };
    assert!(matches!(reason, ImageReason::ErrImagePull | ImageReason::RegistryUnavailable), "{reason:?}");
    assert!(message.contains("127.0.0.1:1"), "{message}");
    subject.images.image_fs_info().await.unwrap();
}

async fn sandbox_is_made_once(pod: &Pod<'_>) {
    let request = SandboxRequest { config: pod.config.clone(), ..Default::default() };
    assert_eq!(pod.runtime().run_pod_sandbox(request).await.unwrap(), pod.id);
    let status = pod.runtime().pod_sandbox_status(&pod.id).await.unwrap();
    assert_eq!(status.state(), v1::PodSandboxState::SandboxReady);
    assert_eq!(status.metadata, pod.config.metadata);
    for (label, expect) in [("suite", 1), ("other", 0)] {
        let filter = v1::PodSandboxFilter {
            label_selector: [("app".to_owned(), label.to_owned())].into(),
            ..Default::default()
        };
        assert_eq!(pod.runtime().list_pod_sandboxes(filter).await.unwrap().len(), expect, "{label}");
    }
}

async fn output_and_exit_code(pod: &Pod<'_>) {
    let request = pod.request("exits", &["sh", "-c", "echo out; echo err >&2; exit 7"]);
    let id = pod.runtime().create_container(request.clone()).await.unwrap();
    assert_eq!(pod.runtime().create_container(request).await.unwrap(), id, "made once");
    let status = pod.runtime().container_status(&id).await.unwrap();
    assert_eq!(status.state(), v1::ContainerState::ContainerCreated);
    pod.runtime().start_container(&id).await.unwrap();
    let status = pod.exited(&id).await;
    assert_eq!((status.exit_code, status.reason.as_str()), (7, "Error"));
    // containerd stamps the start after it has happened, so a short life may end "before" it began.
    assert!(status.created_at > 0 && status.started_at >= status.created_at && status.finished_at >= status.created_at);
    let mut log = pod.log("exits", 2).await;
    log.sort();
    assert_eq!(log, [("stderr".into(), "err".into()), ("stdout".into(), "out".into())]);
    let filter = v1::ContainerFilter { id: id.clone(), ..Default::default() };
    assert_eq!(pod.runtime().list_containers(filter.clone()).await.unwrap().len(), 1);
    let error = pod.runtime().exec_sync(&id, vec!["true".into()], None).await.expect_err("exec in an exited container");
    assert!(matches!(error, Error::FailedPrecondition(_)), "{error:?}");
    pod.runtime().remove_container(&id).await.unwrap();
    assert!(pod.runtime().list_containers(filter).await.unwrap().is_empty());
}

async fn exec_sync(pod: &Pod<'_>) {
    let id = pod.start("syncs", &["sleep", "1000"]).await;
    let command = |text: &str| vec!["sh".to_owned(), "-c".to_owned(), text.to_owned()];
    let output = pod.runtime().exec_sync(&id, command("echo out; echo err >&2; exit 3"), None).await.unwrap();
    assert_eq!(
        (output.stdout.as_slice(), output.stderr.as_slice(), output.exit_code),
        (&b"out\n"[..], &b"err\n"[..], 3)
    );
    let error =
        pod.runtime().exec_sync(&id, command("sleep 3000"), Some(Duration::from_secs(1))).await.expect_err("in time");
    assert!(matches!(error, Error::DeadlineExceeded(_)), "{error:?}");
    pod.runtime().remove_container(&id).await.unwrap();
}

fn exec_request(id: &str, command: &[&str]) -> ExecRequest {
    ExecRequest {
        container_id: id.to_owned(),
        command: command.iter().map(|s| (*s).to_owned()).collect(),
        stdout: true,
        ..Default::default()
    }
}

async fn exec_streams(pod: &Pod<'_>) {
    let id = pod.start("streams", &["sleep", "1000"]).await;
    let request = ExecRequest {
        stdin: true,
        stderr: true,
        ..exec_request(&id, &["sh", "-c", "head -n 1; echo err >&2; exit 5"])
    };
    let mut session = pod.runtime().exec(request).await.unwrap();
    assert!(session.resize.is_none());
    session.stdin.as_mut().unwrap().write_all(b"typed\n").await.unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    session.stdout.take().unwrap().read_to_string(&mut out).await.unwrap();
    session.stderr.take().unwrap().read_to_string(&mut err).await.unwrap();
    assert_eq!((out.as_str(), err.as_str()), ("typed\n", "err\n"));
    assert_eq!(session.exit.await.unwrap(), 5);
    // More than any buffer on the way holds, and not one byte less.
    let request = exec_request(
        &id,
        &[
            "sh",
            "-c",
            "i=0; while [ $i -lt 20000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done",
        ],
    );
    let mut session = pod.runtime().exec(request).await.unwrap();
    let mut out = Vec::new();
    session.stdout.take().unwrap().read_to_end(&mut out).await.unwrap();
    assert_eq!(out.len(), 20000 * 41);
    assert_eq!(session.exit.await.unwrap(), 0);
    if pod.subject.tells_end_of_stdin {
        let request = ExecRequest { stdin: true, ..exec_request(&id, &["cat"]) };
        let mut session = pod.runtime().exec(request).await.unwrap();
        let mut stdin = session.stdin.take().unwrap();
        stdin.write_all(b"until the end").await.unwrap();
        stdin.shutdown().await.unwrap();
        drop(stdin);
        let mut out = String::new();
        session.stdout.take().unwrap().read_to_string(&mut out).await.unwrap();
        assert_eq!(out, "until the end");
        assert_eq!(session.exit.await.unwrap(), 0);
    }
    pod.runtime().remove_container(&id).await.unwrap();
}

async fn exec_terminal(pod: &Pod<'_>) {
    let id = pod.start("terminal", &["sleep", "1000"]).await;
    let request = ExecRequest { stdin: true, tty: true, ..exec_request(&id, &["sh"]) };
    let mut session = pod.runtime().exec(request).await.unwrap();
    assert!(session.stderr.is_none());
    session.resize.as_ref().unwrap().send(TerminalSize { columns: 91, rows: 37 }).await.unwrap();
    let mut stdin = session.stdin.take().unwrap();
    let mut stdout = session.stdout.take().unwrap();
    // The size travels beside the text, so the question is put until it has arrived.
    stdin
        .write_all(b"while [ \"$(stty size)\" != \"37 91\" ]; do sleep 0.05; done; echo size-$((1+1)); exit 4\n")
        .await
        .unwrap();
    let mut seen = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stdout.read_to_end(&mut seen)).await;
    let text = String::from_utf8_lossy(&seen).into_owned();
    assert!(read.is_ok() && text.contains("size-2"), "{text}");
    assert_eq!(session.exit.await.unwrap(), 4);
    pod.runtime().remove_container(&id).await.unwrap();
}

async fn attach(pod: &Pod<'_>) {
    let mut request = pod.request("attached", &["sh", "-c", "while read line; do echo got-$line; done; exit 6"]);
    if let Some(config) = &mut request.config {
        config.stdin = true;
    }
    let id = pod.runtime().create_container(request).await.unwrap();
    pod.runtime().start_container(&id).await.unwrap();
    let request = AttachRequest { container_id: id.clone(), stdin: true, stdout: true, ..Default::default() };
    let mut session = pod.runtime().attach(request).await.unwrap();
    session.stdin.as_mut().unwrap().write_all(b"one\n").await.unwrap();
    let mut seen = [0; 8];
    let read = tokio::time::timeout(PATIENCE, session.stdout.as_mut().unwrap().read_exact(&mut seen)).await;
    read.unwrap().unwrap();
    assert_eq!(&seen, b"got-one\n");
    drop(session);
    let status = pod.runtime().container_status(&id).await.unwrap();
    assert_eq!(status.state(), v1::ContainerState::ContainerRunning, "hanging up does not end it");
    pod.runtime().remove_container(&id).await.unwrap();
}

async fn port_forward(pod: &Pod<'_>) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let id = pod.start("serves", &["nc", "-ll", "-p", &free.to_string(), "-e", "cat"]).await;
    let until = Instant::now() + PATIENCE;
    let mut failed = String::new();
    let answer = loop {
        if let Ok(mut stream) = pod.runtime().port_forward(&pod.id, free).await {
            let mut seen = [0; 5];
            let talk = async {
                stream.write_all(b"hello").await?;
                stream.flush().await?;
                stream.read_exact(&mut seen).await
            };
            match tokio::time::timeout(PATIENCE / 4, talk).await {
                Ok(Ok(_)) => break seen,
                other => failed = format!("{other:?}"),
            }
        }
        assert!(Instant::now() < until, "the port does not answer: {failed}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(&answer, b"hello");
    pod.runtime().remove_container(&id).await.unwrap();
}

async fn stop_kills_after_the_grace(pod: &Pod<'_>) {
    let deaf = pod.start("deaf", &["sh", "-c", "trap '' TERM; while true; do sleep 1; done"]).await;
    let polite =
        pod.start("polite", &["sh", "-c", "trap 'exit 9' TERM; echo ready; while true; do sleep 0.1; done"]).await;
    pod.log("polite", 1).await;
    pod.runtime().stop_container(&polite, PATIENCE).await.unwrap();
    assert_eq!(pod.exited(&polite).await.exit_code, 9);
    let begun = Instant::now();
    pod.runtime().stop_container(&deaf, Duration::from_secs(1)).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(900));
    assert_eq!(pod.exited(&deaf).await.exit_code, 137);
    for id in [&polite, &deaf] {
        pod.runtime().stop_container(id, Duration::ZERO).await.unwrap();
        pod.runtime().remove_container(id).await.unwrap();
        pod.runtime().remove_container(id).await.unwrap();
        pod.runtime().stop_container(id, Duration::ZERO).await.unwrap();
        assert!(pod.runtime().container_status(id).await.expect_err("a status").is_not_found());
    }
}

async fn log_rotation(pod: &Pod<'_>) {
    let id = pod.start("rotates", &["sh", "-c", "n=0; while true; do n=$((n+1)); echo $n; sleep 0.05; done"]).await;
    pod.log("rotates", 3).await;
    let path = pod.subject.logs.join("suite/rotates.log");
    let old = path.with_extension("old");
    std::fs::rename(&path, &old).unwrap();
    pod.runtime().reopen_container_log(&id).await.unwrap();
    let after: Vec<u32> = pod.log("rotates", 3).await.into_iter().map(|(_, n)| n.parse().unwrap()).collect();
    let before = std::fs::read_to_string(&old).unwrap();
    let last: u32 = before.lines().last().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert_eq!(after[0], last + 1, "no line is lost between the files");
    pod.runtime().stop_container(&id, Duration::ZERO).await.unwrap();
    pod.runtime().remove_container(&id).await.unwrap();
}

async fn stats_and_limits(pod: &Pod<'_>) {
    let mut request = pod.request("limited", &["sleep", "1000"]);
    let resources = v1::LinuxContainerResources { memory_limit_in_bytes: 64 << 20, ..Default::default() };
    if let Some(linux) = request.config.as_mut().and_then(|c| c.linux.as_mut()) {
        linux.resources = Some(resources.clone());
    }
    let id = pod.runtime().create_container(request).await.unwrap();
    pod.runtime().start_container(&id).await.unwrap();
    let until = Instant::now() + PATIENCE;
    loop {
        let stats = pod.runtime().container_stats(&id).await.unwrap();
        assert_eq!(stats.attributes.unwrap().id, id);
        if stats.memory.and_then(|m| m.working_set_bytes).is_some_and(|w| w.value > 0) {
            break;
        }
        assert!(Instant::now() < until, "no memory in the stats");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let all = pod.runtime().list_container_stats(v1::ContainerStatsFilter::default()).await.unwrap();
    assert_eq!(all.len(), 1);
    let more = v1::LinuxContainerResources { memory_limit_in_bytes: 96 << 20, ..resources };
    pod.runtime().update_container_resources(&id, more).await.unwrap();
    pod.runtime().remove_container(&id).await.unwrap();
}

async fn bad_program(pod: &Pod<'_>) {
    let request = pod.request("absent", &["/no/such/program"]);
    let (id, error) = match pod.runtime().create_container(request).await {
        Err(error) => (None, error),
        Ok(id) => {
            let error = pod.runtime().start_container(&id).await.expect_err("started");
            (Some(id), error)
        }
    };
    assert!(matches!(error, Error::Start(_)), "{error:?}");
    assert!(error.to_string().contains("/no/such/program"), "{error}");
    if let Some(id) = id {
        pod.runtime().remove_container(&id).await.unwrap();
    }
}

async fn events(pod: &Pod<'_>) {
    let mut events = pod.runtime().container_events();
    // "From now on" begins when the server has answered; a marker container shows that it has.
    let mut wanted = Vec::new();
    let until = Instant::now() + PATIENCE;
    let mut round = 0;
    let id = loop {
        assert!(Instant::now() < until, "no events");
        let name = format!("event-{round}");
        round += 1;
        let id = pod.start(&name, &["sh", "-c", "sleep 0.2"]).await;
        wanted.clear();
        let heard = tokio::time::timeout(PATIENCE / 4, async {
            while let Some(event) = events.next().await {
                let event = event.unwrap();
                if event.container_id == id {
                    assert_eq!(event.pod_sandbox_status.as_ref().map(|s| &s.id), Some(&pod.id));
                    wanted.push(event.container_event_type());
                    if event.container_event_type() == v1::ContainerEventType::ContainerStoppedEvent {
                        return;
                    }
                }
            }
        });
        let whole = heard.await.is_ok() && wanted.first() == Some(&v1::ContainerEventType::ContainerCreatedEvent);
        if whole {
            break id;
        }
        pod.runtime().remove_container(&id).await.unwrap();
    };
    use v1::ContainerEventType::{ContainerCreatedEvent, ContainerStartedEvent, ContainerStoppedEvent};
    assert_eq!(wanted, [ContainerCreatedEvent, ContainerStartedEvent, ContainerStoppedEvent]);
    pod.runtime().remove_container(&id).await.unwrap();
    let deleted = tokio::time::timeout(PATIENCE, async {
        while let Some(event) = events.next().await {
            let event = event.unwrap();
            if event.container_id == id && event.container_event_type() == v1::ContainerEventType::ContainerDeletedEvent
            {
                return;
            }
        }
    });
    deleted.await.expect("a deleted event");
}

async fn missing_things(subject: &Subject) {
    let runtime = &subject.runtime;
    let none = "0123456789abcdef";
    assert!(runtime.container_status(none).await.expect_err("a status").is_not_found());
    assert!(runtime.pod_sandbox_status(none).await.expect_err("a status").is_not_found());
    assert!(runtime.start_container(none).await.expect_err("started").is_not_found());
    assert!(runtime.exec_sync(none, vec!["true".into()], None).await.expect_err("ran").is_not_found());
    runtime.stop_container(none, Duration::ZERO).await.unwrap();
    runtime.remove_container(none).await.unwrap();
    runtime.stop_pod_sandbox(none).await.unwrap();
    runtime.remove_pod_sandbox(none).await.unwrap();
}
