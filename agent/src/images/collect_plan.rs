//! Decides which images go when the disk fills up: least recently used first, never one in use or without a registry.

use std::collections::BTreeMap;

use crate::images::digest::Digest;

/// When to collect, and how far; the defaults are the kubelet's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Percent of the file system in use from which images are removed (`imageGCHighThresholdPercent`).
    pub high_percent: u8,
    /// Percent down to which they are removed (`imageGCLowThresholdPercent`).
    pub low_percent: u8,
    /// An image younger or used more recently than this stays (`imageMinimumGCAge`), seconds.
    pub min_age_s: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { high_percent: 85, low_percent: 80, min_age_s: 120 }
    }
}

/// The file system of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Its size.
    pub capacity_bytes: u64,
    /// What is left of it.
    pub available_bytes: u64,
}

/// An image that may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: Digest,
    /// When it came, seconds since 1970.
    pub added_s: u64,
    /// When it was last handed out, seconds since 1970.
    pub last_used_s: u64,
    /// A container names it.
    pub is_used: bool,
    /// It has no registry: once gone, nothing brings it back.
    pub is_local: bool,
    /// Its layers with their bytes.
    pub layers: Vec<(Digest, u64)>,
}

/// What to remove.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Images, in this order.
    pub remove: Vec<Digest>,
    /// Bytes that should become free.
    pub wanted_bytes: u64,
    /// Bytes that these images free; layers shared with others do not count.
    pub freed_bytes: u64,
}

/// Picks images until enough layers are without an image.
pub fn plan(images: &[Candidate], usage: Usage, policy: Policy, now_s: u64) -> Plan {
    let percent = |bytes: u64, percent: u8| u128::from(bytes) * u128::from(percent) / 100;
    let used = usage.capacity_bytes.saturating_sub(usage.available_bytes);
    if usage.capacity_bytes == 0 || u128::from(used) < percent(usage.capacity_bytes, policy.high_percent) {
        return Plan::default();
    }
    let target = percent(usage.capacity_bytes, policy.low_percent);
    let wanted_bytes = u64::try_from(u128::from(used).saturating_sub(target)).unwrap_or(u64::MAX);
    let mut plan = Plan { wanted_bytes, ..Plan::default() };
    let mut refs: BTreeMap<&Digest, usize> = BTreeMap::new();
    for (layer, _) in images.iter().flat_map(|i| &i.layers) {
        *refs.entry(layer).or_default() += 1;
    }
    let is_old = |image: &&Candidate| now_s.saturating_sub(image.added_s.max(image.last_used_s)) >= policy.min_age_s;
    let mut order: Vec<&Candidate> = images.iter().filter(|i| !i.is_used && !i.is_local).filter(is_old).collect();
    order.sort_by_key(|i| (i.last_used_s, i.added_s, &i.id));
    for image in order {
        if plan.freed_bytes >= plan.wanted_bytes {
            break;
        }
        for (layer, bytes) in &image.layers {
            let left = refs.entry(layer).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 {
                plan.freed_bytes += bytes;
            }
        }
        plan.remove.push(image.id.clone());
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str, used_at: u64, is_used: bool, layers: &[(&str, u64)]) -> Candidate {
        Candidate {
            id: Digest::of(name.as_bytes()),
            added_s: 0,
            last_used_s: used_at,
            is_used,
            is_local: name == "local",
            layers: layers.iter().map(|(l, b)| (Digest::of(l.as_bytes()), *b)).collect(),
        }
    }

    #[test]
    fn removes_the_oldest_first_and_counts_shared_layers_once() {
        let images = [
            image("new", 900, false, &[("base", 50), ("n", 10)]),
            image("old", 100, false, &[("base", 50), ("o", 10)]),
            image("used", 50, true, &[("u", 99)]),
            image("young", 990, false, &[("y", 99)]),
            image("local", 10, false, &[("l", 99)]),
        ];
        let names = |free: u64, now: u64| -> Vec<usize> {
            let usage = Usage { capacity_bytes: 1000, available_bytes: free };
            let plan = plan(&images, usage, Policy::default(), now);
            plan.remove.iter().map(|id| images.iter().position(|i| i.id == *id).unwrap()).collect()
        };
        for (free, now, expect) in [
            (151, 1050, vec![]),
            // 50 wanted: "old" frees 10, "new" then 60 more.
            (150, 1050, vec![1, 0]),
            (150, 1000, vec![1]),
            (150, 2000, vec![1, 0]),
            (0, 2000, vec![1, 0, 3]),
            (0, 100, vec![]),
        ] {
            assert_eq!(names(free, now), expect, "{free} free at {now}");
        }
    }

    #[test]
    fn nothing_after_enough_is_free() {
        let images: Vec<Candidate> =
            (0..50).map(|n| image(&n.to_string(), n, false, &[(&format!("l{n}"), 7)])).collect();
        for free in 0..=150 {
            let usage = Usage { capacity_bytes: 1000, available_bytes: free };
            let first = plan(&images, usage, Policy::default(), 10_000);
            assert!(first.freed_bytes >= first.wanted_bytes && first.freed_bytes < first.wanted_bytes + 7);
            let left: Vec<Candidate> = images.iter().filter(|i| !first.remove.contains(&i.id)).cloned().collect();
            let usage = Usage { available_bytes: free + first.freed_bytes, ..usage };
            assert!(plan(&left, usage, Policy::default(), 10_000).remove.is_empty());
        }
    }
}
