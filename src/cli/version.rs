//! `masthead version`: the version of this program and of the control plane.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use crate::cli::block_on;
use crate::client::locate;
use crate::client::rest::Rest;

/// Arguments of `version`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Only of this program.
    #[arg(long)]
    pub client: bool,
    /// How to print.
    #[arg(short = 'o', long, value_parser = ["json", "yaml"])]
    pub output: Option<String>,
    /// The control plane.
    #[command(flatten)]
    pub server: locate::Args,
}

/// Prints versions.
///
/// # Errors
/// The control plane cannot be reached.
pub fn run(args: Args) -> Result<ExitCode> {
    block_on(async move {
        let mut versions = json!({ "clientVersion": { "gitVersion": concat!("v", env!("CARGO_PKG_VERSION")), "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH) } });
        let server =
            if args.client { None } else { Some(async { Rest::find(&args.server)?.get("/version").await }.await) };
        let (server, failed) = match server {
            Some(Ok(server)) => (Some(server), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        if let Some(server) = &server {
            versions["serverVersion"] = server.clone();
        }
        match args.output.as_deref() {
            Some("json") => println!("{}", serde_json::to_string_pretty(&versions)?),
            Some(_) => print!("{}", masthead_yaml::emit::to_string(&versions)),
            None => {
                println!("Client Version: {}", versions["clientVersion"]["gitVersion"].as_str().unwrap_or_default());
                if let Some(server) = server {
                    println!("Server Version: {}", server["gitVersion"].as_str().unwrap_or_default());
                }
            }
        }
        failed.map_or(Ok(ExitCode::SUCCESS), Err)
    })
}
