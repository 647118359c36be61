//! `masthead exec`: runs a command in a container, on this terminal when asked, and ends with its exit code.

use std::process::ExitCode;

use anyhow::Result;
use masthead_api::kind::registry::POD;
use serde_json::Value;

use crate::cli::session::{self, Session};
use crate::cli::target::{Namespace, object, pod_of, remote};
use crate::cli::words;
use crate::client::locate;
use crate::client::rest::{Rest, encode};

/// Arguments of `exec`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// POD, or TYPE/NAME of something that selects pods.
    #[arg(value_name = "POD")]
    pub pod: String,
    /// Where to look.
    #[command(flatten)]
    pub namespace: Namespace,
    /// The container.
    #[arg(short = 'c', long, default_value = "")]
    pub container: String,
    /// Pass standard input on.
    #[arg(short = 'i', long)]
    pub stdin: bool,
    /// Run on a terminal.
    #[arg(short = 't', long)]
    pub tty: bool,
    /// The control plane.
    #[command(flatten)]
    pub server: locate::Args,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// There is no such pod, or the control plane cannot be reached.
pub fn run(args: Args) -> Result<ExitCode> {
    remote(async move {
        let rest = Rest::find(&args.server)?;
        let pod = pod_of(&rest, &args.namespace.namespace, &args.pod).await?;
        let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let container =
            if args.container.is_empty() { words::default_container(&pod, true) } else { args.container.clone() };
        let session = Session { stdin: args.stdin, tty: session::usable(args.tty, args.stdin) };
        let command: String = args.command.iter().map(|word| format!("command={}&", encode(word))).collect();
        let path = format!(
            "{}/exec?{command}container={}&{}",
            object(POD, &args.namespace.namespace, name),
            encode(&container),
            session.query()
        );
        session.run(&rest, &path).await
    })
}
