//! `masthead test`: runs the test hooks of an installed release and reports as `helm test` does.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};
use masthead_api::meta::Time;
use serde_json::{Value, json};

use crate::cli::block_on;
use crate::cli::exit;
use crate::cli::target::Namespace;
use crate::cli::words;
use crate::client::error::Error;
use crate::client::locate;
use crate::client::rest::{Rest, encode};

/// How it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// As Helm prints it.
    Table,
    /// One document.
    Json,
}

/// Arguments of `test`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The release.
    #[arg(value_name = "RELEASE")]
    pub release: String,
    /// Where it is installed.
    #[command(flatten)]
    pub namespace: Namespace,
    /// Print the logs of the test pods.
    #[arg(long)]
    pub logs: bool,
    /// `name=a,name=b` runs only these, `!name=a` leaves one out.
    #[arg(id = "tests", long = "filter", value_name = "name=TEST", value_delimiter = ',')]
    pub filter: Vec<String>,
    /// How long each test may take.
    #[arg(long, default_value = "5m0s")]
    pub timeout: String,
    /// Helm's; tests print no notes here.
    #[arg(long)]
    pub hide_notes: bool,
    /// How to print.
    #[arg(short = 'o', long, value_enum, default_value = "table")]
    pub output: Output,
    /// The control plane.
    #[command(flatten)]
    pub server: locate::Args,
}

/// `masthead chart test` and what follows it.
#[derive(Parser)]
#[command(name = "masthead chart test")]
struct Alias {
    #[command(flatten)]
    args: Args,
}

/// Runs `masthead chart test` on what follows it.
pub fn main(words: &[String]) -> ExitCode {
    let line = std::iter::once("masthead chart test").chain(words.iter().map(String::as_str));
    match Alias::try_parse_from(line) {
        Ok(alias) => {
            // It comes before the program's own start.
            let _ = rustls::crypto::ring::default_provider().install_default();
            run(alias.args).unwrap_or_else(|error| exit::report(&error))
        }
        Err(error) => error.exit(),
    }
}

/// Runs the tests.
///
/// # Errors
/// The words make no sense, or the control plane cannot be reached.
pub fn run(args: Args) -> Result<ExitCode> {
    block_on(async move {
        let rest = Rest::find(&args.server)?;
        let path = format!(
            "/apis/masthead.dev/v1/namespaces/{}/releases/{}/test",
            encode(&args.namespace.namespace),
            encode(&args.release)
        );
        let mut lines = match rest.post_and_follow(&path, &body(&args)?).await {
            Ok(lines) => lines,
            Err(error) if error.downcast_ref::<Error>().is_some_and(Error::is_not_found) => {
                eprintln!("Error: release: not found");
                return Ok(ExitCode::FAILURE);
            }
            Err(error) => return Err(error),
        };
        let (mut release, mut tests) = (Value::Null, Vec::<Value>::new());
        while let Some(line) = lines.line().await? {
            if line["release"].is_object() {
                release = line["release"].clone();
            } else if line["test"].is_object() {
                // The second line about a test takes the place of the first.
                let test = line["test"].clone();
                match tests.last_mut().filter(|last| last["name"] == test["name"] && last["kind"] == test["kind"]) {
                    Some(last) => *last = test,
                    None => tests.push(test),
                }
            }
        }
        if tests.iter().any(|test| test["phase"] == "Running") {
            bail!("the control plane went away while a test ran");
        }
        match args.output {
            Output::Table => print!("{}", text(&release, &tests, args.logs)),
            Output::Json => {
                println!("{}", serde_json::to_string_pretty(&json!({ "release": release, "tests": tests }))?);
            }
        }
        let failed: Vec<&str> =
            tests.iter().filter(|test| test["phase"] == "Failed").filter_map(|test| test["error"].as_str()).collect();
        if failed.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        let lines: String = failed.iter().map(|why| format!("\t* {why}\n")).collect();
        let noun = if failed.len() == 1 { "error" } else { "errors" };
        eprintln!("Error: {} {noun} occurred:\n{lines}", failed.len());
        Ok(ExitCode::FAILURE)
    })
}

