//! What the name server does, counted for Prometheus.

use std::sync::LazyLock;

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, register_histogram, register_int_counter,
    register_int_counter_vec, register_int_gauge,
};

use crate::dns::query::Rcode;

/// The counters.
pub struct Metrics {
    /// Packets by transport: UDP, TCP.
    pub packets: [IntCounter; 2],
    /// Answers about the cluster by outcome, as numbered in DNS.
    answers: [IntCounter; 6],
    /// Packets that are not answered.
    pub dropped: IntCounter,
    /// Answers of other servers given from the cache.
    pub hits: IntCounter,
    /// Questions that were put to other servers.
    pub misses: IntCounter,
    /// Questions that no other server answered.
    pub failures: IntCounter,
    /// How long other servers took.
    pub forward_seconds: Histogram,
    /// Answers in the cache.
    pub cached: IntGauge,
    /// Services with names.
    pub services: IntGauge,
    /// Names of services.
    pub names: IntGauge,
    /// From a manifest to its names.
    pub update_seconds: Histogram,
}

static METRICS: LazyLock<Option<Metrics>> = LazyLock::new(|| make().ok());

/// The counters of this process; nothing when another part has taken their names.
pub fn metrics() -> Option<&'static Metrics> {
    METRICS.as_ref()
}

impl Metrics {
    /// Counts an answer about the cluster.
    pub fn answered(&self, rcode: Rcode) {
        if let Some(counter) = self.answers.get(rcode as usize) {
            counter.inc();
        }
    }
}

fn seconds(name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, prometheus::Error> {
    register_histogram!(HistogramOpts::new(name, help).buckets(buckets.to_vec()))
}

fn make() -> Result<Metrics, prometheus::Error> {
    let packets: IntCounterVec =
        register_int_counter_vec!("masthead_dns_packets_total", "Packets that came, by transport.", &["transport"])?;
    let answers: IntCounterVec =
        register_int_counter_vec!("masthead_dns_answers_total", "Answers about the cluster, by outcome.", &["rcode"])?;
    let codes = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
    Ok(Metrics {
        packets: ["udp", "tcp"].map(|transport| packets.with_label_values(&[transport])),
        answers: codes.map(|code| answers.with_label_values(&[code])),
        dropped: register_int_counter!("masthead_dns_dropped_total", "Packets that are not answered.")?,
        hits: register_int_counter!("masthead_dns_cache_hits_total", "Answers of other servers from the cache.")?,
        misses: register_int_counter!("masthead_dns_forwards_total", "Questions put to other servers.")?,
        failures: register_int_counter!("masthead_dns_forward_failures_total", "Questions no other server answered.")?,
        forward_seconds: seconds(
            "masthead_dns_forward_seconds",
            "How long other servers took.",
            &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0],
        )?,
        cached: register_int_gauge!("masthead_dns_cached_answers", "Answers of other servers in the cache.")?,
        services: register_int_gauge!("masthead_dns_services", "Services with names.")?,
        names: register_int_gauge!("masthead_dns_names", "Names of services.")?,
        update_seconds: seconds(
            "masthead_dns_update_seconds",
            "Time from a manifest to its names.",
            &[0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0],
        )?,
    })
}
