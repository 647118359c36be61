//! A pod that its job counts → what is known of the job's failures in a row, also when the pod is gone.

use std::sync::Arc;

use masthead_api::batch::job::Job;
use masthead_api::core::pod::Pod;
use masthead_api::key::ObjectKey;
use masthead_api::kind::{Kind, Resource};
use masthead_api::object::Object;

use crate::cluster::view::{Cluster, controller_of};
use crate::workload::job::streak::{End, Streak, TRACKING};

impl Cluster {
    /// Notes how a pod ended that its job counts with this change, and forgets jobs that are no more.
    pub(super) fn count_end(&mut self, old: &Arc<Object>, new: Option<&Arc<Object>>) {
        let is = |kind: Kind| old.kind() == kind;
        if is(Job::KIND) && new.is_none_or(|new| new.meta().uid != old.meta().uid) {
            if self.streaks.contains_key(&old.meta().uid) {
                Arc::make_mut(&mut self.streaks).remove(&old.meta().uid);
            }
            return;
        }
        if !is(Pod::KIND) || !is_tracked(old) || new.is_some_and(|new| is_tracked(new)) {
            return;
        }
        let Some(owner) = controller_of(old) else { return };
        let job = self.get(&ObjectKey::new(Job::KIND, old.key().namespace.clone(), owner.name.clone()));
        // A pod that goes with its job is counted by nobody.
        if job.is_none_or(|job| job.meta().uid != owner.uid) {
            return;
        }
        let (uid, Some(end)) = (owner.uid.clone(), end(old, new.unwrap_or(old))) else { return };
        let mut streak = self.streaks.get(&uid).cloned().unwrap_or_else(|| self.found(&uid, Some(old.key())));
        streak.count(self.revision(), end);
        Arc::make_mut(&mut self.streaks).insert(uid, streak);
    }

    /// How the pods of a job ended that were counted. What was counted before the view was loaded is known of pods that
    /// are still there.
    pub fn streak(&self, job: &str) -> Streak {
        self.streaks.get(job).cloned().unwrap_or_else(|| self.found(job, None))
    }

    /// What the pods tell that were counted and are still there; `but` one of them.
    fn found(&self, job: &str, but: Option<&ObjectKey>) -> Streak {
        let mut found = Streak::default();
        let is_counted = |pod: &&Arc<Object>| !is_tracked(pod) && pod.meta().deletion_timestamp.is_none();
        let pods = self.dependents(job).filter(is_counted).filter(|pod| Some(pod.key()) != but);
        for pod in pods.filter_map(|object| object.typed::<Pod>().ok()) {
            End::of(&pod).into_iter().for_each(|end| found.count(0, end));
        }
        found
    }
}

/// How a pod ended that was let go of; one that is told to stop in the same write is given up, and none.
fn end(old: &Object, last: &Object) -> Option<End> {
    let pod = last.typed::<Pod>().ok()?;
    let ended = matches!(pod.status.phase.as_str(), "Failed" | "Succeeded");
    End::of(&pod).filter(|_| ended || old.meta().deletion_timestamp.is_some())
}

/// Whether a job has still to count a pod.
fn is_tracked(object: &Object) -> bool {
    object.meta().finalizers.iter().any(|finalizer| finalizer == TRACKING)
}
