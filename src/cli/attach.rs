//! `masthead attach`: joins the process of a container; and what `exec` shares with it.

use std::process::ExitCode;

use anyhow::Result;
use masthead_api::kind::registry::POD;
use serde_json::Value;

use crate::cli::block_on;
use crate::cli::session::{self, Session};
use crate::cli::target::{Namespace, object, pod_of};
use crate::cli::words;
use crate::client::locate;
use crate::client::rest::{Rest, encode};

/// Which container, with which streams: the arguments of `attach`, and those of `exec` but for its command.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// POD, or TYPE/NAME of something that selects pods.
    #[arg(value_name = "POD")]
    pub pod: String,
    /// Where to look.
    #[command(flatten)]
    pub namespace: Namespace,
    /// The container.
    #[arg(short = 'c', long, default_value = "", hide_default_value = true)]
    pub container: String,
    /// Pass standard input on.
    #[arg(short = 'i', long)]
    pub stdin: bool,
    /// Use a terminal.
    #[arg(short = 't', long)]
    pub tty: bool,
    /// The control plane.
    #[command(flatten)]
    pub server: locate::Args,
}

impl Args {
    /// Connects to a subresource of the pod, with `more` at the end of its query.
    ///
    /// # Errors
    /// There is no such pod, or the control plane cannot be reached.
    pub async fn join(self, subresource: &str, more: &str) -> Result<ExitCode> {
        let rest = Rest::find(&self.server)?;
        let pod = pod_of(&rest, &self.namespace.namespace, &self.pod).await?;
        let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let container =
            if self.container.is_empty() { words::default_container(&pod, true) } else { self.container.clone() };
        let session = Session { stdin: self.stdin, tty: session::usable(self.tty, self.stdin) };
        let path = format!(
            "{}/{subresource}?container={}&{}{more}",
            object(POD, &self.namespace.namespace, name),
            encode(&container),
            session.query()
        );
        session.run(&rest, &path).await
    }
}

/// Joins the process until it ends or input does.
///
/// # Errors
/// There is no such pod, or the control plane cannot be reached.
pub fn run(args: Args) -> Result<ExitCode> {
    block_on(args.join("attach", ""))
}
