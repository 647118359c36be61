//! Use of CPU and memory into CRI's statistics.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;

use crate::runtime::disk;
use crate::runtime::embedded::cgroup::Cgroup;
use crate::runtime::embedded::guarded::unpoisoned;
use crate::runtime::embedded::record::ContainerRecord;
use crate::runtime::embedded::usage;
use crate::runtime::v1::{ContainerAttributes, ContainerStats, CpuUsage, FilesystemUsage, MemoryUsage, UInt64Value};
use crate::shim::exit::now;

/// The shortest time over which a rate means something, in nanoseconds.
const RATE_MIN_NS: i64 = 100_000_000;

/// The last look at each container: when, CPU time, and the rate then.
#[derive(Debug, Default)]
pub struct Samples(Mutex<HashMap<String, Sample>>);

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: i64,
    cpu_ns: u64,
    rate: Option<u64>,
}

impl Samples {
    /// Forgets a container.
    pub fn forget(&self, id: &str) {
        unpoisoned(&self.0).remove(id);
    }

    /// CPU use in billionths of a core since the last look that was long enough ago.
    fn rate(&self, id: &str, at: i64, cpu_ns: u64) -> Option<u64> {
        let mut samples = unpoisoned(&self.0);
        let last = samples.get(id).copied();
        let rate = match last {
            Some(last) if at - last.at < RATE_MIN_NS => return last.rate,
            Some(last) => {
                let used = u128::from(cpu_ns.saturating_sub(last.cpu_ns)) * 1_000_000_000;
                u64::try_from(used / (at - last.at).unsigned_abs().max(1) as u128).ok()
            }
            None => None,
        };
        samples.insert(id.to_owned(), Sample { at, cpu_ns, rate });
        rate
    }
}

/// The statistics of a container whose written layer is below `writable`.
pub fn of(record: &ContainerRecord, samples: &Samples, writable: &Path) -> ContainerStats {
    let usage = usage::read(&Cgroup::open(&record.cgroup));
    let timestamp = now();
    let value = |value| Some(UInt64Value { value });
    ContainerStats {
        attributes: Some(ContainerAttributes {
            id: record.id.clone(),
            metadata: record.config.metadata.clone(),
            labels: record.config.labels.clone(),
            annotations: record.config.annotations.clone(),
        }),
        cpu: Some(CpuUsage {
            timestamp,
            usage_core_nano_seconds: value(usage.cpu_ns),
            usage_nano_cores: samples.rate(&record.id, timestamp, usage.cpu_ns).map(|value| UInt64Value { value }),
            psi: None,
        }),
        memory: Some(MemoryUsage {
            timestamp,
            working_set_bytes: value(usage.working_set_bytes),
            available_bytes: usage
                .limit_bytes
                .map(|limit| UInt64Value { value: limit.saturating_sub(usage.working_set_bytes) }),
            usage_bytes: value(usage.memory_bytes),
            rss_bytes: value(usage.rss_bytes),
            page_faults: value(usage.faults),
            major_page_faults: value(usage.major_faults),
            psi: None,
        }),
        writable_layer: Some(FilesystemUsage {
            timestamp,
            used_bytes: value(disk::used_bytes(writable)),
            ..FilesystemUsage::default()
        }),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_needs_two_looks() {
        let samples = Samples::default();
        assert_eq!(samples.rate("a", 1_000_000_000, 500), None);
        assert_eq!(samples.rate("a", 2_000_000_000, 250_000_500), Some(250_000_000));
        assert_eq!(samples.rate("a", 2_000_000_001, 999_000_000), Some(250_000_000));
        assert_eq!(samples.rate("b", 2_000_000_001, 1), None);
    }
}
