//! What a node has, what its pods ask for and one pod more → how much stays free, and how even it is used.

use crate::schedule::node_info::NodeInfo;
use crate::schedule::request::Amounts;
use crate::schedule::score::scale::BEST;

/// The resources that count, each as much as the other.
const COUNTED: [&str; 2] = ["cpu", "memory"];

/// The share of CPU and memory that stays free (`LeastAllocated`). `asked` and what runs there count as at least
/// something.
pub fn least_allocated(node: &NodeInfo, asked: &Amounts) -> i64 {
    let (mut sum, mut counted) = (0, 0);
    for resource in COUNTED {
        let allocatable = node.allocatable(resource);
        if allocatable <= 0 {
            continue;
        }
        let used = amount(&node.nonzero, resource).saturating_add(amount(asked, resource));
        counted += 1;
        sum += free_percent(used, allocatable);
    }
    if counted == 0 { 0 } else { sum / counted }
}

fn free_percent(used: i64, allocatable: i64) -> i64 {
    if used > allocatable {
        return 0;
    }
    let percent = i128::from(allocatable - used) * i128::from(BEST) / i128::from(allocatable);
    i64::try_from(percent).unwrap_or(BEST)
}

/// How much more alike the used shares of CPU and memory are with the pod than without (`BalancedAllocation`): 75 when
/// nothing changes, 50 at worst. A pod that asks for neither changes nothing anywhere.
pub fn balanced(node: &NodeInfo, asked: &Amounts) -> i64 {
    if COUNTED.iter().all(|resource| amount(asked, resource) == 0) {
        return 0;
    }
    let with = balance(node, |resource| node.requested(resource).saturating_add(amount(asked, resource)));
    let without = balance(node, |resource| node.requested(resource));
    BEST / 2 + (BEST / 2 + with - without) / 2
}

/// 100 less half the distance of the two shares, in percent.
fn balance(node: &NodeInfo, used: impl Fn(&str) -> i64) -> i64 {
    let share = |resource: &str| {
        let allocatable = node.allocatable(resource);
        (allocatable > 0).then(|| (float(used(resource)) / float(allocatable)).min(1.0))
    };
    match (share("cpu"), share("memory")) {
        (Some(cpu), Some(memory)) => ((1.0 - ((cpu - memory) / 2.0).abs()) * float(BEST)) as i64,
        _ => BEST,
    }
}

fn float(amount: i64) -> f64 {
    amount as f64
}

fn amount(amounts: &Amounts, resource: &str) -> i64 {
    amounts.get(resource).copied().unwrap_or(0)
}
