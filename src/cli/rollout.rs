//! `masthead rollout status` and `masthead wait`: follow objects until they are as wished.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use clap::Subcommand;
use masthead_api::kind::Kind;
use masthead_api::kind::registry::DEPLOYMENT;
use masthead_api::patch::go_value::shown;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::cli::block_on;
use crate::cli::columns::in_braces;
use crate::cli::jsonpath::eval::{Found, Missing, find};
use crate::cli::jsonpath::parse::{Action, parse};
use crate::cli::target::{self, Asked, Namespace, collection, display, object, with_query};
use crate::cli::words;
use crate::client::error::Error;
use crate::client::locate;
use crate::client::rest::{JSON, Rest};

/// How long is waited when no time is given to `rollout status` (kubectl has no bound there).
const ROLLOUT_MAX: Duration = Duration::from_secs(7 * 86_400);

/// What to do with a rollout.
#[derive(Clone, Debug, Subcommand)]
pub enum Rollout {
    /// Follow a rollout to its end.
    Status(Args),
}

/// Arguments of `rollout status`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TYPE/NAME, or TYPE NAME.
    #[arg(required = true, value_name = "TYPE")]
    pub what: Vec<String>,
    /// Where to look.
    #[command(flatten)]
    pub namespace: Namespace,
    /// Only say how it stands with `--watch=false`.
    #[arg(short = 'w', long, default_value = "true", default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    pub watch: bool,
    /// How long to wait; 0s is for ever.
    #[arg(long, default_value = "0s")]
    pub timeout: String,
    /// The control plane.
    #[command(flatten)]
    pub server: locate::Args,
}

/// Arguments of `wait`.
#[derive(Clone, Debug, clap::Args)]
pub struct WaitArgs {
    /// TYPE/NAME…, or TYPE NAME….
    #[arg(required = true, value_name = "TYPE")]
    pub what: Vec<String>,
    /// Where to look.
    #[command(flatten)]
    pub namespace: Namespace,
    /// `condition=NAME[=VALUE]`, `jsonpath=PATH[=VALUE]` or `delete`.
    #[arg(long = "for", value_name = "WISH")]
    pub wish: String,
    /// How long to wait.
    #[arg(long, default_value = "30s")]
    pub timeout: String,
    /// The control plane.
    #[command(flatten)]
    pub server: locate::Args,
}

