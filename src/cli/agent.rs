//! `masthead agent`: joins a control plane and runs the pods it assigns to this node.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use masthead_agent::node;
use masthead_wire::pki::token::Token;

use crate::cli::serve::stopped;
use crate::cli::{block_on, exit};
use crate::daemon::options::DATA_DIR;
use crate::daemon::preflight;

/// Arguments of `agent`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The control plane to join, `HOST:PORT`; several for one with several addresses.
    #[arg(long, value_name = "HOST:PORT", required = true, value_delimiter = ',')]
    pub join: Vec<String>,
    /// The join token; needed once, then the node has a certificate.
    #[arg(long, env = "MASTHEAD_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// The node's name [default: the host's name].
    #[arg(long, value_name = "NAME")]
    pub node_name: Option<String>,
    /// Where the node keeps images, logs and state.
    #[arg(long, value_name = "DIR", default_value = DATA_DIR)]
    pub data: PathBuf,
    /// Run pods on this CRI runtime, such as unix:///run/containerd/containerd.sock [default: the embedded one].
    #[arg(long, value_name = "SOCKET")]
    pub runtime: Option<String>,
}

/// Runs until SIGINT or SIGTERM; containers go on running.
///
/// # Errors
/// The machine lacks something, the token is refused, or the runtime does not answer.
pub fn run(args: Args) -> Result<ExitCode> {
    preflight::check(args.runtime.is_none()).map_err(|lacking| exit::configuration(lacking.what, lacking.hint))?;
    let token = args.token.as_deref().map(str::parse::<Token>).transpose().context("--token")?;
    block_on(async {
        let options = node::Options {
            name: args.node_name.clone().unwrap_or_else(node::default_name),
            data: args.data.clone(),
            servers: args.join.clone(),
            token,
            runtime: node::RuntimeChoice::parse(args.runtime.as_deref())?,
            shim: node::Shim::this_program()?,
            cluster_domain: "cluster.local".to_owned(),
        };
        let name = options.name.clone();
        let node = node::start(options).await.context("starting the node")?;
        println!("node {name} is joined to {}", args.join.join(", "));
        stopped().await;
        node.stop().await;
        Ok(ExitCode::SUCCESS)
    })
}
