//! Deletes → guarded writes; every other write → the place in git where it belongs.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::Response;
use masthead_api::change::Change;
use masthead_api::decode::protobuf;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Kind;
use masthead_api::kind::registry::{EVENT, LEASE, NODE, POD, REPLICA_SET};
use masthead_api::meta::{DeleteOptions, Time};
use masthead_api::object::Object;
use masthead_plan::cluster::view::{Applied, controller_of};
use masthead_plan::delete::{self, Propagation};
use masthead_store::objects::{Batch, Error};
use serde_json::{Value, json};

use crate::clock;
use crate::server::path::Target;
use crate::server::query::Query;
use crate::server::read;
use crate::server::state::State;
use crate::server::status::Failure;

/// How often a delete is decided anew when the object keeps changing under it.
const ATTEMPTS: usize = 16;

/// Deletes one object that no commit asks for.
///
/// # Errors
/// 403 for what git asks for, 404, 409.
pub async fn delete(
    state: &State,
    kind: Kind,
    target: &Target,
    query: &Query,
    body: &Bytes,
) -> Result<Response, Failure> {
    let options = options(query, body)?;
    let propagation = propagation(&options)?;
    state.settle(None).await?;
    for _ in 0..ATTEMPTS {
        let live = read::live(state, kind, target)?;
        may_delete(state, &live)?;
        preconditions(&live, &options)?;
        if !options.dry_run.is_empty() {
            return Ok(read::json_response(&live.value()));
        }
        let now = Time(clock::now_s());
        let change = delete::delete(&live, options.grace_period_seconds, propagation, now, "asked for through the API")
            .map_err(Failure::internal)?;
        // Under way already, and this wish adds nothing.
        let Some(change) = change else { return Ok(read::json_response(&live.value())) };
        let after = match &change {
            Change::Update { object, .. } => Some(object.clone()),
            _ => None,
        };
        match state.store.apply(Batch { changes: vec![change], ..Batch::default() }).await {
            Ok(revision) => {
                state.settle(Some(revision.0)).await?;
                return Ok(deleted(&live, after, revision.0));
            }
            Err(Error::Conflict { .. }) => {
                let newest = state.store.kv().revision().await.map_err(|error| read::unavailable(&error))?;
                state.settle(Some(newest.0)).await?;
            }
            Err(error) => {
                return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", error.to_string()));
            }
        }
    }
    Err(Failure::conflict(format!("{} kept changing while it was to be deleted", live_name(kind, &target.name))))
}

fn live_name(kind: Kind, name: &str) -> String {
    format!("{} {name:?}", kind.info().qualified_plural())
}

/// Kubernetes answers the object where it is returned or still there, else a success with its uid.
fn deleted(live: &Arc<Object>, after: Option<Arc<Object>>, revision: u64) -> Response {
    let info = live.kind().info();
    if let Some(after) = after {
        return read::json_response(&Object::clone(&after).at(revision).value());
    }
    if live.kind() == POD {
        return read::json_response(&Object::clone(live).at(revision).value());
    }
    let mut details = json!({ "name": live.key().name, "kind": info.plural, "uid": live.meta().uid });
    if !info.group.is_empty() {
        details["group"] = info.group.into();
    }
    read::json_response(
        &json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details }),
    )
}

/// `DeleteOptions` of the body, and what the query says besides.
fn options(query: &Query, body: &Bytes) -> Result<DeleteOptions, Failure> {
    let mut options = if body.is_empty() {
        DeleteOptions::default()
    } else {
        serde_json::from_slice(body)
            .map_err(|error| Failure::bad_request(format!("couldn't get version/kind; json parse error: {error}")))?
    };
    options.grace_period_seconds = options.grace_period_seconds.or(query.int("gracePeriodSeconds")?);
    if options.propagation_policy.is_none() {
        options.propagation_policy = query.get("propagationPolicy").map(str::to_owned);
    }
    if query.dry_run("DeleteOptions")? {
        options.dry_run = vec!["All".to_owned()];
    }
    Ok(options)
}

