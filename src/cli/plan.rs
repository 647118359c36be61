//! `masthead plan`: what a commit would change, as text, JSON or Markdown; its exit code tells whether anything.

use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;
use serde_json::Value;

use crate::cli::block_on;
use crate::cli::exit;
use crate::cli::target::with_query;
use crate::client::error::Error;
use crate::client::locate;
use crate::client::rest::Rest;

/// The exit code when the plan could not be made (`kubectl diff`: greater than 1).
const FAILED: u8 = 2;

/// How it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A unified diff per object.
    Text,
    /// For programs.
    Json,
    /// For a comment on a pull request.
    Markdown,
}

/// Arguments of `plan`. Exit codes are those of `kubectl diff`: 0 nothing would change, 1 something would, 2 an error.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A branch, tag or commit of the repository [default: the tracked branch].
    #[arg(value_name = "REF", default_value = "", hide_default_value = true)]
    pub reference: String,
    /// How to print.
    #[arg(short = 'o', long, value_enum, default_value = "text")]
    pub output: Output,
    /// The control plane.
    #[command(flatten)]
    pub server: locate::Args,
}

/// Prints the plan.
///
/// # Errors
/// None: they are told with exit code 2.
pub fn run(args: Args) -> Result<ExitCode> {
    let done = block_on(async move {
        let rest = Rest::find(&args.server)?;
        let path = |format: &str| {
            with_query("/apis/masthead.dev/v1/plan", &[("ref", args.reference.as_str()), ("format", format)])
        };
        let plan = match rest.get(&path("json")).await {
            Ok(plan) => plan,
            Err(error) if matches!(error.downcast_ref::<Error>(), Some(Error::Status { .. })) => {
                eprintln!("{error}");
                return Ok(ExitCode::from(FAILED));
            }
            Err(error) => return Err(error),
        };
        // The commit is named by its id, so that both answers are about the same one.
        let id = plan.pointer("/commit/id").and_then(Value::as_str).unwrap_or(&args.reference).to_owned();
        let exact =
            |format: &str| with_query("/apis/masthead.dev/v1/plan", &[("ref", id.as_str()), ("format", format)]);
        match args.output {
            Output::Json => println!("{}", serde_json::to_string_pretty(&plan)?),
            Output::Text => print!("{}", rest.text(&exact("text")).await?),
            Output::Markdown => print!("{}", rest.text(&exact("markdown")).await?),
        }
        Ok(ExitCode::from(code(&plan)))
    });
    match done {
        Ok(code) => Ok(code),
        Err(error) => {
            exit::report(&error);
            Ok(ExitCode::from(FAILED))
        }
    }
}

fn code(plan: &Value) -> u8 {
    if plan["problems"].as_array().is_some_and(|problems| !problems.is_empty()) {
        return FAILED;
    }
    let changes = ["create", "change", "replace", "delete", "hooks"]
        .iter()
        .any(|what| plan["summary"][*what].as_u64().unwrap_or_default() > 0);
    u8::from(changes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::code;

    #[test]
    fn the_exit_code_is_that_of_kubectl_diff() {
        let plan = |delete: u64, problems: serde_json::Value| json!({"summary": {"create": 0, "change": 0, "replace": 0, "delete": delete, "unchanged": 5}, "problems": problems});
        assert_eq!(code(&plan(0, json!([]))), 0);
        assert_eq!(code(&plan(2, json!([]))), 1);
        assert_eq!(code(&plan(2, json!([{"path": "x"}]))), 2);
    }
}
