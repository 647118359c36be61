//! `masthead revert`: makes the commit that takes another back, pushes it, and follows it to its outcome.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use masthead_plan::sync::guard::CONFIRM_TRAILER;
use serde_json::{Value, json};

use crate::cli::block_on;
use crate::cli::paint::Paint;
use crate::cli::status::{self, outcome};
use crate::client::locate;
use crate::client::rest::{JSON, Rest, encode};
use crate::git::text;
use crate::sync::telling::Telling;

/// Arguments of `revert`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The commit to take back.
    #[arg(value_name = "COMMIT")]
    pub commit: String,
    /// Confirm what the revert would otherwise be refused for, as in `--confirm delete`.
    #[arg(long, value_name = "WORD")]
    pub confirm: Vec<String>,
    /// Do not follow it.
    #[arg(long)]
    pub no_wait: bool,
    /// The control plane.
    #[command(flatten)]
    pub server: locate::Args,
}

/// Makes the revert; exit code 1 when it does not end healthy.
///
/// # Errors
/// It cannot be made.
pub fn run(args: Args) -> Result<ExitCode> {
    block_on(async move {
        let rest = Rest::find(&args.server)?;
        let (author, email) = identity();
        // Followed from before, so that nothing is missed.
        let mut lines = rest.stream(&format!("{}?watch=true", status::PATH), JSON).await?;
        let body = json!({ "author": author, "email": email, "confirm": args.confirm });
        let path = format!("/apis/masthead.dev/v1/commits/{}/revert", encode(&args.commit));
        let made = match rest.post(&path, &body).await {
            Ok(made) => made,
            Err(error) => {
                // What is told of trailers is for those who write the message themselves.
                if let Some(word) = confirmation(&error.to_string()) {
                    eprintln!("{error}\n`masthead revert {} --confirm {word}` confirms it", args.commit);
                    return Ok(ExitCode::FAILURE);
                }
                return Err(error);
            }
        };
        let Some(id) = made["commit"].as_str() else { bail!("the control plane did not say which commit it made") };
        println!("{} takes {} back", id.get(..10).unwrap_or(id), args.commit);
        if args.no_wait {
            return Ok(ExitCode::SUCCESS);
        }
        let (mut telling, began) = (Telling::default(), Instant::now());
        while let Some(status) = lines.line().await? {
            let record = if status.pointer("/commit/commit/id").and_then(Value::as_str) == Some(id) {
                status["commit"].clone()
            } else {
                // A newer one may have come at once; the list knows ours as well.
                let commits = rest.get("/apis/masthead.dev/v1/commits").await?;
                let found = commits["items"].as_array().and_then(|items| {
                    items.iter().find(|r| r.pointer("/commit/id").and_then(Value::as_str) == Some(id)).cloned()
                });
                let Some(found) = found else { continue };
                found
            };
            let rollout: Vec<String> = status["rollout"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
            let now_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            let mut lines = telling.take(now_ms, rollout);
            let code = ended(&record);
            if code.is_some() {
                lines.extend(telling.rest());
            }
            for line in lines {
                println!("  {}", text::line(&line));
            }
            if let Some(code) = code {
                println!("{}", outcome(&record, Paint::of_stdout()));
                for line in record["detail"].as_str().unwrap_or_default().lines() {
                    println!("  {}", text::line(line));
                }
                return Ok(code);
            }
        }
        bail!("the control plane ended the answer before the outcome was known; see masthead log")
    })
}

/// What a refusal asks to be confirmed, if anything.
fn confirmation(refusal: &str) -> Option<&str> {
    let (_, rest) = refusal.split_once(&format!("{CONFIRM_TRAILER}: "))?;
    rest.split(|c: char| !c.is_ascii_alphanumeric()).next().filter(|word| !word.is_empty())
}

fn ended(record: &Value) -> Option<ExitCode> {
    match record["outcome"].as_str()? {
        "applying" | "progressing" => None,
        "healthy" => Some(ExitCode::SUCCESS),
        _ => Some(ExitCode::FAILURE),
    }
}

/// Who git says the user is.
fn identity() -> (Option<String>, Option<String>) {
    let config = git2::Config::open_default().ok();
    let get = |name: &str| config.as_ref().and_then(|config| config.get_string(name).ok());
    (get("user.name"), get("user.email"))
}

#[cfg(test)]
mod tests {
    use super::confirmation;

    #[test]
    fn what_is_to_be_confirmed_is_found_in_the_refusal() {
        let refusal =
            "needs a confirmation: …; to confirm, add the trailer \"Masthead-Confirm: delete\" to the commit message";
        assert_eq!(confirmation(refusal), Some("delete"));
        assert_eq!(confirmation("pods \"a\" not found"), None);
    }
}
