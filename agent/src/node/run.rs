//! Options → a running node: images, runtime, network, link and pods, put together in this order.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use masthead_wire::report::{NodeFacts, Problem};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::dns::{run as dns, site};
use crate::images::store::{ImageStore, Options as ImageOptions};
use crate::ingress::{opening, options as ingress, run as ingress_run};
use crate::link::handle::{self as link, Handle};
use crate::link::state::{LinkState, Options as LinkOptions};
use crate::network::contract::PodNetwork;
use crate::network::datapath::handle::Datapath;
use crate::network::datapath::state::Options as DatapathOptions;
use crate::network::local_address::ensure_local_address;
use crate::network::options::Options as NetworkOptions;
use crate::network::routed::RoutedNetwork;
use crate::node::images::ImagesHandle;
use crate::node::options::{Options, RuntimeChoice};
use crate::node::paths::Paths;
use crate::node::{addresses, facts, host_only::HostOnly, lock, mounts, resolver, setup};
use crate::pods::clock::Clock;
use crate::pods::convert::names::Learned;
use crate::pods::convert::sandbox::Site;
use crate::pods::site::{Dirs, ImagesInUse, Shared};
use crate::pods::streams::PodStreams;
use crate::pods::{housekeeping, run as pods};
use crate::runtime::contract::Runtime;
use crate::runtime::cri::client::CriRuntime;
use crate::runtime::embedded::options::Options as EmbeddedOptions;
use crate::runtime::embedded::runtime::Embedded;
use crate::runtime::images::Images;

/// Pulls at a time (the kubelet's `maxParallelImagePulls` has no bound; containerd's own is 3 layers).
const PULLS: usize = 4;

/// A running node.
pub struct Node {
    link: Handle,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    images: Option<ImagesHandle>,
    _lock: lock::Lock,
}

/// What runs containers and keeps images.
struct Engine {
    runtime: Arc<dyn Runtime>,
    name: String,
    version: String,
    images: Arc<dyn Images>,
    store: Option<ImageStore>,
    network: Arc<dyn PodNetwork>,
    /// The network of our own, which has to be told its ranges.
    routed: Option<RoutedNetwork>,
}

/// Starts the node. Comes back when it is connected, or when it runs from an earlier manifest.
///
/// # Errors
/// Something of the machine is missing, another node uses the directory, or the control plane turns the node away.
pub async fn start(options: Options) -> Result<Node> {
    let paths = Paths::new(&options.data);
    let lock = lock::take(&paths)?;
    let in_use = Arc::new(ImagesInUse::default());
    let engine = engine(&options, &paths, &in_use).await?;
    let capacity = facts::capacity(&options.data);
    let addresses = facts::addresses();
    let node_facts = facts::facts(&options, capacity, &addresses, &engine.version);
    let runtime_version = engine.version.clone();
    let resolver = resolver::observe();
    let pod_site = Site {
        node: options.name.clone(),
        log_directory: String::new(),
        node_nameservers: resolver.nameservers,
        node_searches: resolver.searches,
        node_options: resolver.options,
        learned: Learned::default(),
        cluster_domain: options.cluster_domain.clone(),
        cgroup_root: paths.cgroup_root(),
    };
    let streams = Arc::new(PodStreams::new(engine.runtime.clone(), options.name.clone()));
    let (link, link_task) = connect(&options, &paths, node_facts, streams)?;
    let stop = CancellationToken::new();
    let store = engine.store.clone();
    let is_served = engine.routed.is_some();
    datapath(&options, &paths, engine.routed.is_some(), &link, &stop).await;
    let names = is_served.then(|| names(&options, &paths, &link, stop.clone()));
    let (told, name) = (link.problems(), options.name.clone());
    let told = move |problems: Vec<(&str, String)>| {
        let own = |(reason, message): (&str, String)| own_problem(&name, reason, message, "kubelet");
        told.set("pods' network", problems.into_iter().map(own).collect());
    };
    let manifest = setup::after_ranges(link.manifest(), engine.routed, told, stop.clone());
    let manifest = mounts::before_pods(manifest, options.mounts.clone(), stop.clone());
    let manifest = site::before_pods(manifest, pod_site.learned.clone(), is_served, stop.clone());
    let own = addresses::follow(addresses.clone(), link.manifest(), stop.clone());
    let from_outside = tokio::spawn(from_outside(link.clone(), own.clone(), stop.clone()));
    let shared = Arc::new(Shared {
        node: options.name.clone(),
        runtime: engine.runtime,
        runtime_name: engine.name,
        images: engine.images,
        image_store: engine.store,
        network: engine.network,
        reporter: Arc::new(link.clone()),
        clock: Clock::System,
        dirs: Dirs { pods: paths.pods.clone(), logs: paths.logs.clone() },
        site: pod_site,
        host_ips: addresses,
        cpu_milli: capacity.cpu_milli,
        memory_bytes: capacity.memory_bytes,
        slots: Semaphore::new((2 * usize::try_from(capacity.cpu_milli / 1000).unwrap_or(1)).max(4)),
        pulls: Semaphore::new(PULLS),
        in_use,
        manifest: link.manifest(),
    });
    let mut tasks = vec![
        link_task,
        tokio::spawn(pods::run(shared.clone(), manifest, stop.clone())),
        tokio::spawn(housekeeping::run(shared, link.clone(), options.data.clone(), stop.clone())),
    ];
    tasks.extend(names.map(|names| names.task));
    tasks.push(from_outside);
    tasks.push(tokio::spawn(moves(link.clone(), options, capacity, runtime_version, own, stop.clone())));
    let node = Node { link, stop, tasks, images: store.map(ImagesHandle::new), _lock: lock };
    node.up().await?;
    Ok(node)
}

