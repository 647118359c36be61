//! A machine for one test: namespaces of its own, the embedded runtime, an image of busybox, a manifest to write, reports to read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use masthead_agent::images::assemble::Content;
use masthead_agent::images::manifest::Defaults;
use masthead_agent::images::reference::Reference;
use masthead_agent::images::store::{ImageStore, Options as ImageOptions};
use masthead_agent::network::options::Options as NetworkOptions;
use masthead_agent::network::routed::RoutedNetwork;
use masthead_agent::pods::clock::Clock;
use masthead_agent::pods::convert::sandbox::Site;
use masthead_agent::pods::run;
use masthead_agent::pods::site::{Dirs, ImagesInUse, Reporter, Shared};
use masthead_agent::runtime::embedded::options::Options;
use masthead_agent::runtime::embedded::runtime::Embedded;
use masthead_wire::manifest::NodeManifest;
use masthead_wire::object::{Attachment, PodEntry};
use masthead_wire::report::{PodGone, PodStatus};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::runtime::bed::is_able;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// What was reported.
#[derive(Default)]
pub struct Reports {
    statuses: Mutex<BTreeMap<String, Vec<Value>>>,
    gone: Mutex<Vec<String>>,
    events: Mutex<Vec<Value>>,
    news: Notify,
}

impl Reporter for Reports {
    fn status(&self, status: PodStatus) {
        let value = serde_json::from_slice(&status.status).unwrap();
        self.statuses.lock().unwrap().entry(status.name).or_default().push(value);
        self.news.notify_waiters();
    }

    fn gone(&self, gone: PodGone) {
        self.gone.lock().unwrap().push(gone.name);
        self.news.notify_waiters();
    }

    fn event(&self, event: Bytes) {
        self.events.lock().unwrap().push(serde_json::from_slice(&event).unwrap());
        self.news.notify_waiters();
    }
}

/// A running agent without a link.
pub struct Agent {
    pub shared: Arc<Shared>,
    pub reports: Arc<Reports>,
    pub manifest: watch::Sender<Option<Arc<NodeManifest>>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// The machine.
pub struct Bed {
    pub data: PathBuf,
    pub store: ImageStore,
    cgroup_root: String,
}

/// Runs a test on a machine of its own.
pub fn machine<F: Future<Output = ()>>(test: impl FnOnce(Bed) -> F + Send + 'static) {
    if !is_able() {
        return;
    }
    // It goes when the thread and what it had mounted have gone.
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_owned();
    let work = move || {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = ImageStore::open(&data.join("images"), ImageOptions::default()).unwrap();
            busybox(&store);
            let tag = data.file_name().unwrap().to_string_lossy().trim_start_matches('.').to_owned();
            let bed = Bed { data, store, cgroup_root: format!("/masthead-test-pods-{tag}") };
            let _clean = Clean(bed.options());
            test(bed).await;
        });
    };
    if let Err(panic) = std::thread::Builder::new().stack_size(8 << 20).spawn(work).unwrap().join() {
        std::panic::resume_unwind(panic);
    }
}

/// Removes what a test made, also when it fails.
struct Clean(Options);

impl Drop for Clean {
    fn drop(&mut self) {
        let destroyed = Embedded::destroy_all(&self.0);
        let removed = masthead_agent::node::cgroups::remove(&self.0.cgroup_root);
        if !std::thread::panicking() {
            destroyed.and(removed).unwrap();
        }
    }
}

fn busybox(store: &ImageStore) {
    let mut files = vec![(PathBuf::from("/bin/busybox"), Content::File("/bin/busybox".into()))];
    for applet in [
        "sh", "cat", "sleep", "nc", "httpd", "echo", "ls", "touch", "rm", "id", "stat", "hostname", "test", "kill",
        "true", "false", "mount", "env",
    ] {
        files.push((PathBuf::from("/bin").join(applet), Content::Link("busybox".into())));
    }
    for dir in ["/tmp", "/proc", "/dev", "/sys", "/etc", "/root"] {
        files.push((dir.into(), Content::Dir(0o755)));
    }
    let config =
        Defaults { cmd: vec!["sleep".into(), "1000000".into()], env: vec!["PATH=/bin".into()], ..Defaults::default() };
    store.assemble(&Reference::parse("test/busybox:1").unwrap(), &files, config).unwrap();
}

impl Bed {
    fn options(&self) -> Options {
        Options {
            shim_program: PathBuf::from(env!("CARGO_BIN_EXE_masthead-shim")),
            shim_args: Vec::new(),
            cgroup_root: self.cgroup_root.clone(),
            ..Options::new(self.data.join("node/runtime"))
        }
    }

    /// An agent, as it starts after a kill too.
    pub async fn agent(&self) -> Agent {
        let runtime = Embedded::open(self.options(), Arc::new(self.store.clone())).await.unwrap();
        let network = RoutedNetwork::start(NetworkOptions { pool_size: 4, ..NetworkOptions::new(&self.data) }).unwrap();
        network.set_cidrs(vec!["10.42.0.0/24".into()]).await.unwrap();
        let reports = Arc::new(Reports::default());
        let (manifest, receiver) = watch::channel(None);
        let shared = Arc::new(Shared {
            node: "node-1".into(),
            runtime: Arc::new(runtime),
            runtime_name: "masthead".into(),
            images: Arc::new(self.store.clone()),
            image_store: Some(self.store.clone()),
            network: Arc::new(network),
            reporter: reports.clone(),
            clock: Clock::System,
            dirs: Dirs { pods: self.data.join("node/pods"), logs: self.data.join("logs/pods") },
            site: Site {
                node: "node-1".into(),
                cluster_domain: "cluster.local".into(),
                cgroup_root: self.cgroup_root.clone(),
                node_nameservers: vec!["10.0.0.2".into()],
                ..Site::default()
            },
            host_ips: vec![[192, 0, 2, 1].into()],
            cpu_milli: 2000,
            memory_bytes: 1 << 30,
            slots: Semaphore::new(4),
            pulls: Semaphore::new(2),
            in_use: Arc::new(ImagesInUse::default()),
            manifest: receiver.clone(),
        });
        let stop = CancellationToken::new();
        let task = tokio::spawn(run::run(shared.clone(), receiver, stop.clone()));
        Agent { shared, reports, manifest, stop, task }
    }
}

