//! Masthead's own paths below `/apis/masthead.dev/v1`: status, commits, plans, reverts, tokens, and the web hook.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::extract::{Json, Path, Query, RawQuery, State as Shared};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::StreamExt;
use masthead_api::core::node::Node;
use masthead_api::kind::Resource;
use masthead_plan::report;
use masthead_plan::sync::guard::CONFIRM_TRAILER;
use masthead_wire::pki::token::{Token, TokenRecord};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::clock;
use crate::git::commit::Person;
use crate::git::error::Error;
use crate::git::reader::Reader;
use crate::git::revert::{Drafted, Revert};
use crate::server::query;
use crate::server::state::State;
use crate::server::status::Failure;
use crate::sync::gate::{self, Judged};
use crate::sync::observe::Fault;
use crate::sync::{apply, progress};

/// The routes.
pub fn routes() -> Router<State> {
    Router::new()
        .route("/apis/masthead.dev/v1/status", get(status))
        .route("/apis/masthead.dev/v1/commits", get(commits))
        .route("/apis/masthead.dev/v1/plan", get(plan))
        .route("/apis/masthead.dev/v1/commits/{id}/revert", post(revert))
        .route("/apis/masthead.dev/v1/tokens", post(token))
        .route("/apis/masthead.dev/v1/poll", post(poll))
}

/// A node in the status; one that is not ready with the time since when, and why.
fn line_of(node: &Node, pods: usize) -> Value {
    let ready = node.status.conditions.iter().find(|condition| condition.type_ == "Ready");
    let is_ready = ready.is_some_and(|condition| condition.status == "True");
    let mut line = json!({
        "name": node.metadata.name,
        "ready": is_ready,
        "pods": pods,
        "runtime": node.status.node_info.container_runtime_version,
    });
    if let Some(ready) = ready.filter(|_| !is_ready) {
        line["since"] = json!(ready.last_transition_time);
        line["why"] = json!(ready.message);
    }
    line
}

