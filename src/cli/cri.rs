//! `masthead cri`: serves the embedded runtime with its images and its pod network as a CRI socket, for crictl and critest.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use masthead_agent::images::store::{ImageStore, Options as ImageOptions};
use masthead_agent::network::options::Options as NetworkOptions;
use masthead_agent::network::routed::RoutedNetwork;
use masthead_agent::node::Shim;
use masthead_agent::node::lock;
use masthead_agent::node::paths::Paths;
use masthead_agent::runtime::cri::endpoint::socket_path;
use masthead_agent::runtime::cri::server;
use masthead_agent::runtime::embedded::networked::Networked;
use masthead_agent::runtime::embedded::options::Options;
use masthead_agent::runtime::embedded::runtime::Embedded;

use crate::cli::serve::stopped;
use crate::cli::{block_on, logging};
use crate::daemon::preflight::Needs;

/// Arguments of `cri`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The socket to serve, unix:///PATH.
    #[arg(long, value_name = "SOCKET")]
    pub listen: String,
    /// Where containers and images are kept; `masthead down --data DIR` removes what was made.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// The addresses of pods.
    #[arg(long, value_name = "CIDR", default_value = "10.89.0.0/22")]
    pub pod_cidr: String,
}

/// Serves until SIGINT or SIGTERM; containers go on running.
///
/// # Errors
/// The machine lacks something, a node runs in the directory, or the socket is taken.
pub fn run(args: Args) -> Result<ExitCode> {
    Needs { git: false, pods: true, embedded: true }.check()?;
    let socket = socket_path(&args.listen).context("--listen")?;
    block_on(async move {
        let paths = Paths::new(&args.data);
        let _lock = lock::take(&paths)?;
        // Taken anew: a directory that was not there has its real name only now.
        let paths = Paths::new(&args.data);
        let images = ImageStore::open(&paths.images, ImageOptions::default())
            .with_context(|| format!("opening the images in {}", paths.images.display()))?;
        let shim = Shim::this_program()?;
        let options = Options {
            shim_program: shim.program,
            shim_args: shim.args,
            cgroup_root: paths.cgroup_root(),
            ..Options::new(&paths.runtime)
        };
        let runtime = Embedded::open(options, Arc::new(images.clone())).await.context("starting the runtime")?;
        let settings = NetworkOptions { pool_size: 4, ..NetworkOptions::new(paths.data.clone()) };
        let network = tokio::task::spawn_blocking(move || RoutedNetwork::start(settings)).await?;
        let network = network.context("starting the pods' network")?;
        network.set_cidrs(args.pod_cidr.split(',').map(str::to_owned).collect()).await.context("--pod-cidr")?;
        let runtime = Networked::open(runtime, network.clone()).await.context("joining runtime and network")?;
        logging::tell(&format!("CRI at unix://{}", socket.display()));
        server::serve(&socket, Arc::new(runtime), Arc::new(images), stopped()).await?;
        network.close().await.context("closing the pods' network")?;
        Ok(ExitCode::SUCCESS)
    })
}
