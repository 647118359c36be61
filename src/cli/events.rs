//! `masthead events`: what happened, the newest last, of all objects or of one.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::ValueEnum;
use masthead_api::kind::registry::{EVENT, POD};
use masthead_api::meta::Time;
use masthead_api::table::age::human;
use serde_json::Value;

use crate::cli::block_on;
use crate::cli::tabular::Tabular;
use crate::cli::target::{self, Namespace, collection, with_query};
use crate::client::locate;
use crate::client::rest::{JSON, Rest};
use crate::clock;
use crate::git::text;

/// How events are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// Arguments of `events`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where to look.
    #[command(flatten)]
    pub namespace: Namespace,
    /// In all namespaces.
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Only of this object, TYPE/NAME.
    #[arg(long = "for", value_name = "TYPE/NAME")]
    pub about: Option<String>,
    /// Only of these types: Normal, Warning.
    #[arg(long, value_delimiter = ',')]
    pub types: Vec<String>,
    /// Go on printing.
    #[arg(short = 'w', long)]
    pub watch: bool,
    /// Print no header.
    #[arg(long)]
    pub no_headers: bool,
    /// How to print.
    #[arg(short = 'o', long, value_enum)]
    pub output: Option<Output>,
    /// The control plane.
    #[command(flatten)]
    pub server: locate::Args,
}

/// Prints events.
///
/// # Errors
/// The control plane cannot be reached.
pub fn run(args: Args) -> Result<ExitCode> {
    block_on(async move {
        let rest = Rest::find(&args.server)?;
        let namespace = if args.all_namespaces { "" } else { &args.namespace.namespace };
        let fields = fields(&args)?;
        let list = rest.get(&with_query(&collection(EVENT, namespace), &[("fieldSelector", &fields)])).await?;
        let mut events: Vec<Value> = list["items"].as_array().cloned().unwrap_or_default();
        events.retain(|event| wanted(&args, event));
        events.sort_by_key(last_seen);
        match args.output {
            Some(Output::Json) => println!(
                "{}",
                serde_json::to_string_pretty(
                    &serde_json::json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": events })
                )?
            ),
            Some(Output::Yaml) => print!(
                "{}",
                masthead_yaml::emit::to_string(
                    &serde_json::json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": events })
                )
            ),
            None if events.is_empty() && !args.watch => {
                let place = if args.all_namespaces { String::new() } else { format!(" in {namespace} namespace") };
                eprintln!("No events found{place}.");
            }
            None => {}
        }
        if args.output.is_some() {
            return Ok(ExitCode::SUCCESS);
        }
        let mut tabular = Tabular::default();
        let mut lines =
            if args.no_headers || events.is_empty() && !args.watch { Vec::new() } else { vec![header(&args)] };
        lines.extend(events.iter().map(|event| row(&args, event)));
        print!("{}", tabular.lines(&lines));
        if args.watch {
            let revision = list.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
            let path = with_query(
                &collection(EVENT, namespace),
                &[("watch", "true"), ("resourceVersion", revision), ("fieldSelector", &fields)],
            );
            let mut stream = rest.stream(&path, JSON).await?;
            while let Some(event) = stream.line().await? {
                match event["type"].as_str() {
                    Some("ERROR") => bail!(
                        "{}",
                        event.pointer("/object/message").and_then(Value::as_str).unwrap_or("the watch failed")
                    ),
                    Some("ADDED" | "MODIFIED") if wanted(&args, &event["object"]) => {
                        print!("{}", tabular.lines(&[row(&args, &event["object"])]))
                    }
                    _ => {}
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn fields(args: &Args) -> Result<String> {
    let Some(about) = &args.about else { return Ok(String::new()) };
    let (kind, name) = target::one(about, POD)?;
    let info = kind.info();
    Ok(format!(
        "involvedObject.kind={},involvedObject.apiVersion={},involvedObject.name={name}",
        info.kind,
        info.api_version()
    ))
}

fn wanted(args: &Args, event: &Value) -> bool {
    let type_ = event["type"].as_str().unwrap_or_default();
    args.types.is_empty() || args.types.iter().any(|wanted| wanted.eq_ignore_ascii_case(type_))
}

fn time(event: &Value, field: &str) -> Option<Time> {
    event[field].as_str().and_then(Time::parse)
}

/// When an event came last; some writers fill only one of the fields.
pub fn last_seen(event: &Value) -> Time {
    let created = || event.pointer("/metadata/creationTimestamp").and_then(Value::as_str).and_then(Time::parse);
    time(event, "lastTimestamp").or_else(|| time(event, "eventTime")).or_else(created).unwrap_or_default()
}

/// `5m`, or `5m (x3 over 10m)` for what came again (`getInterval` of kubectl).
pub fn interval(event: &Value, now: Time) -> String {
    let created = || event.pointer("/metadata/creationTimestamp").and_then(Value::as_str).and_then(Time::parse);
    let first = time(event, "eventTime").or_else(|| time(event, "firstTimestamp")).or_else(created).unwrap_or_default();
    match event["count"].as_i64() {
        Some(count) if count > 1 => {
            format!("{} (x{count} over {})", human(now.since(last_seen(event))), human(now.since(first)))
        }
        _ => human(now.since(first)),
    }
}

fn header(args: &Args) -> Vec<String> {
    let all = ["NAMESPACE", "LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"];
    all.iter().skip(usize::from(!args.all_namespaces)).map(|name| (*name).to_owned()).collect()
}

fn row(args: &Args, event: &Value) -> Vec<String> {
    let text =
        |path: &str| text::line(event.pointer(path).and_then(Value::as_str).unwrap_or_default().trim()).into_owned();
    let mut out = Vec::new();
    if args.all_namespaces {
        out.push(text("/metadata/namespace"));
    }
    let object = format!("{}/{}", text("/involvedObject/kind"), text("/involvedObject/name"));
    out.extend([interval(event, Time(clock::now_s())), text("/type"), text("/reason"), object, text("/message")]);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn repeats_are_told_as_kubectl_tells_them() {
        let now = Time::parse("2026-11-21T09:00:00Z").unwrap();
        let check = |event: Value, expect: &str| assert_eq!(interval(&event, now), expect);
        check(
            json!({"count": 1, "firstTimestamp": "2026-11-21T08:59:00Z", "lastTimestamp": "2026-11-21T08:59:00Z"}),
            "60s",
        );
        check(
            json!({"count": 3, "firstTimestamp": "2026-11-21T08:50:00Z", "lastTimestamp": "2026-11-21T08:58:00Z"}),
            "2m (x3 over 10m)",
        );
        check(json!({"eventTime": "2026-11-21T08:58:00.5Z"}), "2m");
        check(json!({"metadata": {"creationTimestamp": "2026-11-21T08:57:00Z"}}), "3m");
    }
}
