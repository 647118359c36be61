//! `masthead get`: prints objects as kubectl does, from the server's tables or as JSON, YAML and names.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Error, Result, anyhow, bail};
use masthead_api::kind::Kind;
use masthead_api::table::text::{Options, Printer};
use serde_json::{Value, json};

use crate::cli::block_on;
use crate::cli::jsonpath::print;
use crate::cli::output::{Output, Outputs};
use crate::cli::sort;
use crate::cli::target::{self, Asked, Namespace, collection, display, object, with_query};
use crate::client::error::Error as Refused;
use crate::client::locate;
use crate::client::rest::{JSON, Rest, TABLE};

/// Arguments of `get`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TYPE[,TYPE] [NAME…], TYPE/NAME…, or `all`.
    #[arg(required_unless_present = "raw", value_name = "TYPE")]
    pub what: Vec<String>,
    /// Print what the server answers to this path, as it is.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["what", "output", "watch"])]
    pub raw: Option<String>,
    /// Where to look.
    #[command(flatten)]
    pub namespace: Namespace,
    /// In all namespaces.
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Only objects with these labels.
    #[arg(short = 'l', long, default_value = "", hide_default_value = true)]
    pub selector: String,
    /// Only objects with these fields.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub field_selector: String,
    /// How to print.
    #[arg(short = 'o', long, value_name = "FORMAT", value_parser = Outputs)]
    pub output: Option<Output>,
    /// Go on printing changes.
    #[arg(short = 'w', long)]
    pub watch: bool,
    /// Print labels in a last column.
    #[arg(long)]
    pub show_labels: bool,
    /// Print a column for each of these labels.
    #[arg(short = 'L', long, value_name = "KEY", value_delimiter = ',')]
    pub label_columns: Vec<String>,
    /// Print no header.
    #[arg(long)]
    pub no_headers: bool,
    /// Print the kind before each name.
    #[arg(long)]
    pub show_kind: bool,
    /// Ask for so many objects at a time; 0 for all at once.
    #[arg(long, value_name = "COUNT", default_value_t = 500)]
    pub chunk_size: u32,
    /// Sort by a field, such as `.metadata.creationTimestamp`.
    #[arg(long, value_name = "PATH")]
    pub sort_by: Option<String>,
    /// Say nothing about names that do not exist.
    #[arg(long)]
    pub ignore_not_found: bool,
    /// The control plane.
    #[command(flatten)]
    pub server: locate::Args,
}

