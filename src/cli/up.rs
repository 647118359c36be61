//! `masthead up`: a control plane and one node in one process, and what to type next.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use masthead_agent::node;
use tokio::task::JoinHandle;

use crate::cli::{block_on, demo, example, logging, serve as command, start};
use crate::control::view::View;
use crate::daemon::data::{self, Daemon, Demo};
use crate::daemon::lacking::Lacking;
use crate::daemon::network::read_ranges;
use crate::daemon::options::{DATA_DIR, Options};
use crate::daemon::preflight::Needs;
use crate::daemon::serve::{self, Running};
use crate::fleet::config;
use crate::fleet::handle::Handle as Fleet;
use crate::fleet::record::Record;
use crate::fleet::run::{self, Prepared};

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
    /// Make this many nodes on this machine, each a network namespace with an agent of its own.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=250), conflicts_with_all = ["node_name", "runtime"])]
    pub nodes: Option<u8>,
    /// Make the nodes of a kind cluster configuration (roles, labels, extraPortMappings, extraMounts).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["nodes", "node_name", "runtime"])]
    pub config: Option<PathBuf>,
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
    Needs { git: true, pods: true, embedded: args.runtime.is_none() }.check()?;
    if args.detach {
        return detach(&args);
    }
    block_on(foreground(args))
}

async fn foreground(args: Args) -> Result<ExitCode> {
    let mut options = args.start.options(0)?;
    options.runs_pods = true;
    let fleet = prepare(&args, &mut options).await?;
    // All paths are whole by now: whoever runs for long stays in no folder.
    std::env::set_current_dir("/")?;
    if let Some(fleet) = &fleet {
        options.listen_nodes.set_ip(fleet.listen());
    }
    let mut running = serve::serve(&options).await?;
    let node = match fleet {
        None => Local::Machine(start_node(&args, &running).await?),
        Some(fleet) => {
            let nodes = fleet.nodes();
            let handle = fleet.run(running.plane()).await?;
            // Nobody else sets it.
            let _ = running.api.fleet.set(handle.clone());
            Local::Fleet(handle, nodes)
        }
    };
    welcome(&running);
    let demo = if args.demo {
        node.demo_images().await?;
        let (daemon, root) = (running.daemon.clone(), running.data.root().to_owned());
        Some(tokio::spawn(demonstrate(daemon, root, running.api.view.clone())))
    } else {
        None
    };
    let failed = tokio::select! {
        () = command::stopped() => false,
        () = running.ended() => true,
    };
    demo.iter().for_each(JoinHandle::abort);
    node.stop().await;
    running.stop().await;
    if failed {
        return Ok(ExitCode::FAILURE);
    }
    let data = data_flag(&options.data);
    let said = format!(
        "stopped; containers go on running. `masthead up{data}` takes them up again, `masthead down{data}` removes everything."
    );
    logging::tell(&said);
    Ok(ExitCode::SUCCESS)
}

/// Pushes the demonstration, and tells what became of it: here, and to who waits for a detached daemon.
async fn demonstrate(daemon: Daemon, root: PathBuf, view: Arc<View>) {
    let demo = match demo::push(&daemon.repository_url, &daemon.branch, &view).await {
        Ok(url) => Demo::Answers(url),
        Err(error) => Demo::Failed(format!("{error:#}")),
    };
    tell(&demo);
    if let Err(error) = data::announce(&root, &Daemon { demo: Some(demo), ..daemon }) {
        tracing::warn!(%error, "where the demo answers can't be written down");
    }
}

fn tell(demo: &Demo) {
    match demo {
        Demo::Answers(url) => logging::tell(&format!("\nThe demo answers at {url}   (curl {url})")),
        Demo::Failed(why) => logging::tell(&format!("\nthe demo was not pushed: {why}")),
    }
}

/// What runs the pods of `up`.
enum Local {
    /// This machine, by an agent in this process.
    Machine(node::Node),
    /// Several nodes, with their data directories.
    Fleet(Fleet, Vec<PathBuf>),
}

impl Local {
    async fn demo_images(&self) -> Result<()> {
        match self {
            Local::Machine(node) => match node.images() {
                Some(images) => example::images(&images).await,
                None => {
                    bail!("the demonstration needs the embedded runtime: a CRI runtime takes images from a registry")
                }
            },
            Local::Fleet(_, nodes) => {
                for data in nodes {
                    example::images(&node::images(data).await?).await?;
                }
                Ok(())
            }
        }
    }

    async fn stop(self) {
        match self {
            Local::Machine(node) => node.stop().await,
            Local::Fleet(handle, _) => handle.close().await,
        }
    }
}

/// The network of several nodes, when they are asked for now or were by an earlier run.
async fn prepare(args: &Args, options: &mut Options) -> Result<Option<Prepared>> {
    let wanted = match (&args.config, args.nodes) {
        (Some(path), _) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
            let wanted = config::read(&text).map_err(|faults| {
                let lines: Vec<String> = faults.iter().map(|fault| format!("{}: {fault}", path.display())).collect();
                Lacking::error(lines.join("\n"), "kind's configuration is read but for what is named above")
            })?;
            configure(options, &wanted).with_context(|| path.display().to_string())?;
            wanted.nodes
        }
        (None, Some(count)) => config::plain(count),
        (None, None) => Vec::new(),
    };
    let data = &options.data;
    let is_fleet = Record::load(data)?.is_some();
    if wanted.is_empty() && !is_fleet {
        return Ok(None);
    }
    if !is_fleet && data.join("node").exists() {
        let what = format!("{} has a node already, the machine itself", data.display());
        let hint = format!("`masthead down{}` first, or give another --data", data_flag(data));
        return Err(Lacking::error(what, hint));
    }
    data::adopt(data)?;
    run::prepare(data, &wanted).await.map(Some)
}

