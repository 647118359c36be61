//! `masthead status`: the repository, its newest commit and what became of it, the rollout, the nodes and all troubles.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;
use masthead_api::meta::Time;
use masthead_api::table::age::human;
use serde_json::Value;

use crate::cli::block_on;
use crate::cli::paint::Paint;
use crate::cli::tabular::Tabular;
use crate::client::locate;
use crate::client::rest::{JSON, Rest};
use crate::clock;
use crate::git::text;

/// The path of the status.
pub const PATH: &str = "/apis/masthead.dev/v1/status";

/// How it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// As the API answers it, stable for scripts.
    Json,
}

/// Arguments of `status`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Print again at each change.
    #[arg(short = 'w', long)]
    pub watch: bool,
    /// How to print.
    #[arg(short = 'o', long, value_enum, default_value = "text")]
    pub output: Output,
    /// The control plane.
    #[command(flatten)]
    pub server: locate::Args,
}

/// Prints the status.
///
/// # Errors
/// The control plane cannot be reached.
pub fn run(args: Args) -> Result<ExitCode> {
    block_on(async move {
        let rest = Rest::find(&args.server)?;
        if !args.watch {
            show(args.output, &rest.get(PATH).await?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut lines = rest.stream(&format!("{PATH}?watch=true"), JSON).await?;
        while let Some(status) = lines.line().await? {
            if args.output == Output::Text && std::io::stdout().is_terminal() {
                // The screen is cleared from the top, as `watch` does.
                print!("\x1b[H\x1b[J");
            }
            show(args.output, &status)?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn show(output: Output, status: &Value) -> Result<()> {
    match output {
        Output::Json => println!("{}", serde_json::to_string_pretty(status)?),
        Output::Text => print!("{}", text(status, clock::now_s(), Paint::of_stdout())),
    }
    Ok(())
}

/// The status for people.
pub fn text(status: &Value, now_s: i64, paint: Paint) -> String {
    let at = |path: &str| status.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let mut out = String::new();
    let folder =
        if at("/repository/path").is_empty() { String::new() } else { format!(", folder {}", at("/repository/path")) };
    out.push_str(&format!("repository  {} (branch {}{folder})\n", at("/repository/url"), at("/repository/branch")));
    if let Some(why) = status.pointer("/repository/trouble/why").and_then(Value::as_str) {
        let since = Time::parse(at("/repository/trouble/since"))
            .map_or_else(String::new, |since| format!(" for {}", human(now_s - since.0)));
        out.push_str(&paint.red(&format!("            cannot be read{since}: {}\n", text::line(why))));
        out.push_str("            the last good commit stays applied\n");
    }
    out.push_str(&format!("API         {}\n", at("/apiUrl")));
    out.push_str(&commit(&status["commit"], at("/appliedCommit"), now_s, paint));
    for line in ["/rollout", "/hooks"].iter().flat_map(|path| list(status, path)).filter_map(Value::as_str) {
        out.push_str(&format!("            {}\n", text::line(line)));
    }
    for release in list(status, "/suspended").iter().filter_map(Value::as_str) {
        out.push_str(&paint.yellow(&format!("suspended   {}: nothing of it changes\n", text::line(release))));
    }
    out.push_str(&nodes(list(status, "/nodes"), now_s, paint));
    for (key, why) in status["faults"].as_object().into_iter().flatten() {
        out.push_str(&paint.red(&format!("unreadable  {key}: {}\n", text::line(why.as_str().unwrap_or_default()))));
    }
    out
}

fn list<'a>(status: &'a Value, path: &str) -> &'a [Value] {
    status.pointer(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn commit(record: &Value, applied: &str, now_s: i64, paint: Paint) -> String {
    let text = |path: &str| record.pointer(path).and_then(Value::as_str).unwrap_or_default();
    if record.is_null() {
        return "commit      none yet: push to the branch\n".to_owned();
    }
    let id = text("/commit/id");
    let age = record["started_s"].as_i64().map(|at| format!(", {} ago", human(now_s - at))).unwrap_or_default();
    let mut out = format!(
        "commit      {} {} ({}{age})\n",
        id.get(..10).unwrap_or(id),
        text::line(text("/commit/subject")),
        text::line(text("/commit/author"))
    );
    out.push_str(&format!("            {}\n", outcome(record, paint)));
    if applied != id && !applied.is_empty() {
        out.push_str(&format!("            applied is still {}\n", applied.get(..10).unwrap_or(applied)));
    }
    for line in text("/detail").lines() {
        out.push_str(&format!("            {}\n", text::line(line)));
    }
    out
}

/// `healthy after 0.8 s: 2 to create`, coloured by what it means.
pub fn outcome(record: &Value, paint: Paint) -> String {
    let word = record["outcome"].as_str().unwrap_or("unknown");
    let painted = match word {
        "healthy" => paint.green(word),
        "failed" | "refused" => paint.red(word),
        _ => paint.yellow(word),
    };
    let took =
        record["took_ms"].as_u64().map(|ms| format!(" after {}", crate::sync::record::seconds(ms))).unwrap_or_default();
    let summary =
        record["summary"].as_str().filter(|text| !text.is_empty()).map(|text| format!(" ({text})")).unwrap_or_default();
    format!("{painted}{took}{summary}")
}

fn nodes(nodes: &[Value], now_s: i64, paint: Paint) -> String {
    if nodes.is_empty() {
        return paint.yellow("nodes       none\n");
    }
    let rows: Vec<Vec<String>> = nodes
        .iter()
        .map(|node| {
            let text = |field: &str| node[field].as_str().unwrap_or_default();
            let ready = node["ready"].as_bool().unwrap_or_default();
            let since =
                Time::parse(text("since")).map(|since| format!(" for {}", human(now_s - since.0))).unwrap_or_default();
            let state = if ready { paint.green("ready") } else { paint.red(&format!("not ready{since}")) };
            let why = if ready { String::new() } else { text("why").to_owned() };
            let pods = node["pods"].as_u64().unwrap_or_default();
            let pods = format!("{pods} {}", if pods == 1 { "pod" } else { "pods" });
            vec![text("name").to_owned(), pods, text("runtime").to_owned(), state, why]
        })
        .collect();
    let lines = Tabular::with(0, 2).lines(&rows);
    lines
        .lines()
        .enumerate()
        .map(|(i, line)| format!("{}{}\n", if i == 0 { "nodes       " } else { "            " }, line.trim_end()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_text_says_what_is_and_since_when() {
        let status = json!({
            "apiUrl": "http://127.0.0.1:7070",
            "repository": {"url": "http://127.0.0.1:7070/repo.git", "branch": "main", "path": "", "trouble": {"since": "2026-11-21T08:00:00Z", "why": "401"}},
            "appliedCommit": "1111111111aaaa",
            "commit": {"commit": {"id": "2222222222bbbb", "author": "A", "subject": "break \u{1b}[31m it"}, "outcome": "refused", "summary": "", "detail": "web.yaml:3: wrong", "started_s": 1_795_248_060_i64, "took_ms": 40},
            "rollout": ["Deployment default/web: 1 of 2 pods are available"],
            "hooks": ["Release default/shop: pre-upgrade hook Job default/migrate: runs"],
            "suspended": ["Release default/old"],
            "nodes": [{"name": "one", "ready": false, "since": "2026-11-21T08:01:00Z", "why": "silent", "pods": 3, "runtime": "embedded://1"}],
            "faults": {},
        });
        let now_s = Time::parse("2026-11-21T08:02:00Z").unwrap().0;
        let expect = "repository  http://127.0.0.1:7070/repo.git (branch main)\n            cannot be read for 2m: 401\n            the last good commit stays applied\n\
            API         http://127.0.0.1:7070\n";
        let text = text(&status, now_s, Paint::plain());
        assert!(text.starts_with(expect), "{text}");
        assert!(text.contains("            refused after 0.0 s\n            applied is still 1111111111\n            web.yaml:3: wrong\n"), "{text}");
        assert!(text.contains("            Deployment default/web: 1 of 2 pods are available\n"), "{text}");
        assert!(text.contains("            Release default/shop: pre-upgrade hook Job default/migrate: runs\nsuspended   Release default/old: nothing of it changes\n"), "{text}");
        assert!(text.contains("nodes       one  3 pods  embedded://1  not ready for 60s  silent\n"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn an_empty_cluster_says_what_to_do() {
        let text = text(&json!({"commit": null, "nodes": []}), 0, Paint::plain());
        assert!(text.contains("none yet: push to the branch") && text.contains("nodes       none"), "{text}");
    }
}
