//! The contract kept by this program itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use crate::runtime::contract::{AttachRequest, ExecOutput, ExecRequest, Runtime, SandboxRequest};
use crate::runtime::embedded::cgroup::Cgroup;
use crate::runtime::embedded::guarded::blocking;
use crate::runtime::embedded::held::{Container, State};
use crate::runtime::embedded::options::Options;
use crate::runtime::embedded::store::Store;
use crate::runtime::embedded::{
    container, convert, events, exec, limits, namespaces, record, restore, sandbox, shims, stats,
};
use crate::runtime::error::{Error, Result};
use crate::runtime::images::Layers;
use crate::runtime::streams::{BoxDuplex, Session};
use crate::runtime::v1;
use crate::shim::protocol::Message;

/// The name in a version and before a container's id.
pub const NAME: &str = "masthead";

/// The embedded runtime. Clones share it; dropping it stops no container.
#[derive(Clone)]
pub struct Embedded {
    store: Arc<Store>,
}

impl Embedded {
    /// Opens the state directory and finds what an earlier agent has left running.
    pub async fn open(options: Options, layers: Arc<dyn Layers>) -> Result<Self> {
        let open = |error: std::io::Error| Error::internal("open the state directory", error);
        std::fs::create_dir_all(&options.state_dir).map_err(open)?;
        let state_dir = std::fs::canonicalize(&options.state_dir).map_err(open)?;
        let options = Options { state_dir, ..options };
        let store = Arc::new(Store::new(options, layers));
        restore::restore(&store).await?;
        Ok(Self { store })
    }

    /// The ports a sandbox was asked for with.
    ///
    /// # Errors
    /// There is no such sandbox.
    pub fn port_mappings(&self, sandbox_id: &str) -> Result<Vec<v1::PortMapping>> {
        let sandbox = self.store.sandbox(sandbox_id)?;
        let mappings = sandbox.record().config.port_mappings.clone();
        Ok(mappings)
    }

    /// Removes everything that runtimes with this state directory have made; needs none running.
    pub fn destroy_all(options: &Options) -> std::io::Result<()> {
        match std::fs::canonicalize(&options.state_dir) {
            Ok(state_dir) => restore::destroy_all(&Options { state_dir, ..options.clone() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Runtime for Embedded {
    fn version(&self) -> BoxFuture<'_, Result<v1::VersionResponse>> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let response = v1::VersionResponse {
            version: "0.1.0".to_owned(),
            runtime_name: NAME.to_owned(),
            runtime_version: version,
            runtime_api_version: "v1".to_owned(),
        };
        async { Ok(response) }.boxed()
    }

    fn status(&self) -> BoxFuture<'_, Result<v1::StatusResponse>> {
        let condition =
            |name: &str| v1::RuntimeCondition { r#type: name.to_owned(), status: true, ..Default::default() };
        let conditions = vec![condition("RuntimeReady"), condition("NetworkReady")];
        let response = v1::StatusResponse {
            status: Some(v1::RuntimeStatus { conditions }),
            runtime_handlers: vec![v1::RuntimeHandler {
                name: String::new(),
                features: Some(v1::RuntimeHandlerFeatures { recursive_read_only_mounts: true, user_namespaces: false }),
            }],
            features: Some(v1::RuntimeFeatures { supplemental_groups_policy: true, ..Default::default() }),
            ..Default::default()
        };
        async { Ok(response) }.boxed()
    }

    fn run_pod_sandbox(&self, request: SandboxRequest) -> BoxFuture<'_, Result<String>> {
        sandbox::run(&self.store, request).boxed()
    }

    fn stop_pod_sandbox<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        sandbox::stop(&self.store, id).boxed()
    }

    fn remove_pod_sandbox<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        sandbox::remove(&self.store, id).boxed()
    }

    fn pod_sandbox_status<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<v1::PodSandboxStatus>> {
        async {
            let sandbox = self.store.sandbox(id)?;
            let record = sandbox.record();
            Ok(convert::sandbox_status(&record, &self.store.host.boot_id))
        }
        .boxed()
    }

