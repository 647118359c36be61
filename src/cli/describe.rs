//! `masthead describe`: an object and what belongs to it, as kubectl describes them.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use masthead_api::core::event::Event;
use masthead_api::describe::{self, Related};
use masthead_api::kind::Kind;
use masthead_api::kind::registry::{
    DEPLOYMENT, ENDPOINT_SLICE, EVENT, INGRESS, INGRESS_CLASS, LEASE, NODE, POD, REPLICA_SET, SECRET, SERVICE,
    SERVICE_ACCOUNT,
};
use masthead_api::meta::Time;
use masthead_api::object::Object;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::block_on;
use crate::cli::target::{self, Namespace, collection, object, with_query};
use crate::client::error::Error;
use crate::client::locate;
use crate::client::rest::Rest;
use crate::clock;

/// Where nodes beat.
const NODE_LEASES: &str = "kube-node-lease";

/// Arguments of `describe`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TYPE [NAME or its beginning…], or TYPE/NAME….
    #[arg(required = true, value_name = "TYPE")]
    pub what: Vec<String>,
    /// Where to look.
    #[command(flatten)]
    pub namespace: Namespace,
    /// In all namespaces.
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Only objects with these labels.
    #[arg(short = 'l', long, default_value = "", hide_default_value = true)]
    pub selector: String,
    /// Leave events out with `--show-events=false`.
    #[arg(long, default_value = "true", default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    pub show_events: bool,
    /// The control plane.
    #[command(flatten)]
    pub server: locate::Args,
}

/// Prints descriptions.
///
/// # Errors
/// The control plane cannot be reached.
pub fn run(args: Args) -> Result<ExitCode> {
    block_on(async move {
        let asked = target::parse(&args.what)?;
        let rest = Rest::find(&args.server)?;
        let named = asked.iter().any(|asked| !asked.names.is_empty());
        let scope: Vec<Kind> = asked.iter().map(|asked| asked.kind).collect();
        let (mut failed, mut texts) = (false, Vec::new());
        for asked in asked {
            if asked.names.is_empty() {
                let namespace = if args.all_namespaces { "" } else { &args.namespace.namespace };
                let path = with_query(&collection(asked.kind, namespace), &[("labelSelector", &args.selector)]);
                for value in rest.list(&path).await? {
                    texts.push(text(&args, &rest, value).await?);
                }
            }
            for name in &asked.names {
                match found(&args, &rest, asked.kind, name).await {
                    Ok(values) => {
                        for value in values {
                            texts.push(text(&args, &rest, value).await?);
                        }
                    }
                    Err(error) if error.downcast_ref::<Error>().is_some_and(Error::is_not_found) => {
                        eprintln!("{error}");
                        failed = true;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        print!("{}", texts.join("\n\n"));
        if texts.is_empty() && !named {
            let place = match args.all_namespaces || scope.iter().all(|kind| !kind.info().namespaced) {
                true => String::new(),
                false => format!(" in {} namespace.", args.namespace.namespace),
            };
            eprintln!("No resources found{place}");
        }
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    })
}

/// The object of a name, else all whose names begin with it.
async fn found(args: &Args, rest: &Rest, kind: Kind, name: &str) -> Result<Vec<Value>> {
    let missing = match rest.get(&object(kind, &args.namespace.namespace, name)).await {
        Ok(value) => return Ok(vec![value]),
        Err(error) if error.downcast_ref::<Error>().is_some_and(Error::is_not_found) => error,
        Err(error) => return Err(error),
    };
    let mut all = rest.list(&collection(kind, &args.namespace.namespace)).await?;
    all.retain(|value| {
        value.pointer("/metadata/name").and_then(Value::as_str).is_some_and(|known| known.starts_with(name))
    });
    if all.is_empty() { Err(missing) } else { Ok(all) }
}

async fn text(args: &Args, rest: &Rest, value: Value) -> Result<String> {
    let object = Object::from_value(value).context("the control plane sent an object of an unknown kind")?;
    let (kind, key) = (object.kind(), object.key().clone());
    let namespace = key.namespace.as_str();
    let events: Option<Vec<Event>> =
        if args.show_events { Some(typed(rest, &events_path(&object)).await?) } else { None };
    let pods = match kind {
        REPLICA_SET => typed(rest, &collection(POD, namespace)).await?,
        NODE => {
            typed(rest, &with_query(&collection(POD, ""), &[("fieldSelector", &format!("spec.nodeName={}", key.name))]))
                .await?
        }
        _ => Vec::new(),
    };
    let replica_sets =
        if kind == DEPLOYMENT { typed(rest, &collection(REPLICA_SET, namespace)).await? } else { Vec::new() };
    let slices = match kind {
        SERVICE | INGRESS => typed(rest, &collection(ENDPOINT_SLICE, namespace)).await?,
        _ => Vec::new(),
    };
    let selectable = if kind == SERVICE { Some(typed(rest, &collection(POD, namespace)).await?) } else { None };
    let services = if kind == INGRESS { typed(rest, &collection(SERVICE, namespace)).await? } else { Vec::new() };
    let classes = if kind == INGRESS { Some(typed(rest, &collection(INGRESS_CLASS, "")).await?) } else { None };
    let secrets = if kind == SERVICE_ACCOUNT { Some(typed(rest, &collection(SECRET, namespace)).await?) } else { None };
    let lease = if kind == NODE { lease(rest, &key.name).await? } else { None };
    let related = Related {
        events: events.as_deref(),
        pods: &pods,
        replica_sets: &replica_sets,
        endpoint_slices: &slices,
        selectable: selectable.as_deref(),
        services: &services,
        ingress_classes: classes.as_deref(),
        secrets: secrets.as_deref(),
        lease: lease.as_ref(),
    };
    Ok(describe::describe(&object, &related, Time(clock::now_s()))?)
}

fn events_path(object: &Object) -> String {
    let key = object.key();
    let mut fields = format!("involvedObject.name={},involvedObject.kind={}", key.name, key.kind.info().kind);
    if key.kind.info().namespaced {
        fields.push_str(&format!(
            ",involvedObject.namespace={},involvedObject.uid={}",
            key.namespace,
            object.meta().uid
        ));
    }
    with_query(&collection(EVENT, &key.namespace), &[("fieldSelector", &fields)])
}

async fn typed<T: DeserializeOwned>(rest: &Rest, path: &str) -> Result<Vec<T>> {
    let items = rest.list(path).await?;
    items
        .into_iter()
        .map(|item| serde_json::from_value(item).with_context(|| format!("reading what {path} answers")))
        .collect()
}

async fn lease<T: DeserializeOwned>(rest: &Rest, name: &str) -> Result<Option<T>> {
    match rest.get(&object(LEASE, NODE_LEASES, name)).await {
        Ok(value) => Ok(Some(serde_json::from_value(value)?)),
        Err(error) if error.downcast_ref::<Error>().is_some_and(Error::is_not_found) => Ok(None),
        Err(error) => bail!(error),
    }
}