/// Serves Ingresses at the node's address; at another one when that changes, while connections to the first end.
async fn from_outside(link: Handle, mut own: watch::Receiver<Vec<IpAddr>>, stop: CancellationToken) {
    let table = link.tables().part("ingress");
    loop {
        let settings = ingress::Options {
            addresses: opening::addresses_of(&own.borrow_and_update()),
            problems: link.problems(),
            table: Some(table.clone()),
            ..ingress::Options::default()
        };
        let here = stop.child_token();
        let serving = ingress_run::start(link.manifest(), settings, here.clone());
        tokio::select! {
            // Without a sender the address stays as it is.
            changed = own.changed() => if changed.is_err() { here.cancelled().await },
            () = stop.cancelled() => {}
        }
        here.cancel();
        if stop.is_cancelled() {
            // It has logged what went wrong.
            let _ = serving.task.await;
            return;
        }
    }
}

/// Tells the control plane when the node's address changes: from there, its peers' routes and names follow.
async fn moves(
    link: Handle,
    options: Options,
    capacity: facts::Capacity,
    version: String,
    mut own: watch::Receiver<Vec<IpAddr>>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            changed = own.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
        let now = own.borrow_and_update().clone();
        link.set_facts(facts::facts(&options, capacity, &now, &version));
    }
}

/// The cluster's names, on the address that the manifest says.
fn names(options: &Options, paths: &Paths, link: &Handle, stop: CancellationToken) -> dns::Handle {
    let data = paths.data.clone();
    let ensure_address: dns::EnsureAddress = Arc::new(move |ip| {
        let data = data.clone();
        Box::pin(async move { ensure_local_address(&data, ip).await.map_err(|error| error.to_string()) })
    });
    let settings = dns::Options {
        ensure_address: Some(ensure_address),
        node: options.name.clone(),
        table: Some(link.tables().part("names")),
        problems: link.problems(),
        ..dns::Options::default()
    };
    dns::start(link.manifest(), settings, stop)
}

