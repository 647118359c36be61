//! What a cgroup has used, from its files.

use std::fs;

use crate::runtime::embedded::cgroup::{Cgroup, keyed};

/// Use of one cgroup; what the host does not count is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in nanoseconds.
    pub cpu_ns: u64,
    /// All memory in bytes, page cache included.
    pub memory_bytes: u64,
    /// Memory less the page cache that can go at once.
    pub working_set_bytes: u64,
    /// Anonymous memory in bytes.
    pub rss_bytes: u64,
    /// Page faults.
    pub faults: u64,
    /// Page faults that read from disk.
    pub major_faults: u64,
    /// The memory limit in bytes; None without one.
    pub limit_bytes: Option<u64>,
}

/// Reads it.
pub fn read(cgroup: &Cgroup) -> Usage {
    let file = |controller: &str, name: &str| {
        let directory = cgroup.dir(controller)?;
        fs::read_to_string(directory.join(name)).ok()
    };
    let number = |controller: &str, name: &str| file(controller, name).and_then(|text| text.trim().parse::<u64>().ok());
    let stat = file("memory", "memory.stat").unwrap_or_default();
    if cgroup.is_v2() {
        let cpu = file("cpu", "cpu.stat").unwrap_or_default();
        let cpu_ns = keyed(&cpu, "usage_usec").unwrap_or(0) * 1000;
        let memory = number("memory", "memory.current").unwrap_or(0);
        let limit = number("memory", "memory.max");
        return from_stat(cpu_ns, memory, limit, &stat, ["inactive_file", "anon"]);
    }
    let cpu_ns = number("cpuacct", "cpuacct.usage").unwrap_or(0);
    let memory = number("memory", "memory.usage_in_bytes").unwrap_or(0);
    // v1 says "none" as the largest multiple of a page.
    let limit = number("memory", "memory.limit_in_bytes").filter(|limit| *limit < 1 << 62);
    from_stat(cpu_ns, memory, limit, &stat, ["total_inactive_file", "total_rss"])
}

fn from_stat(
    cpu_ns: u64,
    memory_bytes: u64,
    limit_bytes: Option<u64>,
    stat: &str,
    [inactive, rss]: [&str; 2],
) -> Usage {
    let value = |key: &str| keyed(stat, key).unwrap_or(0);
    Usage {
        cpu_ns,
        memory_bytes,
        working_set_bytes: memory_bytes.saturating_sub(value(inactive)),
        rss_bytes: value(rss),
        faults: value("pgfault"),
        major_faults: value("pgmajfault"),
        limit_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_working_set_leaves_idle_cache_out() {
        let stat = "total_rss 100\ntotal_inactive_file 300\npgfault 7\n";
        let usage = from_stat(5, 1000, None, stat, ["total_inactive_file", "total_rss"]);
        assert_eq!((usage.working_set_bytes, usage.rss_bytes, usage.faults), (700, 100, 7));
        let small = from_stat(5, 10, None, stat, ["total_inactive_file", "total_rss"]);
        assert_eq!(small.working_set_bytes, 0);
    }
}