/// Runs `rollout`.
///
/// # Errors
/// The control plane cannot be reached, or the rollout came to nothing.
pub fn run(rollout: Rollout) -> Result<ExitCode> {
    let Rollout::Status(args) = rollout;
    block_on(async move {
        let asked = named(&args.what)?;
        let rest = Rest::find(&args.server)?;
        let lasts = Some(words::duration(&args.timeout)?).filter(|time| !time.is_zero()).unwrap_or(ROLLOUT_MAX);
        let until = Instant::now() + lasts;
        for asked in asked {
            if asked.kind != DEPLOYMENT {
                let (info, dot) = (asked.kind.info(), if asked.kind.info().group.is_empty() { "" } else { "." });
                bail!("no status viewer has been implemented for {}{dot}{}", info.kind, info.group);
            }
            for name in &asked.names {
                let mut told = String::new();
                let once = !args.watch;
                let step = |seen: Option<&Value>| {
                    let Some(found) = seen else {
                        // Nothing was told yet: it was never there.
                        return if told.is_empty() {
                            Err(missing(asked.kind, name).into())
                        } else {
                            Err(anyhow!("object has been deleted"))
                        };
                    };
                    let (text, done) = progress(found, name)?;
                    if text != told {
                        println!("{text}");
                        told = text;
                    }
                    Ok(done || once)
                };
                follow(&rest, asked.kind, &args.namespace.namespace, name, until, step).await?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Runs `wait`.
///
/// # Errors
/// The control plane cannot be reached, or the time is over.
pub fn wait(args: WaitArgs) -> Result<ExitCode> {
    block_on(async move {
        let (asked, wish) = (named(&args.what)?, Wish::parse(&args.wish)?);
        let rest = Rest::find(&args.server)?;
        let until = Instant::now() + words::duration(&args.timeout)?;
        for asked in asked {
            for name in &asked.names {
                let (mut uid, mut was_there) = (None, false);
                let step = |seen: Option<&Value>| {
                    was_there |= seen.is_some();
                    Ok(wish.holds(seen, &mut uid))
                };
                follow(&rest, asked.kind, &args.namespace.namespace, name, until, step).await?;
                // Of what was gone before, kubectl says nothing.
                if was_there {
                    println!("{} condition met", display(asked.kind, name));
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// The objects that words name, each by its name.
fn named(words: &[String]) -> Result<Vec<Asked>> {
    let asked = target::parse(words)?;
    if asked.iter().any(|asked| asked.names.is_empty()) {
        bail!("resource(s) were provided, but no name was specified");
    }
    Ok(asked)
}

/// Shows each state of an object until `step` says it is done.
async fn follow(
    rest: &Rest,
    kind: Kind,
    namespace: &str,
    name: &str,
    until: Instant,
    mut step: impl FnMut(Option<&Value>) -> Result<bool>,
) -> Result<()> {
    let work = async {
        loop {
            let found = match rest.get(&object(kind, namespace, name)).await {
                Ok(found) => Some(found),
                Err(error) if error.downcast_ref::<Error>().is_some_and(Error::is_not_found) => None,
                Err(error) => return Err(error),
            };
            if step(found.as_ref())? {
                return Ok(());
            }
            let Some(found) = found else { bail!(missing(kind, name)) };
            let revision = found.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
            let by_name = format!("metadata.name={name}");
            let path = with_query(
                &collection(kind, namespace),
                &[("watch", "true"), ("resourceVersion", revision), ("fieldSelector", &by_name)],
            );
            let mut events = rest.stream(&path, JSON).await?;
            // A watch that ends begins anew from what is there.
            while let Some(event) = events.line().await? {
                let done = match event["type"].as_str() {
                    Some("ADDED" | "MODIFIED") => step(Some(&event["object"]))?,
                    Some("DELETED") => step(None)?,
                    _ => break,
                };
                if done {
                    return Ok(());
                }
            }
        }
    };
    match timeout_at(until, work).await {
        Ok(done) => done,
        Err(_) => bail!("timed out waiting for the condition on {}/{name}", kind.info().plural),
    }
}

fn missing(kind: Kind, name: &str) -> Error {
    let message = format!("{} {name:?} not found", kind.info().qualified_plural());
    Error::Status { code: 404, reason: "NotFound".to_owned(), message, details: Value::Null }
}

/// What is waited for.
#[derive(Debug, PartialEq)]
enum Wish {
    Gone,
    Condition {
        name: String,
        value: String,
    },
    /// What a path finds; any value where none is given.
    Found {
        path: Vec<Action>,
        value: Option<String>,
    },
}

impl Wish {
    fn parse(text: &str) -> Result<Wish> {
        if text.eq_ignore_ascii_case("delete") {
            return Ok(Wish::Gone);
        }
        if let Some(rest) = text.strip_prefix("jsonpath=").filter(|rest| !rest.is_empty()) {
            // Within braces may be other signs of equality.
            let end = rest.rfind('}').map_or_else(|| rest.find('=').unwrap_or(rest.len()), |at| at + 1);
            let (path, value) = rest.split_at(end);
            let wrong = |why: String| anyhow!("--for {text:?}: {why}");
            let value = match value.strip_prefix('=') {
                Some(value) => Some(value.trim_matches(['\'', '"']).to_owned()),
                None if value.is_empty() => None,
                None => return Err(wrong(format!("{value:?} does not begin with \"=\""))),
            };
            let path = in_braces(path).and_then(|path| parse(&path)).map_err(wrong)?;
            return Ok(Wish::Found { path, value });
        }
        match text.strip_prefix("condition=") {
            Some(rest) if !rest.is_empty() => {
                let (name, value) = rest.split_once('=').unwrap_or((rest, "True"));
                Ok(Wish::Condition { name: name.to_owned(), value: value.to_owned() })
            }
            _ => bail!(
                "unrecognized condition: {text:?}; condition=NAME[=VALUE], jsonpath=PATH[=VALUE] and delete are supported"
            ),
        }
    }

    fn holds(&self, seen: Option<&Value>, uid: &mut Option<Value>) -> bool {
        match (self, seen) {
            (Wish::Gone, None) => true,
            (Wish::Gone, Some(object)) => {
                let now = object.pointer("/metadata/uid").cloned().unwrap_or_default();
                *uid.get_or_insert_with(|| now.clone()) != now
            }
            (Wish::Condition { .. } | Wish::Found { .. }, None) => false,
            (Wish::Found { path, value }, Some(object)) => {
                let found: Vec<Found<'_>> =
                    find(path, object, Missing::Nothing).unwrap_or_default().into_iter().flatten().collect();
                match (found.as_slice(), value) {
                    ([one], Some(value)) => !one.is_object() && !one.is_array() && shown(one) == *value,
                    ([_], None) => true,
                    _ => false,
                }
            }
            (Wish::Condition { name, value }, Some(object)) => {
                let conditions = object
                    .pointer("/status/conditions")
                    .and_then(Value::as_array)
                    .map(Vec::as_slice)
                    .unwrap_or_default();
                let text = |condition: &Value, field: &str| condition[field].as_str().unwrap_or_default().to_owned();
                let fresh = |condition: &Value| {
                    let observed = condition["observedGeneration"]
                        .as_i64()
                        .or_else(|| object.pointer("/status/observedGeneration").and_then(Value::as_i64));
                    observed.is_none_or(|observed| {
                        observed >= object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default()
                    })
                };
                conditions.iter().any(|c| {
                    text(c, "type").eq_ignore_ascii_case(name)
                        && text(c, "status").eq_ignore_ascii_case(value)
                        && fresh(c)
                })
            }
        }
    }
}

/// How a deployment stands, in kubectl's words, and whether it is done (`polymorphichelpers/rollout_status.go`).
fn progress(deployment: &Value, name: &str) -> Result<(String, bool)> {
    let number = |path: &str| deployment.pointer(path).and_then(Value::as_i64).unwrap_or_default();
    if number("/metadata/generation") > number("/status/observedGeneration") {
        return Ok(("Waiting for deployment spec update to be observed...".to_owned(), false));
    }
    let conditions =
        deployment.pointer("/status/conditions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if conditions.iter().any(|c| c["type"] == "Progressing" && c["reason"] == "ProgressDeadlineExceeded") {
        bail!("deployment {name:?} exceeded its progress deadline");
    }
    let wanted = deployment.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let (all, updated, available) =
        (number("/status/replicas"), number("/status/updatedReplicas"), number("/status/availableReplicas"));
    let lead = format!("Waiting for deployment {name:?} rollout to finish:");
    Ok(if updated < wanted {
        (format!("{lead} {updated} out of {wanted} new replicas have been updated..."), false)
    } else if all > updated {
        (format!("{lead} {} old replicas are pending termination...", all - updated), false)
    } else if available < updated {
        (format!("{lead} {available} of {updated} updated replicas are available..."), false)
    } else {
        (format!("deployment {name:?} successfully rolled out"), true)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rollout_is_told_in_kubectl_s_words() {
        let check = |status: Value, expect: &str, done: bool| {
            let deployment = json!({ "metadata": { "generation": 2 }, "spec": { "replicas": 3 }, "status": status });
            assert_eq!(progress(&deployment, "web").unwrap(), (expect.to_owned(), done));
        };
        check(json!({ "observedGeneration": 1 }), "Waiting for deployment spec update to be observed...", false);
        check(
            json!({ "observedGeneration": 2, "updatedReplicas": 1 }),
            "Waiting for deployment \"web\" rollout to finish: 1 out of 3 new replicas have been updated...",
            false,
        );
        check(
            json!({ "observedGeneration": 2, "updatedReplicas": 3, "replicas": 4 }),
            "Waiting for deployment \"web\" rollout to finish: 1 old replicas are pending termination...",
            false,
        );
        check(
            json!({ "observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 2 }),
            "Waiting for deployment \"web\" rollout to finish: 2 of 3 updated replicas are available...",
            false,
        );
        check(
            json!({ "observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 3 }),
            "deployment \"web\" successfully rolled out",
            true,
        );
        let late = json!({ "metadata": {}, "spec": {}, "status": { "conditions": [{ "type": "Progressing", "reason": "ProgressDeadlineExceeded" }] } });
        assert_eq!(
            progress(&late, "web").unwrap_err().to_string(),
            "deployment \"web\" exceeded its progress deadline"
        );
    }

    #[test]
    fn wishes_come_true() {
        let ready = |status: &str, observed: i64| json!({ "metadata": { "uid": "a", "generation": 2 }, "status": { "conditions": [{ "type": "Ready", "status": status, "observedGeneration": observed }] } });
        let wish = Wish::parse("condition=ready").unwrap();
        assert!(wish.holds(Some(&ready("True", 2)), &mut None));
        assert!(!wish.holds(Some(&ready("True", 1)), &mut None), "of an older generation");
        assert!(!wish.holds(Some(&ready("False", 2)), &mut None) && !wish.holds(None, &mut None));
        assert!(Wish::parse("condition=Ready=false").unwrap().holds(Some(&ready("False", 2)), &mut None));
        let mut uid = None;
        assert!(!Wish::Gone.holds(Some(&ready("True", 2)), &mut uid));
        assert!(
            Wish::Gone.holds(Some(&json!({ "metadata": { "uid": "b" } })), &mut uid)
                && Wish::Gone.holds(None, &mut uid)
        );
        for (text, expect) in [
            ("jsonpath={.status.phase}=Running", true),
            ("jsonpath='{.status.phase}'=Running", false),
            ("jsonpath={.status.phase}='Running'", true),
            ("jsonpath=.status.phase=Failed", false),
            ("jsonpath=.status.n=3", true),
            ("jsonpath={.status.n}", true),
            ("jsonpath={.status.nope}", false),
            ("jsonpath={.status}=x", false),
            (r#"jsonpath={.status.all[?(@.type=="a")].on}=true"#, true),
            ("jsonpath={.status.all[5].on}=true", false),
        ] {
            let object = json!({ "status": { "phase": "Running", "n": 3, "all": [{ "type": "a", "on": true }] } });
            let holds = Wish::parse(text).map(|wish| wish.holds(Some(&object), &mut None));
            assert_eq!(holds.unwrap_or(false), expect, "{text}");
        }
        assert!(Wish::parse("jsonpath={.x}y").is_err() && Wish::parse("jsonpath=").is_err());
    }
}
