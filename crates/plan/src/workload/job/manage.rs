//! A job that goes on → the pods that it makes and stops, so that as many run as should.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use masthead_api::batch::indexes::Indexes;
use masthead_api::change::EventKind;
use masthead_api::core::pod::Pod;

use crate::context::Context;
use crate::workload::job::member::{
    INDEX_FAILURES, INDEX_IGNORED_FAILURES, Member, ended_at, is_failed, is_indexed, number, replaces_ended_only,
};
use crate::workload::job::run::{Run, count};
use crate::workload::job::{backoff, create};
use crate::workload::pods::is_terminating;
use crate::workload::replicaset::rank;

/// Pods made or stopped in one reaction at most (Kubernetes' `MaxPodCreateDeletePerSync`).
const BURST: usize = 500;

/// A job whose pods could not be made tries again after this long.
const RETRY_MS: u64 = 30_000;

/// Makes and stops pods; the failed pods that are still to be replaced, by index, are given back.
pub fn manage(run: &mut Run<'_>, cx: &mut Context) {
    let job = run.job.clone();
    if job.spec.suspend == Some(true) {
        for index in run.active().collect::<Vec<usize>>() {
            give_up(run, index, format!("Job {} is suspended", job.metadata.name));
        }
        return;
    }
    let (active, wanted) = (run.active_count(), wanted(run));
    let surplus = surplus(run, usize::try_from(active - wanted).unwrap_or(0));
    if !surplus.is_empty() {
        let count = surplus.len();
        for index in surplus.into_iter().take(BURST) {
            give_up(run, index, format!("Job {} has {count} pods too many", job.metadata.name));
        }
        // Pods are made in a reaction of their own, as in Kubernetes.
        return;
    }
    let waited_for = if replaces_ended_only(&job.spec) {
        count(run.members.iter().filter(|m| is_terminating(&m.pod) && !is_failed(&job, &m.pod)))
    } else {
        0
    };
    let missing = usize::try_from(wanted - waited_for - active).unwrap_or(0).min(BURST);
    if missing > 0 {
        grow(run, missing, cx);
    }
}

/// How many pods should run.
fn wanted(run: &Run<'_>) -> i32 {
    let parallelism = run.job.spec.parallelism.unwrap_or(1).max(0);
    let succeeded = run.succeeded();
    match run.job.spec.completions {
        // Once one has succeeded the others are waited for.
        None if succeeded > 0 => run.active_count(),
        None => parallelism,
        Some(completions) => completions.saturating_sub(succeeded).clamp(0, parallelism),
    }
}

/// Stops a pod without counting it.
fn give_up(run: &mut Run<'_>, index: usize, why: String) {
    run.members[index].untracked = true;
    run.stop(index, why);
}

/// The pods that are given up: those with an index that another has, or with none, and the least useful of the rest.
fn surplus(run: &Run<'_>, at_least: usize) -> Vec<usize> {
    let mut left: Vec<usize> = run.active().collect();
    left.sort_by(|a, b| rank::compare_by_work(&run.members[*a].pod, &run.members[*b].pod));
    let mut out = Vec::new();
    if is_indexed(&run.job.spec) {
        let mut kept = BTreeSet::new();
        // The most useful one of an index stays.
        for index in left.iter().rev().copied().collect::<Vec<usize>>() {
            if !run.members[index].index.is_some_and(|i| kept.insert(i)) {
                out.push(index);
            }
        }
        left.retain(|index| !out.contains(index));
    }
    let more = at_least.saturating_sub(out.len());
    out.extend(left.into_iter().take(more));
    out
}

/// The failed pod of each index that waits to be replaced: it hands its count of failures to the next.
pub fn replaced(run: &Run<'_>) -> BTreeMap<i32, Arc<Pod>> {
    let Some(failed) = &run.failed_indexes else { return BTreeMap::new() };
    let active: BTreeSet<i32> = run.active().filter_map(|i| run.members[i].index).collect();
    let mut last: BTreeMap<i32, Arc<Pod>> = BTreeMap::new();
    let failures = |pod: &Pod| number(pod, INDEX_FAILURES).saturating_add(number(pod, INDEX_IGNORED_FAILURES));
    for member in run.members.iter().filter(|m| !m.made && m.is_tracked() && is_failed(&run.job, &m.pod)) {
        let Some(index) = member.index else { continue };
        if run.succeeded_indexes.has(index) || failed.has(index) || active.contains(&index) {
            continue;
        }
        let newer = last.get(&index).is_none_or(|pod| {
            (failures(pod), ended_at(pod, run.now)) <= (failures(&member.pod), ended_at(&member.pod, run.now))
        });
        if newer {
            last.insert(index, member.pod.clone());
        }
    }
    last
}

fn grow(run: &mut Run<'_>, missing: usize, cx: &mut Context) {
    let job = run.job.clone();
    // Nothing new in a namespace that is being emptied; that is no failure.
    if run.cluster.is_terminating(&run.object.key().namespace) {
        return;
    }
    let replaced = replaced(run);
    for index in due(run, missing, &replaced) {
        let before = index.and_then(|i| replaced.get(&i)).map(|pod| &**pod);
        match create::pod(run.cluster, run.object, &job, index, before, cx) {
            Ok(object) => {
                let Ok(pod) = object.typed::<Pod>() else { continue };
                run.tell(EventKind::Normal, "SuccessfulCreate", format!("Created pod: {}", pod.metadata.name));
                run.members.push(Member { made: true, ..Member::of(&job, object, pod) });
            }
            Err(error) => {
                // All others would fail alike.
                run.tell(EventKind::Warning, "FailedCreate", format!("Error creating: {error}"));
                run.reaction.recheck_in_ms(Some(RETRY_MS));
                return;
            }
        }
    }
}

/// The pods that may be made now, by their indexes where there are such; for those that must wait the job is looked at
/// again in time.
fn due(run: &mut Run<'_>, missing: usize, replaced: &BTreeMap<i32, Arc<Pod>>) -> Vec<Option<i32>> {
    let mut waits: Vec<i64> = Vec::new();
    let mut due = Vec::with_capacity(missing);
    let whole_s = match run.job.spec.backoff_limit_per_index {
        None => run.failures().map_or(0, |(count, last)| backoff::left_s(count, last.min(run.now), run.now)),
        Some(_) => 0,
    };
    if whole_s > 0 {
        waits.push(whole_s);
    } else if is_indexed(&run.job.spec) {
        for index in pending(run, missing) {
            match backoff::of_index(replaced.get(&index).map(|pod| &**pod), run.now) {
                0 => due.push(Some(index)),
                left_s => waits.push(left_s),
            }
        }
    } else {
        due.resize(missing, None);
    }
    let next_s = waits.into_iter().min().and_then(|left_s| u64::try_from(left_s).ok());
    run.reaction.recheck_in_ms(next_s.map(|left_s| left_s.saturating_mul(1000)));
    due
}

/// The lowest indexes that have neither ended for good nor a pod that runs.
fn pending(run: &Run<'_>, missing: usize) -> Vec<i32> {
    let mut taken = run.succeeded_indexes.union(&run.active().filter_map(|i| run.members[i].index).collect());
    if let Some(failed) = &run.failed_indexes {
        taken = taken.union(failed);
    }
    if replaces_ended_only(&run.job.spec) {
        let stopping: Indexes = run
            .members
            .iter()
            .filter(|m| is_terminating(&m.pod) && !is_failed(&run.job, &m.pod))
            .filter_map(|m| m.index)
            .collect();
        taken = taken.union(&stopping);
    }
    taken.lowest_missing(missing, run.job.spec.completions.unwrap_or_default())
}