fn propagation(options: &DeleteOptions) -> Result<Propagation, Failure> {
    match (options.propagation_policy.as_deref(), options.orphan_dependents) {
        (None, Some(true)) | (Some("Orphan"), _) => Ok(Propagation::Orphan),
        (None, _) | (Some("Background"), _) => Ok(Propagation::Background),
        (Some("Foreground"), _) => Ok(Propagation::Foreground),
        (Some(other), _) => Err(Failure::bad_request(format!(
            "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: {other:?}"
        ))),
    }
}

fn preconditions(live: &Object, options: &DeleteOptions) -> Result<(), Failure> {
    let Some(wanted) = &options.preconditions else { return Ok(()) };
    let name = live_name(live.kind(), &live.key().name);
    let refuse = |what: &str, wanted: &str, is: &str| {
        Err(Failure::conflict(format!(
            "Operation cannot be fulfilled on {name}: Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {is}"
        )))
    };
    if let Some(uid) = wanted.uid.as_ref().filter(|uid| **uid != live.meta().uid) {
        return refuse("UID", uid, &live.meta().uid);
    }
    let revision = live.revision().to_string();
    match &wanted.resource_version {
        Some(wanted) if *wanted != revision => refuse("ResourceVersion", wanted, &revision),
        _ => Ok(()),
    }
}

/// What git asks for goes only by a commit. What controllers and agents made may be deleted: they know what to do.
fn may_delete(state: &State, live: &Object) -> Result<(), Failure> {
    let applied = state.view.read().applied_of(live.key()).cloned();
    if let Some(applied) = applied {
        let why = format!("{}: remove it there, commit and push", asked_by(state, &applied));
        return Err(forbidden(live.kind(), &live.key().name, &why));
    }
    let kind = live.kind();
    if kind == POD
        || kind == EVENT
        || kind == LEASE
        || kind == NODE
        || (kind == REPLICA_SET && controller_of(live).is_some())
    {
        return Ok(());
    }
    let why = format!(
        "the API of this cluster is the git repository {} (branch {}), and objects are removed there",
        state.sync.tracked.url, state.sync.tracked.branch
    );
    Err(forbidden(kind, &live.key().name, &why))
}

fn asked_by(state: &State, applied: &Applied) -> String {
    let commit = applied.commit.get(..10).unwrap_or(&applied.commit);
    format!("commit {commit} of {} asks for it at {}", state.sync.tracked.url, applied.origin)
}

fn forbidden(kind: Kind, name: &str, why: &str) -> Failure {
    let info = kind.info();
    let mut details = json!({ "name": name, "kind": info.plural });
    if !info.group.is_empty() {
        details["group"] = info.group.into();
    }
    let subject = if name.is_empty() { info.qualified_plural() } else { live_name(kind, name) };
    Failure::forbidden(format!("{subject} is forbidden: {why}")).details(details)
}

/// Refuses a create, update or patch: it belongs into git.
pub fn refuse(state: &State, kind: Kind, target: &Target, body: &Bytes) -> Failure {
    let key = ObjectKey::new(kind, target.namespace.as_str(), name_of(kind, target, body));
    let applied = state.view.read().applied_of(&key).cloned();
    let repository = format!("{} (branch {})", state.sync.tracked.url, state.sync.tracked.branch);
    let why = match applied {
        Some(applied) => format!(
            "the API of this cluster is the git repository {repository}: edit {}, commit and push",
            applied.origin
        ),
        None => {
            format!("the API of this cluster is the git repository {repository}: add a manifest there, commit and push")
        }
    };
    forbidden(kind, &key.name, &why)
}

fn name_of(kind: Kind, target: &Target, body: &Bytes) -> String {
    if !target.name.is_empty() {
        return target.name.clone();
    }
    let value: Option<Value> = protobuf::read(kind, body).ok().or_else(|| serde_json::from_slice(body).ok());
    value.as_ref().and_then(|v| v.pointer("/metadata/name")).and_then(Value::as_str).unwrap_or_default().to_owned()
}
