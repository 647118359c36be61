//! The routes of the API.

use axum::Router;
use axum::routing::{get, post};

use crate::server::state::State;
use crate::server::{access, dispatch, fleet, metrics, own, probes, release};

/// All routes. Call it within a runtime: it begins to count the outcomes of commits.
pub fn router(state: State) -> Router {
    metrics::follow(&state.sync, state.view.clone());
    Router::new()
        .route("/healthz", get(probes::live))
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready))
        .route("/version", get(probes::version))
        .route("/metrics", get(metrics::text))
        .route(access::PATH, post(access::review))
        .route(access::RULES_PATH, post(access::rules))
        .merge(own::routes())
        .merge(release::routes())
        .merge(fleet::routes())
        .fallback(dispatch::answer)
        .with_state(state)
}
