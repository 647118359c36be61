//! `masthead node`: the nodes of `up --nodes` on this machine, added, removed, switched off and on, listed.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::cli::tabular::Tabular;
use crate::cli::{block_on, words};
use crate::client::error::Error;
use crate::client::locate;
use crate::client::rest::Rest;
use crate::fleet::config::{NodeSpec, Role};
use crate::fleet::handle::NodeState;

/// Where nodes of the machine are.
const MACHINES: &str = "/apis/masthead.dev/v1/machines";

/// Arguments of `node`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done with nodes.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Add a node.
    Add {
        /// The control plane.
        #[command(flatten)]
        server: locate::Args,
        /// Its name [default: the next free `node-N`].
        name: Option<String>,
        /// A label, `key=value`; may be repeated.
        #[arg(long = "label", value_name = "KEY=VALUE")]
        labels: Vec<String>,
    },
    /// Remove a node with all that it runs.
    Rm {
        /// The control plane.
        #[command(flatten)]
        server: locate::Args,
        /// Names.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Switch a node off at once, as a power failure would.
    Stop {
        /// The control plane.
        #[command(flatten)]
        server: locate::Args,
        /// Names.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Switch a node on.
    Start {
        /// The control plane.
        #[command(flatten)]
        server: locate::Args,
        /// Names.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// List the nodes.
    Ls {
        /// The control plane.
        #[command(flatten)]
        server: locate::Args,
    },
}

/// Does it.
///
/// # Errors
/// No fleet runs there, or there is no such node.
pub fn run(args: &Args) -> Result<ExitCode> {
    block_on(async {
        let (Command::Add { server, .. }
        | Command::Rm { server, .. }
        | Command::Stop { server, .. }
        | Command::Start { server, .. }
        | Command::Ls { server }) = &args.command;
        let rest = Rest::find(server)?;
        match &args.command {
            Command::Add { name, labels, .. } => {
                let spec = NodeSpec {
                    name: name.clone().unwrap_or_default(),
                    role: Role::Worker,
                    labels: words::labels(labels).context("--label")?,
                    ports: Vec::new(),
                    mounts: Vec::new(),
                };
                let added = rest.post(MACHINES, &serde_json::to_value(spec)?).await?;
                println!("node/{} added", added.get("name").and_then(Value::as_str).unwrap_or_default());
            }
            Command::Rm { names, .. } => {
                for name in names {
                    rest.delete(&format!("{MACHINES}/{name}"), &json!({})).await?;
                    // The machine is gone; now its entry among the nodes, which may never have been made.
                    let entry = rest.delete(&format!("/api/v1/nodes/{name}"), &json!({})).await;
                    if let Err(error) = entry
                        && !error.downcast_ref::<Error>().is_some_and(Error::is_not_found)
                    {
                        return Err(error);
                    }
                    println!("node/{name} removed");
                }
            }
            Command::Stop { names, .. } => switch(&rest, names, "stop", "stopped").await?,
            Command::Start { names, .. } => switch(&rest, names, "start", "started").await?,
            Command::Ls { .. } => list(&rest).await?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn switch(rest: &Rest, names: &[String], verb: &str, past: &str) -> Result<()> {
    for name in names {
        rest.post(&format!("{MACHINES}/{name}/{verb}"), &json!({})).await?;
        println!("node/{name} {past}");
    }
    Ok(())
}

async fn list(rest: &Rest) -> Result<()> {
    let machines = rest.get(MACHINES).await?;
    let machines: Vec<NodeState> = serde_json::from_value(machines.get("items").cloned().unwrap_or_default())?;
    let status = rest.get("/apis/masthead.dev/v1/status").await?;
    let nodes = status.get("nodes").and_then(Value::as_array).cloned().unwrap_or_default();
    let known = |name: &str| nodes.iter().find(|node| node.get("name").and_then(Value::as_str) == Some(name));
    let rows = machines.iter().map(|machine| {
        let node = known(&machine.name);
        let ready = match node.and_then(|node| node.get("ready")) {
            Some(Value::Bool(true)) => "Ready",
            Some(_) => "NotReady",
            None => "<none>",
        };
        let pods = node.and_then(|node| node.get("pods")).map_or_else(|| "0".to_owned(), ToString::to_string);
        let ports = if machine.ports.is_empty() { "<none>".to_owned() } else { machine.ports.join(",") };
        vec![
            machine.name.clone(),
            machine.state.clone(),
            ready.to_owned(),
            machine.role.name().to_owned(),
            machine.address.clone(),
            pods,
            ports,
        ]
    });
    let header = ["NAME", "STATE", "STATUS", "ROLE", "ADDRESS", "PODS", "PORTS"].map(str::to_owned).to_vec();
    print!("{}", Tabular::default().lines(&std::iter::once(header).chain(rows).collect::<Vec<_>>()));
    for machine in machines.iter().filter(|machine| machine.why.is_some()) {
        eprintln!("{}: {}", machine.name, machine.why.as_deref().unwrap_or_default());
    }
    Ok(())
}
