//! `masthead logs`: prints what containers wrote, of one pod or of all that a selector finds.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use masthead_api::kind::registry::POD;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::cli::block_on;
use crate::cli::target::{Namespace, collection, object, pod_of_several, with_query};
use crate::cli::words;
use crate::client::error::Error;
use crate::client::locate;
use crate::client::rest::Rest;

/// Lines of each container when many are asked for (kubectl's default with a selector).
const TAIL_OF_MANY: i64 = 10;

/// Arguments of `logs`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// POD, or TYPE/NAME of something that selects pods, and maybe a container.
    #[arg(value_name = "POD", num_args = 0..=2)]
    pub what: Vec<String>,
    /// Where to look.
    #[command(flatten)]
    pub namespace: Namespace,
    /// Go on as the log grows.
    #[arg(short = 'f', long)]
    pub follow: bool,
    /// The log of the container before its last restart.
    #[arg(short = 'p', long)]
    pub previous: bool,
    /// The container.
    #[arg(short = 'c', long, default_value = "", hide_default_value = true)]
    pub container: String,
    /// All containers of the pod.
    #[arg(long, conflicts_with = "container")]
    pub all_containers: bool,
    /// Only the last lines; all with -1.
    #[arg(long, allow_hyphen_values = true)]
    pub tail: Option<i64>,
    /// Only lines younger than this, such as 5s, 2m or 3h.
    #[arg(long, value_name = "DURATION")]
    pub since: Option<String>,
    /// Only lines after this time (RFC 3339).
    #[arg(long, value_name = "TIME", conflicts_with = "since", default_value = "", hide_default_value = true)]
    pub since_time: String,
    /// Begin each line with its time.
    #[arg(long)]
    pub timestamps: bool,
    /// Begin each line with pod and container.
    #[arg(long)]
    pub prefix: bool,
    /// Stop after this many bytes.
    #[arg(long, default_value_t = 0)]
    pub limit_bytes: u64,
    /// Of all pods with these labels.
    #[arg(short = 'l', long, default_value = "", hide_default_value = true)]
    pub selector: String,
    /// How many logs may be followed at once.
    #[arg(long, default_value_t = 5)]
    pub max_log_requests: usize,
    /// The control plane.
    #[command(flatten)]
    pub server: locate::Args,
}

/// Prints logs.
///
/// # Errors
/// There is no such pod, or the control plane cannot be reached.
pub fn run(args: Args) -> Result<ExitCode> {
    block_on(async move {
        let rest = Arc::new(Rest::find(&args.server)?);
        let sources = sources(&args, &rest).await?;
        if args.follow && sources.len() > args.max_log_requests {
            bail!(
                "you are attempting to follow {} log streams, but maximum allowed concurrency is {}, use --max-log-requests to increase the limit",
                sources.len(),
                args.max_log_requests
            );
        }
        if !args.follow || sources.len() == 1 {
            for source in sources {
                source.copy(&rest).await?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        let mut copies = JoinSet::new();
        for source in sources {
            let rest = rest.clone();
            copies.spawn(async move { source.copy(&rest).await });
        }
        while let Some(done) = copies.join_next().await {
            done??;
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// One log.
struct Source {
    path: String,
    prefix: String,
}

impl Source {
    async fn copy(&self, rest: &Rest) -> Result<()> {
        let mut pieces = rest.stream(&self.path, "application/json, */*").await?;
        let mut line = Vec::new();
        while let Some(bytes) = pieces.chunk().await? {
            if self.prefix.is_empty() {
                write(&bytes)?;
                continue;
            }
            for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
                line.extend_from_slice(piece);
                if piece.ends_with(b"\n") {
                    write(&[self.prefix.as_bytes(), &line].concat())?;
                    line.clear();
                }
            }
        }
        if !line.is_empty() {
            write(&[self.prefix.as_bytes(), &line, b"\n"].concat())?;
        }
        Ok(())
    }
}

fn write(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    Ok(out.flush()?)
}

async fn sources(args: &Args, rest: &Rest) -> Result<Vec<Source>> {
    let namespace = &args.namespace.namespace;
    let pods = match (args.what.first(), args.selector.as_str()) {
        (None, "") => bail!(
            "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]': POD or TYPE/NAME is a required argument for the logs command"
        ),
        (Some(_), selector) if !selector.is_empty() => bail!("only a selector (-l) or a POD name is allowed"),
        (Some(word), _) => {
            let found = pod_of_several(rest, namespace, word).await;
            let (pod, count) = found.map_err(|error| missing(error, namespace))?;
            if count > 1 {
                let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
                eprintln!("Found {count} pods, using pod/{name}");
            }
            vec![pod]
        }
        (None, selector) => {
            let found = rest.list(&with_query(&collection(POD, namespace), &[("labelSelector", selector)])).await?;
            if found.is_empty() {
                eprintln!("No resources found in {namespace} namespace.");
            }
            found
        }
    };
    let asked = args.what.get(1).map_or(args.container.as_str(), String::as_str);
    let since = args
        .since
        .as_deref()
        .map(words::duration)
        .transpose()?
        .map(|since| since.as_secs().max(1).to_string())
        .unwrap_or_default();
    let many = !args.selector.is_empty();
    let tail = args
        .tail
        .or(many.then_some(TAIL_OF_MANY))
        .filter(|tail| *tail >= 0)
        .map(|tail| tail.to_string())
        .unwrap_or_default();
    let limit = if args.limit_bytes > 0 { args.limit_bytes.to_string() } else { String::new() };
    let on = |flag: bool| if flag { "true" } else { "" };
    let mut out = Vec::new();
    for pod in &pods {
        let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        for container in containers(args, pod, asked)? {
            let parameters = [
                ("container", container.as_str()),
                ("follow", on(args.follow)),
                ("previous", on(args.previous)),
                ("timestamps", on(args.timestamps)),
                ("tailLines", &tail),
                ("sinceSeconds", &since),
                ("sinceTime", &args.since_time),
                ("limitBytes", &limit),
            ];
            let path = with_query(&format!("{}/log", object(POD, namespace, name)), &parameters);
            let prefix = if args.prefix { format!("[pod/{name}/{container}] ") } else { String::new() };
            out.push(Source { path, prefix });
        }
    }
    Ok(out)
}

/// kubectl's own words for a pod that is not there.
fn missing(error: anyhow::Error, namespace: &str) -> anyhow::Error {
    match error.downcast_ref::<Error>() {
        Some(Error::Status { code: 404, reason, message, .. }) => {
            anyhow!("error from server ({reason}): {message} in namespace {namespace:?}")
        }
        _ => error,
    }
}

fn containers(args: &Args, pod: &Value, asked: &str) -> Result<Vec<String>> {
    let names = |field: &str| words::names(pod.pointer(field));
    if args.all_containers {
        return Ok([names("/spec/initContainers"), names("/spec/containers")].concat());
    }
    if asked.is_empty() {
        return Ok(vec![words::default_container(pod, true)]);
    }
    let all = [names("/spec/initContainers"), names("/spec/containers"), names("/spec/ephemeralContainers")].concat();
    if !all.iter().any(|known| known == asked) {
        let pod = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        bail!("container {asked} is not valid for pod {pod}");
    }
    Ok(vec![asked.to_owned()])
}