fn body(args: &Args) -> Result<Value> {
    let (mut include, mut exclude) = (Vec::new(), Vec::new());
    for filter in &args.filter {
        // Helm passes over what is neither; a test that is meant to be left out must not be run by a slip.
        match (filter.strip_prefix("name="), filter.strip_prefix('!').map(str::trim_start)) {
            (Some(name), _) => include.push(name),
            (None, Some(rest)) if rest.starts_with("name=") => exclude.push(&rest["name=".len()..]),
            _ => bail!("the filter {filter:?} is neither name=TEST nor !name=TEST"),
        }
    }
    let timeout_s = words::duration(&args.timeout)?.as_secs();
    Ok(json!({ "include": include, "exclude": exclude, "timeoutS": timeout_s, "logs": args.logs }))
}

/// As `helm test` prints it; the revision is the commit.
fn text(release: &Value, tests: &[Value], logs: bool) -> String {
    let at = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let commit = at(release, "commit");
    let mut out = format!("NAME: {}\n", at(release, "name"));
    if let Some(time) = Time::parse(&at(release, "lastDeployed")) {
        out.push_str(&format!("LAST DEPLOYED: {}\n", ansic(time)));
    }
    out.push_str(&format!("NAMESPACE: {}\nSTATUS: {}\n", at(release, "namespace"), at(release, "status")));
    out.push_str(&format!("REVISION: {}\n", commit.get(..10).unwrap_or(&commit)));
    if tests.is_empty() {
        out.push_str("TEST SUITE: None\n");
    }
    for test in tests {
        let time = |field: &str| Time::parse(&at(test, field)).map(ansic).unwrap_or_default();
        out.push_str(&format!(
            "TEST SUITE:     {}\nLast Started:   {}\nLast Completed: {}\nPhase:          {}\n",
            at(test, "name"),
            time("startedAt"),
            time("completedAt"),
            at(test, "phase")
        ));
    }
    if logs {
        for test in tests.iter().filter(|test| test["log"].is_string()) {
            out.push_str(&format!("\nPOD LOGS: {}\n{}\n", at(test, "name"), at(test, "log")));
        }
    }
    out
}

/// `Sat Nov 21 08:01:02 2026`, in UTC: Go's `time.ANSIC`.
fn ansic(time: Time) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // `2026-11-21T08:01:02Z`
    let text = time.to_string();
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default().to_owned();
    let number = |range: std::ops::Range<usize>| part(range).parse::<usize>().unwrap_or(1);
    let day = usize::try_from(time.0.div_euclid(86_400).rem_euclid(7)).unwrap_or(0);
    let month = MONTHS[(number(5..7) - 1).min(11)];
    format!("{} {month} {:2} {} {}", DAYS[day], number(8..10), part(11..19), part(0..4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Args {
        let words = ["x"].into_iter().chain(line.split_whitespace());
        Alias::try_parse_from(words).map(|alias| alias.args).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn flags_are_helms() {
        let asked = body(&parse("shop --filter name=a,name=b,!name=c --timeout 90s --logs -n prod")).expect("good");
        assert_eq!(asked, json!({"include": ["a", "b"], "exclude": ["c"], "timeoutS": 90, "logs": true}));
        assert_eq!(body(&parse("shop")).expect("good")["timeoutS"], 300);
        assert!(body(&parse("shop --filter kind=x")).is_err());
    }

    #[test]
    fn the_report_is_helms() {
        let release = json!({"name": "shop", "namespace": "prod", "status": "deployed", "commit": "0123456789abcdef",
            "lastDeployed": "2026-11-21T08:01:02Z"});
        let test = json!({"name": "shop-test", "phase": "Succeeded", "startedAt": "2026-11-01T00:00:00Z",
            "completedAt": "1970-01-01T00:00:09Z", "log": "fine\n"});
        let head = "NAME: shop\nLAST DEPLOYED: Sat Nov 21 08:01:02 2026\nNAMESPACE: prod\nSTATUS: deployed\nREVISION: 0123456789\n";
        let suite = "TEST SUITE:     shop-test\nLast Started:   Sun Nov  1 00:00:00 2026\nLast Completed: Thu Jan  1 00:00:09 1970\nPhase:          Succeeded\n";
        assert_eq!(text(&release, std::slice::from_ref(&test), false), format!("{head}{suite}"));
        assert_eq!(text(&release, &[test], true), format!("{head}{suite}\nPOD LOGS: shop-test\nfine\n\n"));
        assert_eq!(text(&release, &[], true), format!("{head}TEST SUITE: None\n"));
    }
}
