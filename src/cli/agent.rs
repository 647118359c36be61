//! `masthead agent`: joins a control plane and runs the pods it assigns to this node.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use masthead_agent::node;
use masthead_wire::pki::token::Token;
use tokio::sync::oneshot;

use crate::cli::serve::stopped;
use crate::cli::{block_on, logging, words};
use crate::daemon::options::DATA_DIR;
use crate::daemon::preflight::Needs;

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
    #[arg(long, value_name = "DIR", env = "MASTHEAD_DATA", default_value = DATA_DIR)]
    pub data: PathBuf,
    /// Labels that the node registers with, `key=value`, separated by commas.
    #[arg(long, value_name = "LABELS", value_delimiter = ',')]
    pub node_labels: Vec<String>,
    /// Taints that the node registers with the first time, `key[=value]:effect`, separated by commas.
    #[arg(long, value_name = "TAINTS", value_delimiter = ',')]
    pub register_with_taints: Vec<String>,
    /// End when standard input does: for a supervisor that may be killed.
    #[arg(long, hide = true)]
    pub supervised: bool,
    /// `HOST:NODE[:ro]`: what hostPath volumes call NODE is HOST of the machine; for nodes that share one.
    #[arg(long, value_name = "HOST:NODE[:ro]", hide = true)]
    pub extra_mount: Vec<String>,
    /// Run pods on this CRI runtime, such as unix:///run/containerd/containerd.sock [default: the embedded one].
    #[arg(long, value_name = "SOCKET")]
    pub runtime: Option<String>,
}

/// Runs until SIGINT or SIGTERM; containers go on running.
///
/// # Errors
/// The machine lacks something, the token is refused, or the runtime does not answer.
pub fn run(args: Args) -> Result<ExitCode> {
    Needs { git: false, pods: true, embedded: args.runtime.is_none() }.check()?;
    let token = args.token.as_deref().map(str::parse::<Token>).transpose().context("--token")?;
    block_on(async {
        let options = node::Options {
            name: args.node_name.clone().unwrap_or_else(node::default_name),
            data: args.data.clone(),
            servers: args.join.clone(),
            token,
            labels: words::labels(&args.node_labels).context("--node-labels")?,
            taints: taints(&args.register_with_taints)?,
            runtime: node::RuntimeChoice::parse(args.runtime.as_deref())?,
            shim: node::Shim::this_program()?,
            cluster_domain: "cluster.local".to_owned(),
            mounts: args
                .extra_mount
                .iter()
                .map(|text| node::ExtraMount::parse(text))
                .collect::<Result<_>>()
                .context("--extra-mount")?,
        };
        let name = options.name.clone();
        let node = node::start(options).await.context("starting the node")?;
        logging::tell(&format!("node {name} is joined to {}", args.join.join(", ")));
        tokio::select! {
            () = stopped() => {}
            () = abandoned(), if args.supervised => {}
        }
        node.stop().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// Checks taints as the kubelet does.
fn taints(texts: &[String]) -> Result<Vec<String>> {
    for text in texts {
        let effect = text.rsplit_once(':').map(|(_, effect)| effect);
        if !matches!(effect, Some("NoSchedule" | "PreferNoSchedule" | "NoExecute")) {
            bail!("--register-with-taints: {text:?} is not of the form key[=value]:effect");
        }
    }
    Ok(texts.to_vec())
}

/// Waits until whoever supervises this process is gone.
async fn abandoned() {
    let (tell, told) = oneshot::channel::<()>();
    // A thread of its own: a runtime would wait for the read before it ends.
    std::thread::spawn(move || {
        // Nothing is ever said; an end and a failure both mean that nobody is there.
        while std::io::stdin().read(&mut [0]).is_ok_and(|read| read > 0) {}
        drop(tell);
    });
    // The answer is that there is none any more.
    let _ = told.await;
}
