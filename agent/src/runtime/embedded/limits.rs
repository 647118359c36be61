//! CRI's resources into the files of a cgroup and into an OCI spec.

use std::fs;
use std::io;

use libcontainer::oci_spec::runtime::{
    LinuxCpu, LinuxHugepageLimit, LinuxHugepageLimitBuilder, LinuxMemory, LinuxPids, LinuxResources,
};

use crate::runtime::embedded::cgroup::Cgroup;
use crate::runtime::v1::LinuxContainerResources;

/// One write: the v1 controller, the file, the text.
type Write = (&'static str, String, String);

/// Applies limits to a live cgroup; what is 0 or empty stays as it is.
pub fn apply(cgroup: &Cgroup, resources: &LinuxContainerResources) -> io::Result<()> {
    let writes = if cgroup.is_v2() { v2_writes(resources) } else { v1_writes(resources) };
    // On v1 the limit with swap must never be below the one without, whichever grows.
    let mut refused = Vec::new();
    for (controller, file, text) in writes {
        let Some(directory) = cgroup.dir(controller) else { continue };
        let path = directory.join(&file);
        let swap = file.contains("memsw") || file == "memory.swap.max";
        match fs::write(&path, &text) {
            Err(_) if swap && !path.exists() => {}
            Err(error) if file.starts_with("memory.") => refused.push((path, text, error)),
            done => done.map_err(|error| named(&path, &error))?,
        }
    }
    for (path, text, _) in refused {
        fs::write(&path, &text).map_err(|error| named(&path, &error))?;
    }
    Ok(())
}

fn named(path: &std::path::Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn v1_writes(resources: &LinuxContainerResources) -> Vec<Write> {
    let numbers = [
        ("cpu", "cpu.shares", resources.cpu_shares),
        ("cpu", "cpu.cfs_period_us", resources.cpu_period),
        ("cpu", "cpu.cfs_quota_us", resources.cpu_quota),
        ("memory", "memory.limit_in_bytes", resources.memory_limit_in_bytes),
        ("memory", "memory.memsw.limit_in_bytes", swap_of(resources)),
    ];
    let mut writes = numbers_of(&numbers);
    writes.extend(cpusets(resources));
    if let Some(pids) = resources.unified.get("pids.max") {
        writes.push(("pids", "pids.max".to_owned(), pids.clone()));
    }
    writes
}

fn v2_writes(resources: &LinuxContainerResources) -> Vec<Write> {
    let mut writes = Vec::new();
    if resources.cpu_shares > 0 {
        let weight = weight_of(resources.cpu_shares).to_string();
        writes.push(("cpu", "cpu.weight".to_owned(), weight));
    }
    if resources.cpu_quota != 0 {
        let quota = match resources.cpu_quota {
            limited if limited > 0 => limited.to_string(),
            _ => "max".to_owned(),
        };
        let period = if resources.cpu_period > 0 { resources.cpu_period } else { 100_000 };
        writes.push(("cpu", "cpu.max".to_owned(), format!("{quota} {period}")));
    }
    let memory = resources.memory_limit_in_bytes;
    if memory > 0 {
        writes.push(("memory", "memory.max".to_owned(), memory.to_string()));
        let swap = (swap_of(resources) - memory).max(0);
        writes.push(("memory", "memory.swap.max".to_owned(), swap.to_string()));
    }
    writes.extend(cpusets(resources));
    for (file, text) in &resources.unified {
        if !file.contains('/') {
            writes.push(("unified", file.clone(), text.clone()));
        }
    }
    writes
}

fn numbers_of(numbers: &[(&'static str, &str, i64)]) -> Vec<Write> {
    numbers
        .iter()
        .filter(|(_, _, value)| *value != 0)
        .map(|(controller, file, value)| (*controller, (*file).to_owned(), value.to_string()))
        .collect()
}

fn cpusets(resources: &LinuxContainerResources) -> impl Iterator<Item = Write> {
    [("cpuset.cpus", &resources.cpuset_cpus), ("cpuset.mems", &resources.cpuset_mems)]
        .into_iter()
        .filter(|(_, set)| !set.is_empty())
        .map(|(file, set)| ("cpuset", file.to_owned(), set.clone()))
}

/// Memory and swap together; without swap of its own a container gets none.
fn swap_of(resources: &LinuxContainerResources) -> i64 {
    match resources.memory_swap_limit_in_bytes {
        0 => resources.memory_limit_in_bytes,
        limit => limit,
    }
}

/// v1's 2..=262144 shares as v2's 1..=10000 weight, as the kubelet and runc do it.
fn weight_of(shares: i64) -> i64 {
    let shares = shares.clamp(2, 262_144);
    1 + (shares - 2) * 9999 / 262_142
}

/// The same limits for a container that is yet to be made. `swap` is whether this host counts
/// swap; devices come from elsewhere.
pub fn to_spec(resources: &LinuxContainerResources, swap: bool) -> LinuxResources {
    let mut spec = LinuxResources::default();
    let positive = |value: i64| u64::try_from(value).ok().filter(|value| *value > 0);
    let text = |set: &String| (!set.is_empty()).then(|| set.clone());
    let mut cpu = LinuxCpu::default();
    cpu.set_shares(positive(resources.cpu_shares))
        .set_period(positive(resources.cpu_period))
        .set_quota((resources.cpu_quota != 0).then_some(resources.cpu_quota))
        .set_cpus(text(&resources.cpuset_cpus))
        .set_mems(text(&resources.cpuset_mems));
    spec.set_cpu(Some(cpu));
    if resources.memory_limit_in_bytes > 0 {
        let mut memory = LinuxMemory::default();
        memory.set_limit(Some(resources.memory_limit_in_bytes)).set_swap(swap.then(|| swap_of(resources)));
        spec.set_memory(Some(memory));
    }
    let pids = resources.unified.get("pids.max").and_then(|text| text.parse().ok());
    if let Some(limit) = pids {
        let mut pids = LinuxPids::default();
        pids.set_limit(limit);
        spec.set_pids(Some(pids));
    }
    let pages: Vec<LinuxHugepageLimit> = resources
        .hugepage_limits
        .iter()
        .filter_map(|page| {
            let limit = i64::try_from(page.limit).unwrap_or(i64::MAX);
            let builder = LinuxHugepageLimitBuilder::default();
            builder.page_size(page.page_size.clone()).limit(limit).build().ok()
        })
        .collect();
    if !pages.is_empty() {
        spec.set_hugepage_limits(Some(pages));
    }
    let unified = resources.unified.iter().filter(|(file, _)| *file != "pids.max");
    let unified: std::collections::HashMap<_, _> = unified.map(|(file, text)| (file.clone(), text.clone())).collect();
    if !unified.is_empty() {
        spec.set_unified(Some(unified));
    }
    spec
}

/// Changes `kept` where `change` says something.
pub fn merge(kept: &mut LinuxContainerResources, change: &LinuxContainerResources) {
    let numbers = [
        (&mut kept.cpu_period, change.cpu_period),
        (&mut kept.cpu_quota, change.cpu_quota),
        (&mut kept.cpu_shares, change.cpu_shares),
        (&mut kept.memory_limit_in_bytes, change.memory_limit_in_bytes),
        (&mut kept.memory_swap_limit_in_bytes, change.memory_swap_limit_in_bytes),
        (&mut kept.oom_score_adj, change.oom_score_adj),
    ];
    for (kept, change) in numbers {
        if change != 0 {
            *kept = change;
        }
    }
    let sets = [(&mut kept.cpuset_cpus, &change.cpuset_cpus), (&mut kept.cpuset_mems, &change.cpuset_mems)];
    for (kept, change) in sets {
        if !change.is_empty() {
            kept.clone_from(change);
        }
    }
    kept.unified.extend(change.unified.iter().map(|(file, text)| (file.clone(), text.clone())));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(writes: Vec<Write>) -> Vec<String> {
        let mut texts: Vec<String> = writes.into_iter().map(|(_, file, text)| format!("{file}={text}")).collect();
        texts.sort();
        texts
    }

    #[test]
    fn files_of_both_versions() {
        let resources = LinuxContainerResources {
            cpu_shares: 1024,
            cpu_period: 100_000,
            cpu_quota: 50_000,
            memory_limit_in_bytes: 64 << 20,
            cpuset_cpus: "0-1".into(),
            unified: [("pids.max".to_owned(), "32".to_owned())].into(),
            ..Default::default()
        };
        let v1 = [
            "cpu.cfs_period_us=100000",
            "cpu.cfs_quota_us=50000",
            "cpu.shares=1024",
            "cpuset.cpus=0-1",
            "memory.limit_in_bytes=67108864",
            "memory.memsw.limit_in_bytes=67108864",
            "pids.max=32",
        ];
        assert_eq!(texts(v1_writes(&resources)), v1);
        let v2 = [
            "cpu.max=50000 100000",
            "cpu.weight=39",
            "cpuset.cpus=0-1",
            "memory.max=67108864",
            "memory.swap.max=0",
            "pids.max=32",
        ];
        assert_eq!(texts(v2_writes(&resources)), v2);
        assert!(texts(v1_writes(&LinuxContainerResources::default())).is_empty());
        assert!(texts(v2_writes(&LinuxContainerResources::default())).is_empty());
    }

    #[test]
    fn weights_at_the_bounds() {
        let pairs = [(0, 1), (2, 1), (1024, 39), (262_144, 10_000), (i64::MAX, 10_000)];
        for (shares, weight) in pairs {
            assert_eq!(weight_of(shares), weight, "{shares}");
        }
    }
}
