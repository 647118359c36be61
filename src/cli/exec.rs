//! `masthead exec`: runs a command in a container, on this terminal when asked, and ends with its exit code.

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::attach;
use crate::cli::block_on;
use crate::client::rest::encode;

/// Arguments of `exec`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The container and the streams.
    #[command(flatten)]
    pub into: attach::Args,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// There is no such pod, or the control plane cannot be reached.
pub fn run(args: Args) -> Result<ExitCode> {
    block_on(async move {
        let command: String = args.command.iter().map(|word| format!("&command={}", encode(word))).collect();
        args.into.join("exec", &command).await
    })
}
