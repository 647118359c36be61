//! What the pods of this node amount to, counted for Prometheus.

use std::sync::LazyLock;

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntGauge, register_histogram, register_int_counter, register_int_gauge,
};

/// The counters.
pub struct Metrics {
    /// Pods with a worker.
    pub pods: IntGauge,
    /// Sandboxes made.
    pub sandboxes: IntCounter,
    /// Containers started.
    pub started: IntCounter,
    /// Containers that were asked for and did not start.
    pub failed: IntCounter,
    /// Statuses reported.
    pub statuses: IntCounter,
    /// From the first sight of a pod to its first ready status.
    pub ready_seconds: Histogram,
}

static METRICS: LazyLock<Option<Metrics>> = LazyLock::new(|| make().ok());

/// The counters of this process; nothing when another part has taken their names.
pub fn metrics() -> Option<&'static Metrics> {
    METRICS.as_ref()
}

fn make() -> Result<Metrics, prometheus::Error> {
    let seconds = HistogramOpts::new(
        "masthead_agent_pod_ready_seconds",
        "Time from the first sight of a pod to its first ready status.",
    )
    .buckets(vec![0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 15.0, 60.0, 300.0]);
    Ok(Metrics {
        pods: register_int_gauge!("masthead_agent_pods", "Pods with a worker.")?,
        sandboxes: register_int_counter!("masthead_agent_sandboxes_total", "Sandboxes made.")?,
        started: register_int_counter!("masthead_agent_containers_started_total", "Containers started.")?,
        failed: register_int_counter!(
            "masthead_agent_containers_failed_total",
            "Containers that were asked for and did not start."
        )?,
        statuses: register_int_counter!("masthead_agent_statuses_total", "Statuses reported.")?,
        ready_seconds: register_histogram!(seconds)?,
    })
}
