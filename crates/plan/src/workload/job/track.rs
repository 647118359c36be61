//! Pods that ended → the job's counters, so that each counts once, whatever is interrupted in between.
//!
//! A pod is kept by a finalizer until it is counted. It is named in the status as uncounted, or its index is, in the
//! write before the one that lets go of it; what is named and kept no more has been let go of, and is counted.

use std::collections::BTreeSet;

use masthead_api::batch::job::UncountedTerminatedPods;
use masthead_api::core::pod::Pod;

use crate::workload::job::manage::replaced;
use crate::workload::job::member::{is_failed, is_indexed};
use crate::workload::job::outcome::Outcome;
use crate::workload::job::policy;
use crate::workload::job::run::Run;

/// Pods that are named as uncounted at once at most (Kubernetes' `MaxUncountedPods`).
const UNCOUNTED_MAX: usize = 500;

/// Names pods as uncounted and lets go of them; says whether it came to all of them.
pub fn track(run: &mut Run<'_>, outcome: Option<&Outcome>) -> bool {
    let indexed = is_indexed(&run.job.spec);
    let mut uncounted = run.status.uncounted_terminated_pods.take().unwrap_or_default();
    let waiting: BTreeSet<String> = replaced(run).values().map(|pod| pod.metadata.uid.clone()).collect();
    let mut order: Vec<usize> = (0..run.members.len()).collect();
    if indexed {
        order.sort_by_key(|i| run.members[*i].index);
    }
    let (mut new_indexes, mut complete) = (0, true);
    for at in order {
        let member = &run.members[at];
        if member.made || !member.is_tracked() || !may_let_go(run, &member.pod, &waiting, outcome) {
            continue;
        }
        if new_indexes + uncounted.succeeded.len() + uncounted.failed.len() >= UNCOUNTED_MAX {
            complete = false;
            break;
        }
        new_indexes += usize::from(name(run, at, &mut uncounted, outcome));
        run.members[at].untracked = true;
    }
    run.status.uncounted_terminated_pods = Some(uncounted);
    if indexed {
        run.status.succeeded = run.succeeded_indexes.total();
        run.status.completed_indexes = run.succeeded_indexes.to_string();
        run.status.failed_indexes = run.failed_indexes.as_ref().map(ToString::to_string);
    }
    complete
}

/// Whether a pod may be let go of once it is named: it ended, or everything does. A failed one whose index is to be
/// tried again stays until it is replaced, for it knows how often that index failed.
fn may_let_go(run: &Run<'_>, pod: &Pod, waiting: &BTreeSet<String>, outcome: Option<&Outcome>) -> bool {
    run.job.metadata.deletion_timestamp.is_some()
        || outcome.is_some()
        || pod.status.phase == "Succeeded"
        || (is_failed(&run.job, pod) && !waiting.contains(&pod.metadata.uid))
}

/// Names one pod where it counts; says whether that was by its index alone.
fn name(run: &Run<'_>, at: usize, uncounted: &mut UncountedTerminatedPods, outcome: Option<&Outcome>) -> bool {
    let member = &run.members[at];
    let (pod, uid) = (&member.pod, &member.pod.metadata.uid);
    if pod.status.phase == "Succeeded" && !uncounted.failed.contains(uid) {
        if is_indexed(&run.job.spec) {
            return member.index.is_some();
        }
        if !uncounted.succeeded.contains(uid) {
            uncounted.succeeded.push(uid.clone());
        }
        return false;
    }
    // Once a job has failed, what did not end counts as failed.
    let failed = is_failed(&run.job, pod) || outcome.is_some_and(|outcome| !outcome.success);
    let counts = failed && run.is_valid(member) && policy::judge(&run.job, pod).counts();
    if counts && !uncounted.failed.contains(uid) {
        uncounted.failed.push(uid.clone());
    }
    false
}
