//! `masthead token`: asks the daemon of a data directory for a token with which nodes join.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::cli::block_on;
use crate::client::rest::Rest;
use crate::daemon::data;
use crate::daemon::options::DATA_DIR;

/// Arguments of `token`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The data directory of the control plane.
    #[arg(long, value_name = "DIR", env = "MASTHEAD_DATA", default_value = DATA_DIR)]
    pub data: PathBuf,
    /// For how many hours it is good; 0 for ever.
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    pub ttl_h: u64,
    /// How many nodes may join with it; as many as like when absent.
    #[arg(long)]
    pub uses: Option<u32>,
}

/// Prints the token.
///
/// # Errors
/// No daemon runs there.
pub fn run(args: &Args) -> Result<ExitCode> {
    let daemon = data::read(&args.data)?;
    block_on(async {
        let rest = Rest::to(&daemon.api_url, Some(&args.data))?;
        let body = serde_json::json!({ "ttlHours": args.ttl_h, "uses": args.uses });
        let answer = rest.post("/apis/masthead.dev/v1/tokens", &body).await?;
        println!("{}", answer.get("token").and_then(serde_json::Value::as_str).unwrap_or_default());
        eprintln!("on the node: masthead agent --join {} --token TOKEN", daemon.nodes_address);
        Ok(ExitCode::SUCCESS)
    })
}
