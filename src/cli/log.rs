//! `masthead log`: the commits that were taken up, with who, when, what changed, and what became of each.

use std::process::ExitCode;

use anyhow::Result;
use masthead_api::meta::Time;
use masthead_api::table::age::human;
use serde_json::Value;

use crate::cli::block_on;
use crate::cli::paint::Paint;
use crate::cli::status::{Output, outcome};
use crate::client::locate;
use crate::client::rest::Rest;
use crate::clock;
use crate::git::text;

/// Arguments of `log`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// How many commits, the newest first.
    #[arg(short = 'n', long, default_value_t = 20)]
    pub max_count: usize,
    /// How to print.
    #[arg(short = 'o', long, value_enum, default_value = "text")]
    pub output: Output,
    /// The control plane.
    #[command(flatten)]
    pub server: locate::Args,
}

/// Prints the commits.
///
/// # Errors
/// The control plane cannot be reached.
pub fn run(args: Args) -> Result<ExitCode> {
    block_on(async move {
        let rest = Rest::find(&args.server)?;
        let found = rest.get(&format!("/apis/masthead.dev/v1/commits?limit={}", args.max_count)).await?;
        if args.output == Output::Json {
            println!("{}", serde_json::to_string_pretty(&found)?);
            return Ok(ExitCode::SUCCESS);
        }
        let paint = Paint::of_stdout();
        let items = found["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let blocks: Vec<String> = items.iter().map(|record| block(record, clock::now_s(), paint)).collect();
        print!("{}", blocks.join("\n"));
        if items.is_empty() {
            eprintln!("No commits yet.");
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn block(record: &Value, now_s: i64, paint: Paint) -> String {
    let text = |path: &str| text::line(record.pointer(path).and_then(Value::as_str).unwrap_or_default());
    let taken_s = record["started_s"].as_i64().unwrap_or_default();
    let mut out =
        format!("{} {}  {}\n", paint.yellow("commit"), paint.yellow(&text("/commit/id")), outcome(record, paint));
    out.push_str(&format!("Author: {} <{}>\n", text("/commit/author"), text("/commit/email")));
    out.push_str(&format!("Taken:  {} ({} ago)\n\n", Time(taken_s), human(now_s - taken_s)));
    out.push_str(&format!("    {}\n", text("/commit/subject")));
    for line in record["hooks"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        out.push_str(&format!("    {}\n", text::line(line)));
    }
    let detail = record["detail"].as_str().unwrap_or_default();
    for line in detail.lines() {
        out.push_str(&format!("    {}\n", paint.red(&text::line(line))));
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_block_says_who_when_what_and_why() {
        let record = json!({
            "commit": {"id": "abc", "author": "Ann", "email": "a@x", "subject": "break it"}, "started_s": 1000, "took_ms": 61_000,
            "outcome": "failed", "summary": "1 to change", "detail": "Deployment default/web: ErrImagePull",
        });
        let expect = "commit abc  failed after 61 s (1 to change)\nAuthor: Ann <a@x>\nTaken:  1970-01-01T00:16:40Z (60s ago)\n\n    break it\n    Deployment default/web: ErrImagePull\n";
        assert_eq!(block(&record, 1060, Paint::plain()), expect);
    }
}