/// Starts what keeps services, policies and routes. Pods run without, if they must.
async fn datapath(options: &Options, paths: &Paths, is_routed: bool, link: &Handle, stop: &CancellationToken) {
    let settings = DatapathOptions { data_dir: paths.data.clone(), node: options.name.clone(), is_routed };
    let (manifest, stop) = (link.manifest(), stop.clone());
    let started = tokio::task::spawn_blocking(move || Datapath::start(settings, manifest, stop)).await;
    let why = match started {
        Ok(Ok(datapath)) => {
            let told = datapath.tell(link.tables().part("datapath"), link.problems());
            tokio::spawn(told);
            return;
        }
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::error!(why, "services and network policies do not work on this node");
    let message = format!("services and network policies do not work: {why}");
    link.problems().set("datapath", vec![own_problem(&options.name, "FailedToStartProxy", message, "kube-proxy")]);
}

/// A problem of the node itself.
fn own_problem(node: &str, reason: &str, message: String, component: &str) -> Problem {
    Problem {
        kind: "Node".to_owned(),
        namespace: String::new(),
        name: node.to_owned(),
        reason: reason.to_owned(),
        message,
        component: component.to_owned(),
    }
}

async fn engine(options: &Options, paths: &Paths, in_use: &Arc<ImagesInUse>) -> Result<Engine> {
    match &options.runtime {
        RuntimeChoice::Embedded => {
            let root = paths.images.clone();
            let settings = ImageOptions { program: Some(options.shim.program.clone()), ..ImageOptions::default() };
            let opened = tokio::task::spawn_blocking(move || ImageStore::open(&root, settings)).await?;
            let store = opened.with_context(|| format!("opening the images in {}", paths.images.display()))?;
            let users = in_use.clone();
            store.set_users(Arc::new(move |id| users.contains(id.as_str())));
            let settings = EmbeddedOptions {
                shim_program: options.shim.program.clone(),
                shim_args: options.shim.args.clone(),
                cgroup_root: paths.cgroup_root(),
                ..EmbeddedOptions::new(&paths.runtime)
            };
            let runtime =
                Embedded::open(settings, Arc::new(store.clone())).await.context("starting the embedded runtime")?;
            let version = runtime.version().await.context("the runtime's version")?;
            let settings = NetworkOptions::new(paths.data.clone());
            let routed = tokio::task::spawn_blocking(move || RoutedNetwork::start(settings)).await?;
            let routed = routed.context("starting the pods' network")?;
            Ok(Engine {
                runtime: Arc::new(runtime),
                name: version.runtime_name.clone(),
                version: format!("{}://{}", version.runtime_name, version.runtime_version),
                images: Arc::new(store.clone()),
                store: Some(store),
                network: Arc::new(routed.clone()),
                routed: Some(routed),
            })
        }
        RuntimeChoice::Cri(endpoint) => {
            let runtime = CriRuntime::new(endpoint).with_context(|| format!("the runtime at {endpoint}"))?;
            let version = runtime.version().await.with_context(|| format!("asking the runtime at {endpoint}"))?;
            Ok(Engine {
                name: version.runtime_name.clone(),
                version: format!("{}://{}", version.runtime_name, version.runtime_version),
                images: Arc::new(runtime.clone()),
                runtime: Arc::new(runtime),
                store: None,
                network: Arc::new(HostOnly),
                routed: None,
            })
        }
    }
}

fn connect(
    options: &Options,
    paths: &Paths,
    facts: NodeFacts,
    streams: Arc<PodStreams>,
) -> Result<(Handle, JoinHandle<()>)> {
    let settings = LinkOptions {
        servers: options.servers.clone(),
        state_dir: paths.link.clone(),
        node: options.name.clone(),
        token: options.token.clone(),
        facts,
    };
    let (handle, task) = link::start(settings, streams.clone()).context("starting the link to the control plane")?;
    streams.follow(handle.manifest());
    Ok((handle, task))
}

impl Node {
    /// Waits until there is a session, or something to run from an earlier one.
    async fn up(&self) -> Result<()> {
        let mut state = self.link.state();
        loop {
            match &*state.borrow_and_update() {
                LinkState::Connected(_) => return Ok(()),
                LinkState::Failed { why } => bail!("the control plane does not take this node: {why}"),
                LinkState::Down { why } => {
                    if self.link.manifest().borrow().is_some() {
                        tracing::warn!(why, "no control plane; the node runs what it was told last");
                        return Ok(());
                    }
                    tracing::info!(why, "no control plane yet");
                }
                LinkState::Connecting => {}
            }
            if state.changed().await.is_err() {
                bail!("the link to the control plane ended");
            }
        }
    }

    /// The node's images; a handle that can do nothing is given for a runtime that keeps its own.
    pub fn images(&self) -> Option<ImagesHandle> {
        self.images.clone()
    }

    /// The link, to see how it is.
    pub fn link(&self) -> &Handle {
        &self.link
    }

    /// Ends the node's part in this program. The containers go on.
    pub async fn stop(self) {
        self.stop.cancel();
        self.link.stop();
        for task in self.tasks {
            // A task that hangs must not hold the program.
            let _ = tokio::time::timeout(Duration::from_secs(5), task).await;
        }
    }
}
