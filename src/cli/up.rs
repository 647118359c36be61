//! `masthead up`: a control plane and one node in one process, and what to type next.

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use masthead_agent::node;

use crate::cli::{block_on, demo, exit, serve as command, start};
use crate::daemon::serve::{self, Running};
use crate::daemon::{data, preflight};

/// How long `--detach` waits for the daemon.
const READY_MAX: Duration = Duration::from_secs(60);

/// How often `--detach` looks whether the daemon is ready.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Arguments of `up`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The control plane.
    #[command(flatten)]
    pub start: start::Args,
    /// Come back when all is ready; `masthead down` or `kill` ends it.
    #[arg(long)]
    pub detach: bool,
    /// Also push a demonstration to the repository.
    #[arg(long, conflicts_with = "repo")]
    pub demo: bool,
    /// The name of this machine's node [default: the host's name].
    #[arg(long, value_name = "NAME")]
    pub node_name: Option<String>,
    /// Run pods on this CRI runtime, such as unix:///run/containerd/containerd.sock [default: the embedded one].
    #[arg(long, value_name = "SOCKET")]
    pub runtime: Option<String>,
}

/// Runs until SIGINT or SIGTERM, or comes back when ready with `--detach`.
///
/// # Errors
/// The machine lacks something, or the control plane or the node cannot start.
pub fn run(args: Args) -> Result<ExitCode> {
    preflight::check(args.runtime.is_none()).map_err(|lacking| exit::configuration(lacking.what, lacking.hint))?;
    if args.detach {
        return detach(&args);
    }
    block_on(foreground(args))
}

async fn foreground(args: Args) -> Result<ExitCode> {
    let options = args.start.options(0)?;
    let mut running = serve::serve(&options).await?;
    let node = start_node(&args, &running).await?;
    welcome(&running);
    if args.demo {
        demo::images(&node).await?;
        let url = running.daemon.repository_url.clone();
        let branch = running.daemon.branch.clone();
        let view = running.api.view.clone();
        tokio::spawn(async move {
            if let Err(error) = demo::push(&url, &branch, &view).await {
                eprintln!("the demo was not pushed: {error:#}");
            }
        });
    }
    let failed = tokio::select! {
        () = command::stopped() => false,
        () = running.ended() => true,
    };
    node.stop().await;
    running.stop().await;
    if failed {
        return Ok(ExitCode::FAILURE);
    }
    eprintln!(
        "stopped; containers go on running. `masthead up` takes them up again, `masthead down` removes everything."
    );
    Ok(ExitCode::SUCCESS)
}

async fn start_node(args: &Args, running: &Running) -> Result<node::Node> {
    let name = match &args.node_name {
        Some(name) => name.clone(),
        None => node::default_name(),
    };
    let root = running.data.root();
    let options = node::Options {
        name,
        data: root.to_owned(),
        servers: vec![running.daemon.nodes_address.clone()],
        token: Some(running.own_token().await?),
        runtime: node::RuntimeChoice::parse(args.runtime.as_deref())?,
        shim: node::Shim::this_program()?,
        cluster_domain: "cluster.local".to_owned(),
    };
    node::start(options).await.context("starting the node")
}

fn welcome(running: &Running) {
    let daemon = &running.daemon;
    println!("Masthead is up (process {}, data in {}).", daemon.pid, running.data.root().display());
    println!();
    println!("  repository  {}   (branch {})", daemon.repository_url, daemon.branch);
    println!("  API         {}", daemon.api_url);
    println!();
    println!("What to type next, in another terminal:");
    println!("  masthead init my-cluster && cd my-cluster");
    println!("  git remote add origin {} && git push -u origin {}", daemon.repository_url, daemon.branch);
    println!("  masthead status");
    println!();
    println!("Ctrl-C stops the control plane and leaves the containers running.");
}

/// Starts this program again without a terminal, and waits until it answers.
fn detach(args: &Args) -> Result<ExitCode> {
    std::fs::create_dir_all(args.start.data.join("logs"))
        .with_context(|| format!("making {}", args.start.data.display()))?;
    let root = std::fs::canonicalize(&args.start.data)?;
    let log_path = root.join("logs/daemon.log");
    let out =
        File::options().create(true).append(true).open(&log_path).with_context(|| log_path.display().to_string())?;
    let again = std::env::args_os().skip(1).filter(|arg| arg != "--detach");
    let mut child = Command::new(std::env::current_exe()?);
    child.args(again).current_dir("/").stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
    if !args.start.data.is_absolute() {
        bail!("with --detach, --data must be an absolute path");
    }
    std::os::unix::process::CommandExt::process_group(&mut child, 0);
    let mut child = child.spawn().context("starting the daemon")?;
    let began = Instant::now();
    while began.elapsed() < READY_MAX {
        if let Some(status) = child.try_wait()? {
            bail!("the daemon ended with {status}:\n{}", tail(&log_path));
        }
        if let Ok(daemon) = data::read(&root)
            && daemon.pid == child.id()
            && crate::daemon::ready::node_is_ready(&daemon, &root)
        {
            println!("Masthead is up (process {}, log in {}).", daemon.pid, log_path.display());
            println!("  repository  {}   (branch {})", daemon.repository_url, daemon.branch);
            println!("  API         {}", daemon.api_url);
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    bail!("the daemon was not ready within {} s; its log:\n{}", READY_MAX.as_secs(), tail(&log_path))
}

/// The last lines of a log.
fn tail(path: &Path) -> String {
    const LINES: usize = 20;
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
