//! `masthead delete`: deletes what no commit asks for, pods above all, and waits until it is gone.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use masthead_api::kind::Kind;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::cli::block_on;
use crate::cli::target::{self, Namespace, collection, display, object, with_query};
use crate::cli::words;
use crate::client::error::Error;
use crate::client::locate;
use crate::client::rest::{JSON, Rest};

/// How long a delete waits when no time is given (kubectl's week for `--timeout=0`).
const WAIT_MAX: Duration = Duration::from_secs(7 * 86_400);

/// Arguments of `delete`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TYPE NAME…, or TYPE/NAME….
    #[arg(required = true, value_name = "TYPE")]
    pub what: Vec<String>,
    /// Where to look.
    #[command(flatten)]
    pub namespace: Namespace,
    /// All objects with these labels.
    #[arg(short = 'l', long, default_value = "", hide_default_value = true)]
    pub selector: String,
    /// All objects of the type in the namespace.
    #[arg(long)]
    pub all: bool,
    /// Seconds that a pod may take to end; its own when negative.
    #[arg(long, default_value_t = -1, allow_hyphen_values = true)]
    pub grace_period: i64,
    /// With --grace-period=0: do not wait for the node's word that the pod has ended.
    #[arg(long)]
    pub force: bool,
    /// The shortest grace, one second.
    #[arg(long)]
    pub now: bool,
    /// Wait until it is gone.
    #[arg(long, default_value = "true", default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    pub wait: bool,
    /// How long to wait; 0s is for ever.
    #[arg(long, default_value = "0s")]
    pub timeout: String,
    /// What becomes of dependents: background, foreground or orphan.
    #[arg(long, default_value = "background")]
    pub cascade: String,
    /// Say nothing about names that do not exist.
    #[arg(long)]
    pub ignore_not_found: bool,
    /// `name`: print only kind and name.
    #[arg(short = 'o', long, value_parser = ["name"])]
    pub output: Option<String>,
    /// The control plane.
    #[command(flatten)]
    pub server: locate::Args,
}

/// Deletes.
///
/// # Errors
/// The words make no sense, or the control plane cannot be reached.
pub fn run(args: Args) -> Result<ExitCode> {
    block_on(async move {
        let rest = Rest::find(&args.server)?;
        let options = options(&args)?;
        let (mut failed, mut waiting) = (false, Vec::new());
        if args.force {
            eprintln!(
                "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource may continue to run on the cluster indefinitely."
            );
        }
        for (kind, name) in chosen(&args, &rest).await? {
            match rest.delete(&object(kind, &args.namespace.namespace, &name), &options).await {
                Ok(answer) => {
                    tell(&args, kind, &name);
                    waiting.push((kind, name, uid(&answer)));
                }
                Err(error) => match error.downcast_ref::<Error>() {
                    Some(refused)
                        if refused.is_not_found()
                            && (args.ignore_not_found || args.all || !args.selector.is_empty()) => {}
                    Some(refused @ Error::Status { .. }) => {
                        eprintln!("{refused}");
                        failed = true;
                    }
                    _ => return Err(error),
                },
            }
        }
        if args.wait {
            let lasts = Some(words::duration(&args.timeout)?).filter(|time| !time.is_zero()).unwrap_or(WAIT_MAX);
            let until = Instant::now() + lasts;
            for (kind, name, uid) in waiting {
                let Ok(ended) = timeout_at(until, gone(&rest, kind, &args.namespace.namespace, &name, &uid)).await
                else {
                    bail!("timed out waiting for the condition on {}/{name}", kind.info().plural);
                };
                ended?;
            }
        }
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    })
}

fn tell(args: &Args, kind: Kind, name: &str) {
    let info = kind.info();
    let what =
        if info.group.is_empty() { info.singular.to_owned() } else { format!("{}.{}", info.singular, info.group) };
    match (&args.output, args.force) {
        (Some(_), _) => println!("{}", display(kind, name)),
        (None, true) => println!("{what} {name:?} force deleted"),
        (None, false) => println!("{what} {name:?} deleted"),
    }
}