/// Prints.
///
/// # Errors
/// The control plane cannot be reached, or the words make no sense.
pub fn run(args: Args) -> Result<ExitCode> {
    block_on(async move {
        if let Some(path) = &args.raw {
            say(&Rest::find(&args.server)?.text(path).await?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let asked = target::parse(&args.what)?;
        let rest = Rest::find(&args.server)?;
        if !(args.selector.is_empty() && args.field_selector.is_empty())
            && asked.iter().any(|one| !one.names.is_empty())
        {
            bail!("name cannot be provided when a selector is specified");
        }
        if args.all_namespaces && asked.iter().any(|asked| !asked.names.is_empty()) {
            bail!("a resource cannot be retrieved by name across all namespaces");
        }
        if args.watch && (asked.len() > 1 || asked.iter().any(|asked| asked.names.len() > 1)) {
            bail!("you may only specify a single resource or type of resource to watch");
        }
        match &args.output {
            None | Some(Output::Wide) => Get { args: &args, rest: &rest }.tables(&asked).await,
            Some(output) => objects(&args, &rest, &asked, output).await,
        }
    })
}

/// The path of what is asked for, and what selects from it.
fn list_path(args: &Args, kind: Kind, extra: &[(&str, &str)]) -> String {
    let namespace = if args.all_namespaces { "" } else { &args.namespace.namespace };
    let mut parameters =
        vec![("labelSelector", args.selector.as_str()), ("fieldSelector", args.field_selector.as_str())];
    parameters.extend(extra);
    with_query(&collection(kind, namespace), &parameters)
}

/// kubectl's own words around what the server says of a list that cannot be had.
fn unlisted(args: &Args, kind: Kind, error: Error) -> Error {
    match error.downcast::<Refused>() {
        Ok(Refused::Status { code, reason, message, details })
            if ["BadRequest", "NotFound"].contains(&reason.as_str()) =>
        {
            let info = kind.info();
            let what = format!("{}/{}, Resource={}", info.group, info.version, info.plural);
            let message = match (args.selector.as_str(), args.field_selector.as_str()) {
                ("", "") => format!("Unable to list {what:?}: {message}"),
                (labels, fields) => format!(
                    "Unable to find {what:?} that match label selector {labels:?}, field selector {fields:?}: {message}"
                ),
            };
            Refused::Status { code, reason, message, details }.into()
        }
        Ok(other) => other.into(),
        Err(error) => error,
    }
}

/// A list, page by page; `rows` or `items` of all pages stand in the first.
async fn listed(args: &Args, rest: &Rest, kind: Kind, extra: (&str, &str), accept: &str) -> Result<Value> {
    let limit = if args.chunk_size == 0 { String::new() } else { args.chunk_size.to_string() };
    let page = async |next: &str| {
        let path = list_path(args, kind, &[extra, ("limit", &limit), ("continue", next)]);
        rest.get_as(&path, accept).await.map_err(|error| unlisted(args, kind, error))
    };
    let next = |list: &Value| list.pointer("/metadata/continue").and_then(Value::as_str).map(str::to_owned);
    let mut all = page("").await?;
    let mut more = next(&all);
    while let Some(token) = more.filter(|token| !token.is_empty()) {
        let mut list = page(&token).await?;
        more = next(&list);
        for field in ["rows", "items"] {
            if let (Some(all), Some(found)) = (all[field].as_array_mut(), list[field].as_array_mut()) {
                all.append(found);
            }
        }
    }
    Ok(all)
}

fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

struct Get<'a> {
    args: &'a Args,
    rest: &'a Rest,
}

impl Get<'_> {
    async fn tables(self, asked: &[Asked]) -> Result<ExitCode> {
        let (mut failed, mut printed) = (false, false);
        let mut revision = String::new();
        let mut tables = Vec::new();
        for one in asked {
            tables.extend(self.table(one, &mut failed).await?.map(|table| (one.kind, table)));
        }
        let several = self.args.show_kind || tables.iter().any(|(kind, _)| *kind != tables[0].0);
        let mut printer = Printer::default();
        for (kind, table) in &tables {
            // Each kind has a table of its own.
            printer = Printer::new(self.options(*kind, several));
            revision =
                table.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
            let text = printer.document(table);
            if !text.is_empty() {
                let gap = if std::mem::replace(&mut printed, true) { "\n" } else { "" };
                say(&format!("{gap}{text}"))?;
            }
        }
        if let (true, [one]) = (self.args.watch, asked) {
            return self.watch(one, &revision, printer).await;
        }
        if !printed && !failed && asked.iter().all(|asked| asked.names.is_empty()) {
            let scoped = asked.iter().any(|asked| asked.kind.info().namespaced) && !self.args.all_namespaces;
            let place =
                if scoped { format!(" in {} namespace.", self.args.namespace.namespace) } else { String::new() };
            eprintln!("No resources found{place}");
        }
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn options(&self, kind: Kind, several: bool) -> Options {
        Options {
            wide: self.args.output == Some(Output::Wide),
            no_headers: self.args.no_headers,
            show_labels: self.args.show_labels,
            label_columns: self.args.label_columns.clone(),
            with_namespace: self.args.all_namespaces && kind.info().namespaced,
            kind: several.then_some(kind),
        }
    }

    /// One table of all that is asked for of a kind; names that do not exist are told and counted.
    async fn table(&self, asked: &Asked, failed: &mut bool) -> Result<Option<Value>> {
        let include = if self.args.sort_by.is_some() { "Object" } else { "" };
        let mut table: Option<Value> = None;
        if asked.names.is_empty() {
            table = Some(listed(self.args, self.rest, asked.kind, ("includeObject", include), TABLE).await?);
        }
        for name in &asked.names {
            let path =
                with_query(&object(asked.kind, &self.args.namespace.namespace, name), &[("includeObject", include)]);
            let Some(mut one) = found(self.args, self.rest.get_as(&path, TABLE).await, failed)? else { continue };
            match &mut table {
                None => table = Some(one),
                Some(table) => {
                    if let (Some(all), Some(more)) = (table["rows"].as_array_mut(), one["rows"].as_array_mut()) {
                        all.append(more);
                    }
                }
            }
        }
        if let (Some(path), Some(rows)) =
            (&self.args.sort_by, table.as_mut().and_then(|table| table["rows"].as_array_mut()))
        {
            sort::rows(rows, path)?;
        }
        Ok(table)
    }

    async fn watch(self, asked: &Asked, revision: &str, mut printer: Printer) -> Result<ExitCode> {
        let by_name = asked.names.first().map(|name| format!("metadata.name={name}")).unwrap_or_default();
        let fields = [self.args.field_selector.as_str(), by_name.as_str()]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(",");
        let namespace = if self.args.all_namespaces { "" } else { &self.args.namespace.namespace };
        let parameters = [
            ("watch", "true"),
            ("resourceVersion", revision),
            ("labelSelector", &self.args.selector),
            ("fieldSelector", &fields),
        ];
        let mut events = self.rest.stream(&with_query(&collection(asked.kind, namespace), &parameters), TABLE).await?;
        while let Some(event) = events.line().await? {
            match event["type"].as_str() {
                Some("BOOKMARK") => continue,
                Some("ERROR") => {
                    bail!("{}", event.pointer("/object/message").and_then(Value::as_str).unwrap_or("the watch failed"))
                }
                _ => {}
            }
            let text = printer.document(&event["object"]);
            say(&text)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// An answer, or `None` for what does not exist, which is told.
fn found(args: &Args, answer: Result<Value>, failed: &mut bool) -> Result<Option<Value>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.downcast_ref::<Refused>() {
            Some(refused) if refused.is_not_found() => {
                if !args.ignore_not_found {
                    eprintln!("{refused}");
                    *failed = true;
                }
                Ok(None)
            }
            _ => Err(error),
        },
    }
}

async fn objects(args: &Args, rest: &Rest, asked: &[Asked], output: &Output) -> Result<ExitCode> {
    let mut failed = false;
    let mut items = Vec::new();
    let single = matches!(asked, [one] if one.names.len() == 1);
    let mut revision = String::new();
    for asked in asked {
        if asked.names.is_empty() {
            let mut list = listed(args, rest, asked.kind, ("", ""), JSON).await?;
            revision = list.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
            if let Value::Array(found) = list["items"].take() {
                items.extend(found);
            }
        }
        for name in &asked.names {
            items.extend(found(
                args,
                rest.get(&object(asked.kind, &args.namespace.namespace, name)).await,
                &mut failed,
            )?);
        }
    }
    if let Some(path) = &args.sort_by {
        sort::objects(&mut items, path)?;
    }
    if single && items.is_empty() {
        return Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    if let Output::Columns(columns) = output {
        say(&columns.table(&items, !args.no_headers).map_err(|why| anyhow!(why))?)?;
    } else if *output == Output::Name {
        say(&items.iter().map(|item| name_of(item) + "\n").collect::<String>())?;
    } else if single {
        say(&written(&items[0], output)?)?;
    } else {
        let list = json!({ "apiVersion": "v1", "kind": "List", "metadata": { "resourceVersion": "" }, "items": items });
        say(&written(&list, output)?)?;
    }
    if let (true, [one]) = (args.watch, asked) {
        return watch_objects(args, rest, one, output, &revision).await;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn watch_objects(args: &Args, rest: &Rest, asked: &Asked, output: &Output, revision: &str) -> Result<ExitCode> {
    let namespace = if args.all_namespaces { "" } else { &args.namespace.namespace };
    let by_name = asked.names.first().map(|name| format!("metadata.name={name}")).unwrap_or_default();
    let fields = if by_name.is_empty() { &args.field_selector } else { &by_name };
    let parameters = [
        ("watch", "true"),
        ("resourceVersion", revision),
        ("labelSelector", args.selector.as_str()),
        ("fieldSelector", fields.as_str()),
    ];
    let mut events = rest.stream(&with_query(&collection(asked.kind, namespace), &parameters), JSON).await?;
    while let Some(event) = events.line().await? {
        match (event["type"].as_str(), output) {
            (Some("BOOKMARK"), _) => {}
            (Some("ERROR"), _) => {
                bail!("{}", event.pointer("/object/message").and_then(Value::as_str).unwrap_or("the watch failed"))
            }
            (_, Output::Name) => say(&(name_of(&event["object"]) + "\n"))?,
            (_, Output::Yaml) => say(&format!("---\n{}", written(&event["object"], output)?))?,
            _ => say(&written(&event["object"], output)?)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// An object as JSON, YAML or what a template makes of it, without the field managers that nobody reads.
fn written(value: &Value, output: &Output) -> Result<String> {
    let mut value = value.clone();
    let strip = |item: &mut Value| {
        if let Some(meta) = item.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.remove("managedFields");
        }
    };
    strip(&mut value);
    for item in value.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
        strip(item);
    }
    match output {
        Output::Yaml => return Ok(masthead_yaml::emit::to_string(&value)),
        Output::Jsonpath(template) => return print::print(template, &value).map_err(|why| anyhow!(why)),
        Output::JsonpathAsJson(template) => return print::print_json(template, &value).map_err(|why| anyhow!(why)),
        Output::Columns(columns) => return columns.table([&value], false).map_err(|why| anyhow!(why)),
        Output::Json | Output::Name | Output::Wide => {}
    }
    let mut out = Vec::new();
    let mut writer =
        serde_json::Serializer::with_formatter(&mut out, serde_json::ser::PrettyFormatter::with_indent(b"    "));
    // Writing JSON into memory cannot fail: the keys of a Value are texts.
    let _ = serde::Serialize::serialize(&value, &mut writer);
    Ok(String::from_utf8_lossy(&out).into_owned() + "\n")
}

fn name_of(item: &Value) -> String {
    let text = |path: &str| item.pointer(path).and_then(Value::as_str).unwrap_or_default();
    match Kind::by_gvk(text("/apiVersion"), text("/kind")) {
        Some(kind) => display(kind, text("/metadata/name")),
        None => format!("{}/{}", text("/kind").to_lowercase(), text("/metadata/name")),
    }
}
