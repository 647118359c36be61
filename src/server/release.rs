//! Masthead's own paths about releases and origins: run the tests of a release, tell where each field comes from.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::extract::{Json, Path, Query, State as Shared};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::StreamExt;
use masthead_api::meta::Time;
use masthead_plan::sync::installed::Installed;
use masthead_plan::sync::release::ReleaseKey;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::server::state::State;
use crate::server::status::Failure;
use crate::sync::blame::{self, About};
use crate::sync::test::{self, Asked, TOLD_WAITING_MAX};

/// The routes.
pub fn routes() -> Router<State> {
    Router::new()
        .route("/apis/masthead.dev/v1/namespaces/{namespace}/releases/{name}/test", post(run_tests))
        .route("/apis/masthead.dev/v1/blame", get(blame_of))
}

/// Runs the tests of a release: a line about the release, then one when a test begins and one when it has ended.
async fn run_tests(
    Shared(state): Shared<State>,
    Path((namespace, name)): Path<(String, String)>,
    Json(asked): Json<Asked>,
) -> Result<Response, Failure> {
    let key = ReleaseKey { namespace, name };
    let (installed, tests) = test::prepare(&state.sync, &state.store, &key, asked).map_err(|error| match error {
        test::Error::NotFound => Failure::new(StatusCode::NOT_FOUND, "NotFound", error.to_string()),
        test::Error::Busy(_) => Failure::conflict(error.to_string()),
        test::Error::Broken(..) => Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", error.to_string()),
    })?;
    let first = format!("{}\n", release(&state, &key, &installed));
    let (tx, rx) = mpsc::channel(TOLD_WAITING_MAX);
    tokio::spawn(tests.run(tx));
    let lines = ReceiverStream::new(rx).map(|tested| format!("{}\n", json!({ "test": tested })));
    let lines = futures::stream::once(std::future::ready(first)).chain(lines);
    let body = Body::from_stream(lines.map(Ok::<_, Infallible>));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// A release as `helm status` describes it.
fn release(state: &State, key: &ReleaseKey, installed: &Installed) -> Value {
    let record = state.view.commit(&installed.commit);
    let deployed = record.map(|record| Time(record.finished_s.unwrap_or(record.started_s)));
    let status = match &installed.run {
        None => "deployed",
        Some(run) if run.failed.is_some() => "failed",
        Some(run) if run.pre.name() == "pre-install" => "pending-install",
        Some(run) if run.pre.name() == "pre-rollback" => "pending-rollback",
        Some(run) if run.digest.is_none() => "uninstalling",
        Some(_) => "pending-upgrade",
    };
    json!({ "release": {
        "name": key.name, "namespace": key.namespace, "status": status,
        "commit": installed.commit, "lastDeployed": deployed,
    } })
}

#[derive(Deserialize)]
struct Blamed {
    file: Option<String>,
    kind: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
}

/// The lines of an object, or of all objects of a file, each with where it comes from.
async fn blame_of(Shared(state): Shared<State>, Query(asked): Query<Blamed>) -> Result<Json<Value>, Failure> {
    let bad = |why: &str| Failure::bad_request(why.to_owned());
    let about = match (asked.file, asked.kind, asked.name) {
        (Some(file), None, None) => About::File(file),
        (None, Some(kind), Some(name)) => {
            let kind =
                masthead_api::kind::Kind::by_alias(&kind).ok_or_else(|| bad(&format!("there is no kind {kind:?}")))?;
            let namespace = asked.namespace.unwrap_or_default();
            About::Object(masthead_api::key::ObjectKey::new(kind, namespace, name))
        }
        _ => return Err(bad("a file, or a kind and a name, is asked for")),
    };
    let sync = state.sync.clone();
    // It reads the object database.
    let done = tokio::task::spawn_blocking(move || blame::blame(&sync, &about)).await.map_err(Failure::internal)?;
    let items = done.map_err(|error| match error {
        blame::Error::NotFound(_) => Failure::new(StatusCode::NOT_FOUND, "NotFound", error.to_string()),
        blame::Error::Git(_) | blame::Error::Source(_) => Failure::internal(error),
    })?;
    Ok(Json(json!({ "apiVersion": "masthead.dev/v1", "kind": "Blame", "items": items })))
}