/// A pod as JSON, with defaults that admission would have filled in.
pub fn pod(name: &str, spec: Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "test", "uid": format!("uid-{name}"), "labels": {"app": name}},
        "spec": {"restartPolicy": "Always", "terminationGracePeriodSeconds": 5, "dnsPolicy": "ClusterFirst"},
    });
    for (key, value) in spec.as_object().unwrap() {
        pod["spec"][key] = value.clone();
    }
    for list in ["containers", "initContainers"] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            let defaults = json!({
                "image": "test/busybox:1", "imagePullPolicy": "IfNotPresent",
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            });
            for (key, value) in defaults.as_object().unwrap() {
                let field = &mut container[key];
                if field.is_null() {
                    *field = value.clone();
                }
            }
        }
    }
    pod
}

/// A container that runs a script.
pub fn script(name: &str, text: &str) -> Value {
    json!({"name": name, "command": ["sh", "-c", text]})
}

impl Agent {
    /// An agent that was started elsewhere.
    pub fn new(
        shared: Arc<Shared>,
        reports: Arc<Reports>,
        manifest: watch::Sender<Option<Arc<NodeManifest>>>,
        stop: CancellationToken,
        task: JoinHandle<()>,
    ) -> Self {
        Self { shared, reports, manifest, stop, task }
    }

    /// Says what runs.
    pub fn says(&self, pods: &[Value], attached: &[(&str, Value)]) {
        let mut next = NodeManifest::default();
        next.generation.counter = self.manifest.borrow().as_ref().map_or(1, |m| m.generation.counter + 1);
        for pod in pods {
            next.content.insert_pod(Arc::new(PodEntry::parse(Bytes::from(pod.to_string())).unwrap()));
        }
        for (kind, object) in attached {
            next.content
                .insert_attachment(Arc::new(Attachment::parse(*kind, Bytes::from(object.to_string())).unwrap()));
        }
        self.manifest.send_replace(Some(Arc::new(next)));
    }

    /// Waits for something reported.
    pub async fn until<T>(&self, what: &str, mut seen: impl FnMut(&Reports) -> Option<T>) -> T {
        let wait = async {
            loop {
                let news = self.reports.news.notified();
                if let Some(found) = seen(&self.reports) {
                    return found;
                }
                news.await;
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(found) => found,
            Err(_) => panic!(
                "waited in vain for {what}; statuses {:#?}, events {:#?}",
                self.reports
                    .statuses
                    .lock()
                    .unwrap()
                    .iter()
                    .map(|(n, s)| (n.clone(), s.last().cloned()))
                    .collect::<Vec<_>>(),
                self.reports
                    .events
                    .lock()
                    .unwrap()
                    .iter()
                    .map(|e| format!("{} {}", e["reason"], e["message"]))
                    .collect::<Vec<_>>()
            ),
        }
    }

    /// Waits until a pod's last status is like this.
    pub async fn status(&self, pod: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        self.until(&format!("{pod}: {what}"), |r| {
            r.statuses.lock().unwrap().get(pod)?.last().filter(|s| is(s)).cloned()
        })
        .await
    }

    /// Waits until a pod is ready.
    pub async fn ready(&self, pod: &str) -> Value {
        self.status(pod, "ready", |s| condition(s, "Ready") == "True").await
    }

    pub async fn gone(&self, pod: &str) {
        self.until(&format!("{pod} gone"), |r| r.gone.lock().unwrap().iter().any(|n| n == pod).then_some(())).await;
    }

    /// Waits until a look at the world gives something.
    pub async fn look<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let wait = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("looked in vain for {what}"))
    }

    /// Every status a pod had.
    pub fn history(&self, pod: &str) -> Vec<Value> {
        self.reports.statuses.lock().unwrap().get(pod).cloned().unwrap_or_default()
    }

    /// `Reason message` of each event.
    pub fn events(&self) -> Vec<String> {
        let events = self.reports.events.lock().unwrap();
        events.iter().map(|e| format!("{} {}", e["reason"].as_str().unwrap(), e["message"].as_str().unwrap())).collect()
    }

    pub async fn event(&self, text: &str) {
        self.until(&format!("event {text}"), |_| self.events().iter().any(|e| e.contains(text)).then_some(())).await;
    }

    /// As a kill does: nothing is told to anybody.
    pub async fn killed(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    pub fn log(&self, pod: &str, container: &str, attempt: u32) -> String {
        let dir = self.shared.dirs.logs_of("test", pod, &format!("uid-{pod}"));
        let text = std::fs::read_to_string(dir.join(container).join(format!("{attempt}.log"))).unwrap_or_default();
        text.lines().filter_map(|line| line.splitn(4, ' ').nth(3)).map(|line| format!("{line}\n")).collect()
    }
}

/// A condition's status.
pub fn condition<'s>(status: &'s Value, kind: &str) -> &'s str {
    let list = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().find(|c| c["type"] == kind).and_then(|c| c["status"].as_str()).unwrap_or("")
}
