//! `masthead serve`: runs a control plane until it is told to stop.

use std::process::ExitCode;

use crate::cli::{block_on, logging, start};
use crate::daemon::preflight::Needs;
use crate::daemon::serve;

/// The port on which agents dial a control plane of its own.
const NODES_PORT: u16 = 7071;

/// Arguments of `serve`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The control plane.
    #[command(flatten)]
    pub start: start::Args,
}

/// Runs until SIGINT or SIGTERM.
///
/// # Errors
/// It cannot start.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    Needs { git: true, ..Needs::default() }.check()?;
    block_on(async {
        let mut running = serve::serve(&args.start.options(NODES_PORT)?).await?;
        let daemon = &running.daemon;
        logging::tell(&format!(
            "API          {}\nrepository   {} (branch {})\nagents dial  {}   (masthead token --data {} makes their token)",
            daemon.api_url,
            daemon.repository_url,
            daemon.branch,
            daemon.nodes_address,
            args.start.data.display()
        ));
        let failed = tokio::select! {
            () = stopped() => false,
            () = running.ended() => true,
        };
        running.stop().await;
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    })
}

/// Waits for SIGINT or SIGTERM.
pub async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    // Both can only fail outside of a runtime, and then waiting for ever is what is left.
    match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        _ => std::future::pending().await,
    }
}
