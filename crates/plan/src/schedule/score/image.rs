//! The images that nodes say they hold → how much of what a pod needs is there already (`ImageLocality`).

use std::collections::HashMap;

use masthead_api::core::pod::Pod;

use crate::schedule::node_info::NodeInfo;
use crate::schedule::score::scale::BEST;

/// Images that are smaller than this together make no difference, in bytes.
const LEAST_BYTES: i64 = 23 * 1024 * 1024;
/// What counts at most of each image, in bytes.
const MOST_BYTES: i64 = 1000 * 1024 * 1024;

/// The score of each possible node. An image counts the more, the more of `all` nodes hold it, so that not all pods go
/// to the first one that has it.
pub fn scores(pod: &Pod, possible: &[&NodeInfo], all: &[&NodeInfo]) -> Vec<i64> {
    let containers = pod.spec.init_containers.iter().chain(&pod.spec.containers).map(|c| c.image.as_str());
    let volumes = pod.spec.volumes.iter().filter_map(|v| v.image.as_ref()).map(|image| image.reference.as_str());
    let wanted: Vec<String> = containers.chain(volumes).map(tagged).collect();
    let mut holders: HashMap<&str, usize> = HashMap::new();
    for name in all.iter().flat_map(|node| &node.node.status.images).flat_map(|image| &image.names) {
        if wanted.contains(name) {
            *holders.entry(name).or_default() += 1;
        }
    }
    possible.iter().map(|node| score(node, &wanted, &holders, all.len())).collect()
}

fn score(node: &NodeInfo, wanted: &[String], holders: &HashMap<&str, usize>, nodes: usize) -> i64 {
    let weight = |name: &String| {
        let image = node.node.status.images.iter().find(|image| image.names.contains(name))?;
        let held_by = holders.get(name.as_str()).copied().unwrap_or(0);
        Some(spread_bytes(image.size_bytes, held_by, nodes))
    };
    let sum: i64 = wanted.iter().filter_map(weight).fold(0, i64::saturating_add);
    let most = MOST_BYTES.saturating_mul(i64::try_from(wanted.len().max(1)).unwrap_or(i64::MAX));
    let counted = sum.clamp(LEAST_BYTES, most) - LEAST_BYTES;
    // At most a hundred gigabytes for each of a pod's images.
    counted.saturating_mul(BEST) / (most - LEAST_BYTES)
}

fn spread_bytes(bytes: i64, held_by: usize, nodes: usize) -> i64 {
    (bytes as f64 * (held_by as f64 / nodes as f64)) as i64
}

/// The name of an image with its tag, as nodes report it.
fn tagged(image: &str) -> String {
    if image.rfind(':') <= image.rfind('/') { format!("{image}:latest") } else { image.to_owned() }
}