    fn list_pod_sandboxes(&self, filter: v1::PodSandboxFilter) -> BoxFuture<'_, Result<Vec<v1::PodSandbox>>> {
        let boot_id = &self.store.host.boot_id;
        let all = self.store.sandboxes();
        let listed = all.iter().map(|each| convert::sandbox(&each.record(), boot_id));
        let state = filter.state.as_ref().map(|state| state.state);
        let listed: Vec<_> = listed
            .filter(|each| {
                convert::named(&each.id, &filter.id)
                    && state.is_none_or(|state| state == each.state)
                    && convert::selected(&each.labels, &filter.label_selector)
            })
            .collect();
        async { Ok(listed) }.boxed()
    }

    fn create_container(&self, request: v1::CreateContainerRequest) -> BoxFuture<'_, Result<String>> {
        container::create(&self.store, request).boxed()
    }

    fn start_container<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        container::start(&self.store, id).boxed()
    }

    fn stop_container<'a>(&'a self, id: &'a str, grace: Duration) -> BoxFuture<'a, Result<()>> {
        container::stop(&self.store, id, grace).boxed()
    }

    fn remove_container<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        container::remove(&self.store, id).boxed()
    }

    fn list_containers(&self, filter: v1::ContainerFilter) -> BoxFuture<'_, Result<Vec<v1::Container>>> {
        let all = self.store.containers();
        let listed = all.iter().map(|each| {
            let state = each.state();
            convert::container(&each.record(), &state)
        });
        let state = filter.state.as_ref().map(|state| state.state);
        let listed: Vec<_> = listed
            .filter(|each| {
                convert::named(&each.id, &filter.id)
                    && convert::named(&each.pod_sandbox_id, &filter.pod_sandbox_id)
                    && state.is_none_or(|state| state == each.state)
                    && convert::selected(&each.labels, &filter.label_selector)
            })
            .collect();
        async { Ok(listed) }.boxed()
    }

    fn container_status<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<v1::ContainerStatus>> {
        async {
            let container = self.store.container(id)?;
            Ok(convert::container_status(&container))
        }
        .boxed()
    }

    fn update_container_resources<'a>(
        &'a self,
        id: &'a str,
        resources: v1::LinuxContainerResources,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            let container = self.store.container(id)?;
            let _lock = container.lock.lock().await;
            container.running()?;
            let mut changed = container.record().clone();
            let linux = changed.config.linux.get_or_insert_default();
            limits::merge(linux.resources.get_or_insert_default(), &resources);
            let directory: PathBuf = container.dir.clone();
            let saved = changed.clone();
            blocking("update resources", move || {
                limits::apply(&Cgroup::open(&saved.cgroup), &resources)?;
                record::save(&directory, &saved)
            })
            .await?
            .map_err(|error| Error::InvalidArgument(error.to_string()))?;
            *container.record() = changed;
            Ok(())
        }
        .boxed()
    }

    fn reopen_container_log<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        async {
            let container = self.store.container(id)?;
            container.running()?;
            shims::ask(&container, &Message::ReopenLog).await
        }
        .boxed()
    }

    fn exec_sync<'a>(
        &'a self,
        id: &'a str,
        command: Vec<String>,
        timeout: Option<Duration>,
    ) -> BoxFuture<'a, Result<ExecOutput>> {
        exec::exec_sync(&self.store, id, command, timeout).boxed()
    }

    fn exec(&self, request: ExecRequest) -> BoxFuture<'_, Result<Session>> {
        exec::exec(&self.store, request).boxed()
    }

    fn attach(&self, request: AttachRequest) -> BoxFuture<'_, Result<Session>> {
        exec::attach(&self.store, request).boxed()
    }

    fn port_forward<'a>(&'a self, sandbox_id: &'a str, port: u16) -> BoxFuture<'a, Result<BoxDuplex>> {
        async move {
            let sandbox = self.store.sandbox(sandbox_id)?;
            let (path, stopped) = {
                let record = sandbox.record();
                (PathBuf::from(&record.netns_path), record.stopped)
            };
            if stopped {
                return Err(Error::FailedPrecondition("the sandbox was stopped".to_owned()));
            }
            let network = (!path.as_os_str().is_empty()).then_some(path);
            Ok(Box::pin(namespaces::connect(network, port).await?) as BoxDuplex)
        }
        .boxed()
    }

    fn container_stats<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<v1::ContainerStats>> {
        async {
            let container = self.store.container(id)?;
            container.running()?;
            let record = container.record().clone();
            let store = Arc::clone(&self.store);
            blocking("read statistics", move || stats::of(&record, &store.samples, &store.writable_dir(&record.id)))
                .await
        }
        .boxed()
    }

    fn list_container_stats(&self, filter: v1::ContainerStatsFilter) -> BoxFuture<'_, Result<Vec<v1::ContainerStats>>> {
        let store = Arc::clone(&self.store);
        blocking("read statistics", move || {
            let running = |each: &&Arc<Container>| matches!(each.state(), State::Running { .. });
            let all = store.containers();
            let records = all.iter().filter(running).map(|each| each.record().clone());
            records
                .filter(|record| {
                    convert::named(&record.id, &filter.id)
                        && convert::named(&record.sandbox_id, &filter.pod_sandbox_id)
                        && convert::selected(&record.config.labels, &filter.label_selector)
                })
                .map(|record| stats::of(&record, &store.samples, &store.writable_dir(&record.id)))
                .collect()
        })
        .boxed()
    }

    fn container_events(&self) -> BoxStream<'static, Result<v1::ContainerEventResponse>> {
        events::stream(&self.store)
    }
}