/// The state of everything, stable for scripts; with `watch=true` a line at each change.
async fn status(Shared(state): Shared<State>, RawQuery(query): RawQuery) -> Result<Response, Failure> {
    if !query::Query::parse(query.as_deref().unwrap_or_default())?.flag("watch") {
        return Ok(Json(document(&state)).into_response());
    }
    let (tx, rx) = mpsc::channel(1);
    tokio::spawn(follow(state, tx));
    let body = Body::from_stream(ReceiverStream::new(rx).map(Ok::<_, Infallible>));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Sends the status whenever it is another; a slow reader gets the newest.
async fn follow(state: State, tx: mpsc::Sender<String>) {
    // What changes while a document is made makes the next one: both are marked as seen before it.
    let (mut revisions, mut troubles) = (state.view.subscribe(), state.sync.watch_trouble());
    let mut last = Value::Null;
    loop {
        let mut now = document(&state);
        // Heartbeats move the revision all the time.
        let revision = now["revision"].take();
        if now != last {
            last = now.clone();
            now["revision"] = revision;
            if tx.send(format!("{now}\n")).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = tx.closed() => return,
            changed = revisions.changed() => if changed.is_err() { return },
            changed = troubles.changed() => if changed.is_err() { return },
        }
    }
}

/// The status now.
fn document(state: &State) -> Value {
    let commits = state.view.commits();
    let (nodes, applied, rollout, hooks, suspended) = {
        let cluster = state.view.read();
        let nodes: Vec<Value> = cluster
            .of_kind(Node::KIND)
            .filter_map(|object| object.typed::<Node>().ok())
            .map(|node| line_of(&node, cluster.pod_count_on(&node.metadata.name)))
            .collect();
        let newest = commits.last().filter(|record| !record.outcome.is_final());
        let keys = newest.map(|record| progress::recorded(record, &cluster)).unwrap_or_default();
        let rollout = progress::assess(&cluster, &keys).0;
        let applied = cluster.applied_commit().map(str::to_owned);
        (nodes, applied, rollout, progress::hooks(&cluster), progress::suspended(&cluster))
    };
    json!({
        "apiVersion": "masthead.dev/v1",
        "kind": "Status",
        "pid": state.daemon.pid,
        "version": env!("CARGO_PKG_VERSION"),
        "apiUrl": state.daemon.api_url,
        "startedAt": masthead_api::meta::Time(state.started_s),
        "repository": {
            "url": state.sync.tracked.url,
            "branch": state.sync.tracked.branch,
            "path": state.sync.tracked.path,
            "hosted": state.sync.tracked.hosted,
            "trouble": state.sync.trouble().map(|t| json!({"since": masthead_api::meta::Time(t.since_s), "why": t.why})),
        },
        "appliedCommit": applied,
        "commit": commits.last().map(|record| &**record),
        "rollout": rollout,
        "hooks": hooks,
        "suspended": suspended,
        "nodes": nodes,
        "revision": state.view.revision(),
        "faults": state.view.faults(),
    })
}

#[derive(Deserialize)]
struct Limit {
    limit: Option<usize>,
}

/// Commits shown when no limit is given.
const COMMITS_SHOWN: usize = 50;

/// The commits that were taken up, the newest first.
async fn commits(Shared(state): Shared<State>, Query(limit): Query<Limit>) -> Json<Value> {
    let mut records = state.view.commits();
    records.reverse();
    records.truncate(limit.limit.unwrap_or(COMMITS_SHOWN));
    let items: Vec<&crate::sync::record::CommitRecord> = records.iter().map(|r| &**r).collect();
    Json(json!({ "apiVersion": "masthead.dev/v1", "kind": "CommitList", "items": items }))
}

#[derive(Deserialize)]
struct Planned {
    r#ref: Option<String>,
    format: Option<String>,
}

/// The plan of any commit of the repository against what is.
async fn plan(Shared(state): Shared<State>, Query(asked): Query<Planned>) -> Result<Response, Failure> {
    let revision = asked.r#ref.unwrap_or_else(|| state.sync.tracked.branch.clone());
    let reader = state.sync.reader().map_err(Failure::internal)?;
    let commit =
        reader.resolve(&revision).map_err(|e| Failure::new(http::StatusCode::NOT_FOUND, "NotFound", e.to_string()))?;
    let observed = match state.sync.observe(reader, commit).await {
        Ok(observed) => observed,
        Err(Fault::Invalid(problems)) => {
            let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return Err(Failure::new(http::StatusCode::UNPROCESSABLE_ENTITY, "Invalid", text.join("\n"))
                .details(json!({ "problems": problems })));
        }
        Err(Fault::Git(error)) => return Err(Failure::internal(error)),
    };
    let (plan, problems) = apply::plan(&state.sync, &observed);
    let mut problem_lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Ok(match asked.format.as_deref() {
        Some("markdown") => {
            ([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], report::markdown::plan(&plan)).into_response()
        }
        Some("json") => {
            let mut body = report::json::plan(&plan);
            body["problems"] = json!(problems);
            Json(body).into_response()
        }
        None | Some("text") => {
            let mut lines = report::text::plan(&plan, true);
            lines.append(&mut problem_lines);
            let text = lines.join("\n") + "\n";
            ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
        }
        Some(other) => return Err(Failure::bad_request(format!("format {other:?} is none of text, json, markdown"))),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reverting {
    author: Option<String>,
    email: Option<String>,
    #[serde(default)]
    confirm: Vec<String>,
}

/// Makes a commit that takes another back, decides on it as on a push, and moves the tracked branch to it.
async fn revert(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    body: Option<Json<Reverting>>,
) -> Result<Json<Value>, Failure> {
    if !state.sync.tracked.hosted {
        let url = &state.sync.tracked.url;
        return Err(Failure::forbidden(format!(
            "the repository {url} is not hosted here: use `git revert` and push it there"
        )));
    }
    let asked = body.map(|Json(body)| body);
    let name = asked.as_ref().and_then(|a| a.author.clone()).unwrap_or_else(|| "masthead".to_owned());
    let mail = asked.as_ref().and_then(|a| a.email.clone()).unwrap_or_else(|| "masthead@localhost".to_owned());
    let confirm = asked.map(|a| a.confirm).unwrap_or_default();
    let (path, branch) = (state.sync.repository.clone(), state.sync.tracked.branch.clone());
    let drafted = tokio::task::spawn_blocking(move || {
        let reader = Reader::open(&path)?;
        let commit = reader.resolve(&id)?;
        let by = Person::new(&name, &mail, clock::now_s());
        let trailers: Vec<(String, String)> =
            confirm.into_iter().map(|word| (CONFIRM_TRAILER.to_owned(), word)).collect();
        reader.draft_revert(&Revert { branch: &branch, commit, by: &by, trailers: &trailers })
    });
    let Drafted { tip, commit } = drafted.await.map_err(Failure::internal)?.map_err(refused)?;
    let Judged { lines, accepted } =
        gate::judge(&state.sync, state.sync.reader().map_err(refused)?, commit, true).await;
    if !accepted {
        let text = format!("{}\nthe revert is refused, nothing changed", lines.join("\n"));
        return Err(Failure::new(http::StatusCode::UNPROCESSABLE_ENTITY, "Invalid", text));
    }
    let (path, branch) = (state.sync.repository.clone(), state.sync.tracked.branch.clone());
    // The branch moves only from where the revert was drafted on: what was judged is what comes of it.
    let moved = tokio::task::spawn_blocking(move || Reader::open(&path)?.advance(&branch, Some(tip), commit));
    moved.await.map_err(Failure::internal)?.map_err(refused)?;
    state.sync.tip(commit).await;
    Ok(Json(json!({ "apiVersion": "masthead.dev/v1", "kind": "Revert", "commit": commit })))
}

/// Why nothing was reverted, and whose fault it is.
fn refused(error: Error) -> Failure {
    let (code, reason) = match &error {
        Error::NotFound(_) => (http::StatusCode::NOT_FOUND, "NotFound"),
        Error::BadName { .. } | Error::NothingChanged(_) | Error::Limit { .. } => {
            (http::StatusCode::UNPROCESSABLE_ENTITY, "Invalid")
        }
        Error::Moved { .. } | Error::RevertConflicts { .. } => (http::StatusCode::CONFLICT, "Conflict"),
        _ => return Failure::internal(error),
    };
    Failure::new(code, reason, error.to_string())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenAsked {
    ttl_hours: u64,
    uses: Option<u32>,
}

/// Makes a join token.
async fn token(Shared(state): Shared<State>, Json(asked): Json<TokenAsked>) -> Result<Json<Value>, Failure> {
    let token = Token::generate(state.ca_digest);
    let expires = (asked.ttl_hours > 0).then(|| clock::now_ms() / 1000 + asked.ttl_hours.saturating_mul(3600));
    state.tokens.add(&TokenRecord::new(&token, expires, asked.uses)).await.map_err(Failure::internal)?;
    Ok(Json(json!({ "apiVersion": "masthead.dev/v1", "kind": "Token", "token": token.reveal() })))
}

/// A web hook: look at the watched repository now. What it says is not read, so it needs no trust.
async fn poll(Shared(state): Shared<State>) -> Json<Value> {
    if let Some(mirror) = &state.poke {
        mirror.poke();
    }
    Json(json!({ "polling": state.poke.is_some() }))
}
