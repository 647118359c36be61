//! What the Ingress does, counted for Prometheus.

use std::sync::LazyLock;

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, register_histogram, register_int_counter,
    register_int_counter_vec, register_int_gauge,
};

/// The counters of all.
pub struct Metrics {
    /// Requests by Ingress and class of status.
    requests: IntCounterVec,
    /// Connections that are open.
    pub connections: IntGauge,
    /// Connections that were taken.
    pub accepted: IntCounter,
    /// Requests that were refused before they were read.
    pub malformed: IntCounter,
    /// Requests that had to be given to another endpoint.
    pub retries: IntCounter,
    /// TLS connections that failed to begin.
    pub handshakes_failed: IntCounter,
    /// From a request's head to the end of its answer.
    pub seconds: Histogram,
    /// Routes.
    pub routes: IntGauge,
    /// Tables that were built.
    pub reloads: IntCounter,
}

/// Requests of one Ingress by class of status.
#[derive(Debug)]
pub struct Counters([IntCounter; 5]);

impl Counters {
    /// Counts a request by its status.
    pub fn count(&self, status: u16) {
        if let Some(counter) = self.0.get(usize::from(status / 100).wrapping_sub(1)) {
            counter.inc();
        }
    }
}

static METRICS: LazyLock<Option<Metrics>> = LazyLock::new(|| make().ok());

/// The counters of this process; nothing when another part has taken their names.
pub fn metrics() -> Option<&'static Metrics> {
    METRICS.as_ref()
}

/// The counters of an Ingress, `namespace/name`; empty is what belongs to none.
pub fn counters(ingress: &str) -> Option<Counters> {
    let of = |class: &str| METRICS.as_ref().map(|all| all.requests.with_label_values(&[ingress, class]));
    Some(Counters([of("1xx")?, of("2xx")?, of("3xx")?, of("4xx")?, of("5xx")?]))
}

/// Forgets the counters of an Ingress that is gone.
pub fn forget(ingress: &str) {
    for class in ["1xx", "2xx", "3xx", "4xx", "5xx"] {
        // One that was never counted is not there.
        let _ = METRICS.as_ref().map(|all| all.requests.remove_label_values(&[ingress, class]));
    }
}

fn make() -> Result<Metrics, prometheus::Error> {
    let seconds =
        HistogramOpts::new("masthead_ingress_request_seconds", "Time from a request's head to its answer's end.")
            .buckets(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]);
    Ok(Metrics {
        requests: register_int_counter_vec!(
            "masthead_ingress_requests_total",
            "Requests by Ingress and class of status.",
            &["ingress", "status"]
        )?,
        connections: register_int_gauge!("masthead_ingress_connections", "Connections that are open.")?,
        accepted: register_int_counter!("masthead_ingress_accepted_total", "Connections that were taken.")?,
        malformed: register_int_counter!("masthead_ingress_malformed_total", "Requests that could not be read.")?,
        retries: register_int_counter!("masthead_ingress_retries_total", "Requests given to another endpoint.")?,
        handshakes_failed: register_int_counter!("masthead_ingress_tls_failures_total", "TLS that failed to begin.")?,
        seconds: register_histogram!(seconds)?,
        routes: register_int_gauge!("masthead_ingress_routes", "Routes.")?,
        reloads: register_int_counter!("masthead_ingress_reloads_total", "Tables that were built.")?,
    })
}
