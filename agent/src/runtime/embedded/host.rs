//! What this host allows, looked up once: capabilities, swap accounting, the boot.

use std::fs;

use crate::runtime::embedded::cgroup::Cgroup;

/// Facts of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// The lowest oom_score_adj we may give; None: any (CAP_SYS_RESOURCE is there).
    pub oom_score_adj_min: Option<i32>,
    /// Our own capabilities, a bit each.
    pub capabilities: u64,
    /// Whether swap is counted.
    pub swap: bool,
    /// Whether the host has cgroup v2 alone.
    pub cgroup_v2: bool,
    /// Which boot this is.
    pub boot_id: String,
}

/// CAP_SYS_RESOURCE, as its bit in /proc/PID/status.
const SYS_RESOURCE: u64 = 1 << 24;

impl Host {
    /// Looks them up.
    pub fn observe() -> Self {
        let root = Cgroup::open("/");
        let swap_file = if root.is_v2() { "memory.swap.max" } else { "memory.memsw.limit_in_bytes" };
        // v2's root has no such file; any cgroup below it tells.
        let swap = root.dir("memory").is_some_and(|directory| {
            directory.join(swap_file).exists()
                || (root.is_v2() && directory.join("system.slice").join(swap_file).exists())
        });
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let score = fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
        Self {
            oom_score_adj_min: (effective(&status) & SYS_RESOURCE == 0).then(|| score.trim().parse().unwrap_or(0)),
            capabilities: effective(&status),
            swap,
            cgroup_v2: root.is_v2(),
            boot_id: fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned(),
        }
    }
}

fn effective(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_capability_is_seen() {
        assert_eq!(effective("CapEff:\t000001fffeffffff\n") & SYS_RESOURCE, 0);
        assert_ne!(effective("Name:\tx\nCapEff:\t000001ffffffffff\n") & SYS_RESOURCE, 0);
        assert_eq!(effective(""), 0);
    }
}