/// The body of the delete; what kubectl makes of its flags.
fn options(args: &Args) -> Result<Value> {
    if args.now && args.grace_period >= 0 {
        bail!("--now and --grace-period cannot be specified together");
    }
    if args.force && args.grace_period > 0 {
        bail!("--force and --grace-period greater than 0 cannot be specified together");
    }
    let propagation = match args.cascade.as_str() {
        "background" | "true" => "Background",
        "foreground" => "Foreground",
        "orphan" | "false" => "Orphan",
        other => bail!("invalid cascade value ({other}). Must be \"background\", \"foreground\", or \"orphan\""),
    };
    let mut options = json!({ "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation });
    let grace_s = match (args.grace_period, args.force, args.now) {
        (_, _, true) => Some(1),
        (_, true, _) => Some(0),
        // Without --force a grace of zero would not wait for the node.
        (0, ..) => Some(1),
        (given, ..) if given > 0 => Some(given),
        _ => None,
    };
    if let Some(grace_s) = grace_s {
        options["gracePeriodSeconds"] = grace_s.into();
    }
    Ok(options)
}

async fn chosen(args: &Args, rest: &Rest) -> Result<Vec<(Kind, String)>> {
    let asked = target::parse(&args.what)?;
    let mut out = Vec::new();
    for asked in asked {
        match (asked.names.is_empty(), args.all || !args.selector.is_empty()) {
            (false, true) => bail!("name cannot be provided when a selector or --all is specified"),
            (false, false) => out.extend(asked.names.into_iter().map(|name| (asked.kind, name))),
            (true, false) => bail!("resource(s) were provided, but no name was specified"),
            (true, true) => {
                let path = with_query(
                    &collection(asked.kind, &args.namespace.namespace),
                    &[("labelSelector", &args.selector)],
                );
                let found = rest.list(&path).await?;
                let names = found.iter().filter_map(|item| item.pointer("/metadata/name")?.as_str().map(str::to_owned));
                out.extend(names.map(|name| (asked.kind, name)));
            }
        }
    }
    if out.is_empty() {
        println!("No resources found");
    }
    Ok(out)
}

fn uid(answer: &Value) -> String {
    let uid = answer.pointer("/metadata/uid").or_else(|| answer.pointer("/details/uid"));
    uid.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Waits until the object of this uid is no longer there.
async fn gone(rest: &Rest, kind: Kind, namespace: &str, name: &str, uid: &str) -> Result<()> {
    let is_it = |object: &Value| uid.is_empty() || object.pointer("/metadata/uid").and_then(Value::as_str) == Some(uid);
    loop {
        let found = match rest.get(&object(kind, namespace, name)).await {
            Ok(found) if is_it(&found) => found,
            Ok(_) => return Ok(()),
            Err(error) if error.downcast_ref::<Error>().is_some_and(Error::is_not_found) => return Ok(()),
            Err(error) => return Err(error),
        };
        let revision = found.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
        let by_name = format!("metadata.name={name}");
        let path = with_query(
            &collection(kind, namespace),
            &[("watch", "true"), ("resourceVersion", revision), ("fieldSelector", &by_name)],
        );
        let mut events = rest.stream(&path, JSON).await?;
        // A watch that ends begins anew from what is there.
        while let Some(event) = events.line().await? {
            match event["type"].as_str() {
                Some("DELETED") if is_it(&event["object"]) => return Ok(()),
                Some("ERROR") => break,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn flags_become_options_as_kubectl_s_do() {
        let check = |flags: &str, expect: Option<&str>| {
            let line =
                Line::try_parse_from(["delete", "pod", "a"].into_iter().chain(flags.split_whitespace())).unwrap();
            let options = options(&line.args)
                .ok()
                .map(|o| format!("{} {}", o["propagationPolicy"].as_str().unwrap(), o["gracePeriodSeconds"]));
            assert_eq!(options.as_deref(), expect, "{flags}");
        };
        check("", Some("Background null"));
        check("--grace-period=5", Some("Background 5"));
        check("--grace-period=0", Some("Background 1"));
        check("--grace-period=0 --force", Some("Background 0"));
        check("--force", Some("Background 0"));
        check("--now", Some("Background 1"));
        check("--now --grace-period=3", None);
        check("--force --grace-period=3", None);
        check("--cascade=orphan", Some("Orphan null"));
        check("--cascade=x", None);
        let line = Line::try_parse_from(["delete", "pod", "a", "--wait=false"]).unwrap();
        assert!(!line.args.wait);
    }
}
