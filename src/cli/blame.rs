//! `masthead blame`: each line of a live object with the commit, author, file and line it comes from.

use std::process::ExitCode;

use anyhow::{Result, bail};
use masthead_api::kind::Kind;
use serde_json::Value;

use crate::cli::block_on;
use crate::cli::paint::Paint;
use crate::cli::status::Output;
use crate::cli::target::{Namespace, with_query};
use crate::client::locate;
use crate::client::rest::Rest;
use crate::git::text;
use crate::source::trace;

/// Arguments of `blame`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// KIND/NAME of an object, or a file of the repository.
    #[arg(value_name = "KIND/NAME|FILE")]
    pub what: String,
    /// Only this field and what is in it: `spec.template.spec.containers[0].image`.
    #[arg(value_name = "FIELD")]
    pub field: Option<String>,
    /// Where to look.
    #[command(flatten)]
    pub namespace: Namespace,
    /// How to print.
    #[arg(short = 'o', long, value_enum, default_value = "text")]
    pub output: Output,
    /// The control plane.
    #[command(flatten)]
    pub server: locate::Args,
}

/// Prints who wrote what.
///
/// # Errors
/// There is no such object, file or field, or the control plane cannot be reached.
pub fn run(args: Args) -> Result<ExitCode> {
    block_on(async move {
        let rest = Rest::find(&args.server)?;
        let namespace = &args.namespace.namespace;
        let path = match object(&args.what) {
            Some((kind, name)) => with_query(BLAME, &[("kind", kind), ("namespace", namespace), ("name", name)]),
            None => with_query(BLAME, &[("file", &args.what)]),
        };
        let mut found = rest.get(&path).await?;
        let items = found["items"].as_array_mut().map(Vec::as_mut_slice).unwrap_or_default();
        if let Some(field) = &args.field {
            for item in items.iter_mut() {
                if let Some(lines) = item["lines"].as_array_mut() {
                    lines.retain(|line| trace::is_in(line["field"].as_str().unwrap_or_default(), field));
                }
            }
            if items.iter().all(|item| item["lines"].as_array().is_none_or(Vec::is_empty)) {
                bail!("{} has no field {field}", args.what);
            }
        }
        match args.output {
            Output::Json => println!("{}", serde_json::to_string_pretty(&found)?),
            Output::Text => {
                let several = items.len() > 1;
                for item in items.iter() {
                    if several {
                        println!("# {}", text::line(item["about"].as_str().unwrap_or_default()));
                    }
                    print!("{}", text(item["lines"].as_array().map_or(&[][..], Vec::as_slice), Paint::of_stdout()));
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

const BLAME: &str = "/apis/masthead.dev/v1/blame";

/// `deploy/web` → its kind and name; none for the path of a file.
fn object(what: &str) -> Option<(&str, &str)> {
    let (kind, name) = what.split_once('/')?;
    let is_file = [".yaml", ".yml", ".json", ".tpl", ".txt", ".lock"].iter().any(|end| name.ends_with(end));
    (!is_file && !name.contains('/') && Kind::by_alias(kind).is_some()).then_some((kind, name))
}

/// Lines as readers of `git blame` expect them: commit, author, day, origin, text.
fn text(lines: &[Value], paint: Paint) -> String {
    let heads: Vec<[String; 4]> = lines.iter().map(head).collect();
    let widths: [usize; 4] =
        std::array::from_fn(|i| heads.iter().map(|head| head[i].chars().count()).max().unwrap_or(0));
    let mut out = String::new();
    for (line, head) in lines.iter().zip(&heads) {
        let cell = |i: usize| format!("{}{}", head[i], " ".repeat(widths[i] - head[i].chars().count()));
        let commit = if line["commit"].is_string() { paint.yellow(&cell(0)) } else { cell(0) };
        let text = text::line(line["text"].as_str().unwrap_or_default());
        out.push_str(&format!("{commit} ({} {} {}) {text}\n", cell(1), cell(2), cell(3)));
    }
    out
}

fn head(line: &Value) -> [String; 4] {
    let at = |field: &str| text::line(line[field].as_str().unwrap_or_default()).into_owned();
    let commit = at("commit");
    let place = match (at("origin"), at("values"), at("valuesOrigin")) {
        (origin, values, _) if values.is_empty() => origin,
        (origin, values, from) if from.is_empty() => format!("{origin} {values}"),
        (origin, values, from) => format!("{origin} {values} {from}"),
    };
    if line["by"] != "git" {
        return ["-".repeat(10), at("by"), String::new(), String::new()];
    }
    // A line of a chart that is elsewhere and that nothing pins has no commit.
    let commit = commit.get(..10).map_or_else(|| "-".repeat(10), str::to_owned);
    [commit, at("author"), at("time").get(..10).unwrap_or_default().to_owned(), place]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_name_objects_or_files() {
        let check = |what: &str, expect: Option<(&str, &str)>| assert_eq!(object(what), expect, "{what}");
        check("deploy/web", Some(("deploy", "web")));
        check("configmap/a.b", Some(("configmap", "a.b")));
        check("apps/web.yaml", None);
        check("pods/web.yaml", None);
        check("charts/web/values.yaml", None);
        check("web.yaml", None);
    }

    #[test]
    fn lines_stand_in_columns() {
        let lines = [
            json!({"text": "spec:", "by": "git", "commit": "0123456789abcdef", "author": "Ada", "time": "2026-11-21T08:01:02Z",
                "origin": "a.yaml:3", "values": ".Values.x", "valuesOrigin": "v.yaml:1"}),
            json!({"text": "  y: 1", "by": "default"}),
        ];
        assert_eq!(
            text(&lines, Paint::plain()),
            "0123456789 (Ada     2026-11-21 a.yaml:3 .Values.x v.yaml:1) spec:\n---------- (default                                       )   y: 1\n"
        );
    }
}
