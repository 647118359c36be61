//! The nodes of a fleet on this machine: list, add, remove, switch on and off, below `/apis/masthead.dev/v1/machines`.

use axum::Router;
use axum::extract::{Json, Path, State as Shared};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use serde_json::{Value, json};

use crate::fleet::config::NodeSpec;
use crate::fleet::handle::Handle;
use crate::server::state::State;
use crate::server::status::Failure;

/// The routes.
pub fn routes() -> Router<State> {
    Router::new()
        .route("/apis/masthead.dev/v1/machines", get(list).post(add))
        .route("/apis/masthead.dev/v1/machines/{name}", delete(remove))
        .route("/apis/masthead.dev/v1/machines/{name}/start", post(start))
        .route("/apis/masthead.dev/v1/machines/{name}/stop", post(stop))
}

fn fleet(state: &State) -> Result<&Handle, Failure> {
    state.fleet.get().ok_or_else(|| {
        refused("this control plane has one node, the machine itself: start it with `masthead up --nodes N` to have several")
    })
}

/// What was asked for cannot be done.
fn refused(why: impl Into<String>) -> Failure {
    Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", why)
}

fn done(name: &str) -> Json<Value> {
    Json(json!({ "apiVersion": "masthead.dev/v1", "kind": "Machine", "name": name }))
}

async fn list(Shared(state): Shared<State>) -> Result<Json<Value>, Failure> {
    let items = fleet(&state)?.list().await.map_err(Failure::internal)?;
    Ok(Json(json!({ "apiVersion": "masthead.dev/v1", "kind": "MachineList", "items": items })))
}

async fn add(Shared(state): Shared<State>, Json(spec): Json<NodeSpec>) -> Result<Json<Value>, Failure> {
    let name = fleet(&state)?.add(spec).await.map_err(refused)?;
    Ok(done(&name))
}

async fn remove(Shared(state): Shared<State>, Path(name): Path<String>) -> Result<Json<Value>, Failure> {
    fleet(&state)?.remove(name.clone()).await.map_err(refused)?;
    Ok(done(&name))
}

async fn start(Shared(state): Shared<State>, Path(name): Path<String>) -> Result<Json<Value>, Failure> {
    fleet(&state)?.start(name.clone()).await.map_err(refused)?;
    Ok(done(&name))
}

async fn stop(Shared(state): Shared<State>, Path(name): Path<String>) -> Result<Json<Value>, Failure> {
    fleet(&state)?.stop(name.clone()).await.map_err(refused)?;
    Ok(done(&name))
}
