//! What the control plane counts → Prometheus' text on `/metrics`.

use std::sync::{Arc, LazyLock};

use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus::{Encoder, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, TextEncoder};
use prometheus::{histogram_opts, opts};
use tokio::sync::broadcast::error::RecvError;

use crate::control::view::View;
use crate::server::state::State;
use crate::sync::handle::Handle;

/// Upper bounds of the buckets of a rollout's time, in seconds.
const ROLLOUT_BUCKETS: &[f64] = &[0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0];

struct Metrics {
    requests: IntCounterVec,
    watchers: IntGauge,
    syncs: IntCounterVec,
    rollouts: HistogramVec,
    revision: IntGauge,
    nodes: IntGaugeVec,
    objects: IntGaugeVec,
    trouble: IntGauge,
}

// The metrics of a process are registered once; a second registration of a name is a fault of the program.
static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let made = "the options of our own metrics are valid";
    let metrics = Metrics {
        requests: IntCounterVec::new(
            opts!("masthead_api_requests_total", "Requests to the API."),
            &["verb", "resource", "code"],
        )
        .expect(made),
        watchers: IntGauge::new("masthead_api_watchers", "Watches that are open.").expect(made),
        syncs: IntCounterVec::new(opts!("masthead_commits_total", "Commits that came to an outcome."), &["outcome"])
            .expect(made),
        rollouts: HistogramVec::new(
            histogram_opts!(
                "masthead_rollout_seconds",
                "Time from taking a commit up to its outcome.",
                ROLLOUT_BUCKETS.to_vec()
            ),
            &["outcome"],
        )
        .expect(made),
        revision: IntGauge::new("masthead_store_revision", "The revision that the view of the store stands at.")
            .expect(made),
        nodes: IntGaugeVec::new(opts!("masthead_nodes", "Nodes by whether their agent is connected."), &["connected"])
            .expect(made),
        objects: IntGaugeVec::new(opts!("masthead_objects", "Live objects by resource."), &["resource"]).expect(made),
        trouble: IntGauge::new("masthead_repository_trouble", "1 while the repository cannot be read.").expect(made),
    };
    let registry = prometheus::default_registry();
    let all: [Box<dyn prometheus::core::Collector>; 8] = [
        Box::new(metrics.requests.clone()),
        Box::new(metrics.watchers.clone()),
        Box::new(metrics.syncs.clone()),
        Box::new(metrics.rollouts.clone()),
        Box::new(metrics.revision.clone()),
        Box::new(metrics.nodes.clone()),
        Box::new(metrics.objects.clone()),
        Box::new(metrics.trouble.clone()),
    ];
    for collector in all {
        registry.register(collector).expect("each of our metrics has a name of its own");
    }
    metrics
});

/// Counts a request that was answered. The labels come from fixed lists, so there are few of them.
pub fn request(verb: &'static str, resource: &'static str, code: StatusCode) {
    METRICS.requests.with_label_values(&[verb, resource, code.as_str()]).inc();
}

/// An open watch, counted while it lives.
pub struct Watcher(());

impl Watcher {
    /// One more.
    pub fn new() -> Watcher {
        METRICS.watchers.inc();
        Watcher(())
    }
}

impl Default for Watcher {
    fn default() -> Watcher {
        Watcher::new()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        METRICS.watchers.dec();
    }
}

/// Counts outcomes of commits from now on.
pub fn follow(sync: &Handle, view: Arc<View>) {
    let mut progress = sync.follow();
    tokio::spawn(async move {
        loop {
            match progress.recv().await {
                Ok(line) => {
                    let Some(outcome) = line.outcome else { continue };
                    let outcome = outcome.to_string();
                    METRICS.syncs.with_label_values(&[outcome.as_str()]).inc();
                    if let Some(ms) = view.commit(&line.commit.to_string()).and_then(|record| record.took_ms) {
                        METRICS.rollouts.with_label_values(&[outcome.as_str()]).observe(ms as f64 / 1000.0);
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    });
}

/// `/metrics`.
pub async fn text(Shared(state): Shared<State>) -> Response {
    let metrics = &*METRICS;
    metrics.revision.set(i64::try_from(state.view.revision()).unwrap_or(i64::MAX));
    metrics.trouble.set(i64::from(state.sync.trouble().is_some()));
    let connected = state.nodes.connected().len();
    {
        let cluster = state.view.read();
        for kind in masthead_api::kind::Kind::all() {
            metrics.objects.with_label_values(&[kind.info().plural]).set(cluster.of_kind(*kind).count() as i64);
        }
        let known = cluster.of_kind(masthead_api::kind::registry::NODE).count();
        metrics.nodes.with_label_values(&["true"]).set(connected as i64);
        metrics.nodes.with_label_values(&["false"]).set(known.saturating_sub(connected) as i64);
    }
    let mut body = Vec::new();
    match TextEncoder::new().encode(&prometheus::gather(), &mut body) {
        Ok(()) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