/// What a kind configuration says of the control plane, where no flag said it.
fn configure(options: &mut Options, wanted: &config::Wanted) -> Result<()> {
    // A flag for the one says the families of the other.
    if options.pod_cidr.is_empty() && options.service_cidr.is_empty() {
        options.families = wanted.families;
    }
    for (ranges, text, field) in [
        (&mut options.pod_cidr, &wanted.pod_cidr, "networking.podSubnet"),
        (&mut options.service_cidr, &wanted.service_cidr, "networking.serviceSubnet"),
    ] {
        if let (true, Some(text)) = (ranges.is_empty(), text) {
            *ranges = read_ranges(text).context(field)?;
        }
    }
    if let Some((address, port)) = wanted.api {
        options.listen = SocketAddr::new(address.unwrap_or(options.listen.ip()), port.unwrap_or(options.listen.port()));
    }
    Ok(())
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
        labels: BTreeMap::new(),
        taints: Vec::new(),
        runtime: node::RuntimeChoice::parse(args.runtime.as_deref())?,
        shim: node::Shim::this_program()?,
        cluster_domain: "cluster.local".to_owned(),
        mounts: Vec::new(),
    };
    node::start(options).await.context("starting the node")
}

fn welcome(running: &Running) {
    let daemon = &running.daemon;
    let root = running.data.root();
    logging::tell(&format!(
        "Masthead is up (process {}, data in {}).\n\n{}\nWhat to type next, in another terminal:\n{}\n\
         Ctrl-C stops the control plane and leaves the containers running.",
        daemon.pid,
        root.display(),
        facts(daemon),
        next(daemon, root)
    ));
}

fn facts(daemon: &Daemon) -> String {
    format!("  repository  {} (branch {})\n  API         {}\n", daemon.repository_url, daemon.branch, daemon.api_url)
}

/// What to type next.
fn next(daemon: &Daemon, root: &Path) -> String {
    let Daemon { api_url, repository_url: url, branch, .. } = daemon;
    let mut lines = Vec::new();
    if root != Path::new(DATA_DIR) {
        lines.push(format!("export MASTHEAD_DATA={}", root.display()));
    }
    // A repository that is watched is elsewhere.
    if url.starts_with(api_url) {
        if api_url.starts_with("https:") {
            let root = root.display();
            lines.push(format!("git config --global http.{api_url}.sslCAInfo {root}/pki/ca.crt"));
            lines.push(format!("cat {root}/token    # git asks for it as the password, with any user name"));
        }
        lines.push("masthead init my-cluster && cd my-cluster && git commit -m 'first'".to_owned());
        lines.push(format!("git remote add origin {url} && git push -u origin {branch}"));
    }
    lines.push("masthead status".to_owned());
    lines.iter().map(|line| format!("  {line}\n")).collect()
}

/// What names a data directory to other commands, where it is not the usual one.
fn data_flag(root: &Path) -> String {
    if root == Path::new(DATA_DIR) { String::new() } else { format!(" --data {}", root.display()) }
}

/// Starts this program again without a terminal, and waits until it answers.
fn detach(args: &Args) -> Result<ExitCode> {
    data::adopt(&args.start.data)?;
    std::fs::create_dir_all(args.start.data.join("logs"))?;
    let root = std::fs::canonicalize(&args.start.data)?;
    let log_path = root.join("logs/daemon.log");
    let out =
        File::options().create(true).append(true).open(&log_path).with_context(|| log_path.display().to_string())?;
    let said_before = out.metadata()?.len();
    let again = std::env::args_os().skip(1).filter(|arg| arg != "--detach");
    let mut child = Command::new(std::env::current_exe()?);
    child.args(again).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
    std::os::unix::process::CommandExt::process_group(&mut child, 0);
    let mut child = child.spawn().context("starting the daemon")?;
    let began = Instant::now();
    // A fleet is there when the first of its agents can be; without one there is one node.
    let running = |record: Record| record.nodes.values().filter(|member| !member.is_stopped).count();
    let patience = if args.demo { READY_MAX + demo::READY_MAX } else { READY_MAX };
    while began.elapsed() < patience {
        if let Some(status) = child.try_wait()? {
            eprintln!("the daemon did not start; {} says:\n{}", log_path.display(), tail(&log_path, said_before));
            let code = status.code().and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0);
            return Ok(code.map_or(ExitCode::FAILURE, ExitCode::from));
        }
        let count = Record::load(&root)?.map_or(1, running);
        if let Ok(daemon) = data::read(&root)
            && daemon.pid == child.id()
            && crate::daemon::ready::are_ready(&daemon, &root, count)
            && daemon.demo.is_some() == args.demo
        {
            println!("Masthead is up (process {}, log in {}).", daemon.pid, log_path.display());
            print!("{}What to type next:\n{}", facts(&daemon), next(&daemon, &root));
            daemon.demo.iter().for_each(tell);
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let (seconds, log) = (patience.as_secs(), log_path.display());
    bail!("the daemon was not ready within {seconds} s, and goes on; {log} says:\n{}", tail(&log_path, said_before))
}

/// The last lines of a log that came after its first `from` bytes.
fn tail(path: &Path, from: u64) -> String {
    const LINES: usize = 20;
    let bytes = std::fs::read(path).unwrap_or_else(|error| error.to_string().into_bytes());
    let text = String::from_utf8_lossy(bytes.get(usize::try_from(from).unwrap_or(0)..).unwrap_or_default());
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
